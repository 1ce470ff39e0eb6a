// One connection to a server, plain or TLS, as a coroutine reads and writes it. What is written is
// kept until the coroutine waits, so that pipelined commands leave together. On its loop's thread;
// one coroutine at a time; close or destroy it only when none waits on it, or from that one.
//
// Errors: see meter.h (connection, timeout, tls, reply).

#pragma once

#include <coroutine>
#include <cstdint>
#include <optional>
#include <string_view>

#include "bench/load/endpoint.h"
#include "bench/load/loop.h"
#include "bench/load/task.h"
#include "bench/load/tls.h"
#include "core/base/byte_buffer.h"
#include "core/base/fd.h"
#include "core/base/status.h"
#include "core/base/units.h"

namespace poplar::load {

struct StreamOptions {
  uint64_t timeout_ms = 10'000;          // for each wait
  int receive_buffer_bytes = 0;          // SO_RCVBUF; 0 leaves the kernel's choice
  size_t receive_bytes_max = 64 * kKiB;  // at a time; a stream keeps a buffer of this size
};

class Stream final : private Loop::Watcher {
 public:
  explicit Stream(Loop* loop, StreamOptions options = {}) : loop_(loop), options_(options) {}
  ~Stream() { Close(); }
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  Task<Status> Connect(const Endpoint* endpoint);
  // A handshake on what is connected. Bytes that came in clear before it are an error.
  Task<Status> StartTls(TlsContext* context, TlsTicket* ticket);
  bool tls_resumed() const { return ssl_ != nullptr && SSL_session_reused(ssl_.get()) == 1; }

  // Sent at the next wait, or by Flush.
  void Write(std::string_view bytes) { output_.Append(bytes); }
  // Waits until everything written has gone to the kernel.
  Task<Status> Flush();

  // What has arrived and was not consumed. Valid until the next Fill.
  std::string_view input() const { return input_.view(); }
  void Consume(size_t bytes) { input_.Consume(bytes); }
  // Waits for at least one more byte. At the peer's end: a connection error.
  Task<Status> Fill();

  // The next whole line without its line end, if it has arrived. Valid until the next Fill.
  std::optional<std::string_view> TakeLine();
  Task<StatusOr<std::string_view>> ReadLine();

  // Waits until the loop ends. Anything that arrives meanwhile is an error, the peer's close, too.
  Task<Status> StaySilent();
  // Waits for the peer's close. Anything else that arrives is an error.
  Task<Status> WaitClose();

  // Closes at once. `Reset` makes the peer see a reset instead of an orderly end.
  void Close();
  void Reset();

 private:
  enum class Progress : uint8_t { kSome, kWouldBlock, kEnd };

  static constexpr uint64_t kLoopEndNs = UINT64_MAX;  // a deadline: when the loop ends

  uint64_t Timeout() const { return MonotonicNs() + options_.timeout_ms * 1'000'000; }
  auto Ready(uint64_t deadline_ns);
  StatusOr<Progress> TryReceive();
  Status TrySend();
  StatusOr<int64_t> ReceiveInto(char* bytes, size_t count);
  StatusOr<int64_t> SendFrom(std::string_view bytes);
  StatusOr<int64_t> TlsResult(int result, std::string_view what);

  void OnReady() override;
  void OnTick(uint64_t now_ns) override;

  Loop* const loop_;
  const StreamOptions options_;
  base::UniqueFd fd_;
  SslPtr ssl_;
  base::ByteBuffer input_;
  base::ByteBuffer output_;
  std::coroutine_handle<> waiter_;
  uint64_t deadline_ns_ = 0;  // of the wait under way
  bool timed_out_ = false;
};

}  // namespace poplar::load
