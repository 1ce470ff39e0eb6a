// LMTP as an MTA speaks it (RFC 2033, with PIPELINING of RFC 2920), over one stream. Every reply is
// checked. An error leaves the connection useless; close it.
//
// On the stream's thread; one call at a time. The stream must outlive the client.

#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "bench/load/stream.h"
#include "bench/load/task.h"

namespace poplar::load {

class LmtpClient {
 public:
  explicit LmtpClient(Stream* stream) : stream_(stream) {}

  // The greeting and LHLO. PIPELINING must be offered.
  Task<Status> Open();
  // One transaction: MAIL, every RCPT and DATA in one send, then the message (already stuffed, with
  // its final dot). One 2xx reply for each recipient, in order, or an error.
  // `declare_size`: MAIL says how long it will be (RFC 1870), as an MTA does.
  Task<Status> Deliver(const std::vector<std::string>* recipients, std::string_view wire,
                       bool declare_size = false);
  // The same, cut: everything up to `wire_bytes` of the message is sent, and nothing more.
  Task<Status> DeliverPart(const std::vector<std::string>* recipients, std::string_view wire,
                           size_t wire_bytes);
  Task<Status> Quit();

 private:
  // `size`: what MAIL declares; 0: nothing.
  Task<Status> Begin(const std::vector<std::string>* recipients, size_t size);
  // One reply, multi-line ones too. `code_class` is its first digit. `lines` may be null.
  Task<Status> ReadReply(char code_class, std::string_view what, std::string* lines);

  Stream* const stream_;
};

}  // namespace poplar::load
