// POP3 as a client speaks it (RFC 1939, 2449, 2595), over one stream. Every reply is checked: its
// status, its numbers, its lines. An error leaves the connection useless; close it.
//
// On the stream's thread; one call at a time. The stream must outlive the client.

#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "bench/load/corpus.h"
#include "bench/load/dots.h"
#include "bench/load/stream.h"
#include "bench/load/task.h"

namespace poplar::load {

struct Pop3Totals {
  uint64_t messages = 0;
  uint64_t octets = 0;
};

struct Pop3Message {
  uint64_t id = 0;      // of the corpus
  uint64_t octets = 0;  // as received, un-stuffed
};

// Whether a refusal is "[IN-USE]" (RFC 2449 section 8.1.2): another session holds the maildrop.
bool IsInUse(const Status& error);

class Pop3Client {
 public:
  explicit Pop3Client(Stream* stream) : stream_(stream) {}

  Task<Status> Greeting();
  // STLS up to its +OK; the handshake is the stream's.
  Task<Status> Stls();
  // The number of capabilities. An empty list is an error.
  Task<StatusOr<uint64_t>> Capa();
  // USER, then PASS when USER was answered.
  Task<Status> Login(std::string_view user, std::string_view password);
  // AUTH with all of the exchange in its line: the mechanism and its initial response.
  Task<Status> Auth(std::string_view line);
  Task<StatusOr<Pop3Totals>> Stat();
  // The octets of each message. The numbers must be 1, 2, 3 and so on (nothing is deleted).
  Task<StatusOr<std::vector<uint64_t>>> List();
  // The octets of one message.
  Task<StatusOr<uint64_t>> ListOne(uint64_t number);
  // The unique ids, in order; empty, over-long or repeated ones are errors.
  Task<StatusOr<std::vector<std::string>>> Uidl();
  // The head of one message and at most so many lines behind it.
  Task<Status> Top(uint64_t number, uint64_t lines);
  Task<Status> Dele(uint64_t number);
  // DELE of the first `count` messages, all in flight.
  Task<Status> DeleFirst(uint64_t count);
  // RETR of the messages behind the first `skip`, with `depth` of them in flight. `sizes` is what
  // LIST said of all; it must outlive the task.
  Task<StatusOr<std::vector<Pop3Message>>> RetrAllBehind(uint64_t skip,
                                                         const std::vector<uint64_t>* sizes,
                                                         uint32_t depth);
  Task<Status> Rset();
  // QUIT, its reply, and the server's close.
  Task<Status> Quit();

  // Pipelining: Send queues a command (without line end), the Read functions take its reply.
  void Send(std::string_view command);
  void Send(std::string_view verb, uint64_t number);
  Task<Status> ReadOk();
  // The reply to RETR: `octets` (from LIST) must be what arrives, and the content must be ours.
  // A slow reader waits `pause_ms` between pieces, or takes so many bytes a second, and gives up
  // when the loop ends (kCancelled).
  struct RetrOptions {
    uint64_t octets = 0;
    uint64_t pause_ms = 0;
    uint64_t bytes_per_second = 0;  // 0: as many as there are
    Loop* loop = nullptr;           // REQUIRED for either
  };
  Task<StatusOr<Pop3Message>> ReadRetr(RetrOptions options);

 private:
  // One reply line; -ERR is an error.
  Task<StatusOr<std::string_view>> ReadStatus();
  // Lines up to the lone dot. `each(line)` returns a Status.
  template <class Each>
  Task<Status> ReadLines(Each each);

  Stream* const stream_;
  DotReader dots_;
  Verifier verifier_;
};

}  // namespace poplar::load
