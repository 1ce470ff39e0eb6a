// HTTP/1.1 as far as a file server needs it (RFC 9112): GET after GET on one connection. Every
// reply is checked: its status, its length, its content. An error leaves the connection useless;
// close it.
//
// On the stream's thread; one call at a time. The stream must outlive the client.

#pragma once

#include <cstdint>
#include <string_view>

#include "bench/load/corpus.h"
#include "bench/load/dots.h"
#include "bench/load/stream.h"
#include "bench/load/task.h"

namespace poplar::load {

class HttpClient {
 public:
  explicit HttpClient(Stream* stream) : stream_(stream) {}

  // Queues the request; it leaves with the next wait.
  void SendGet(std::string_view path);
  // The octets of the reply's content, which must be one of our messages as RETR sends it: dots
  // doubled, and the line of a lone dot behind it.
  Task<StatusOr<uint64_t>> ReadMessage();

 private:
  // The status line and the fields; the octets that follow them.
  Task<StatusOr<uint64_t>> ReadHead();

  Stream* const stream_;
  DotReader dots_;
  Verifier verifier_;
};

}  // namespace poplar::load
