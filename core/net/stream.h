// One connection: bytes in, bytes out, with or without TLS. One reader and writer, the session's
// driver, which asks one thing at a time and awaits it.
//
//   stream.Receive(done);              end = co_await done;   bytes = stream.input();
//   stream.Consume(n);
//   stream.output().Append("+OK\r\n");
//   stream.Flush(done);                end = co_await done;
//   stream.SendBody(*body, done);      end = co_await done;
//   stream.Close(closed);              co_await closed;
//
// Back-pressure: while the driver does not receive, nothing is read beyond a small backlog
// (receiver.h). Life: a byte received or accepted by the peer pushes the idle timeout back, the
// latter at a least rate.
//
// An end other than kNone, kIdle or kInterrupted from Receive is final for receiving; one from
// sending or the handshake is final for the stream: what is asked later ends the same way at once,
// and Close remains.
//
// Lives on its reactor's thread. DIAGNOSTICS: asking while an answer is due, or destroying a stream
// that did anything and was not closed, is a failed check.

#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>

#include "core/base/byte_buffer.h"
#include "core/base/fd.h"
#include "core/io/body.h"
#include "core/io/buffer_ring.h"
#include "core/io/reactor.h"
#include "core/io/task.h"
#include "core/io/timer.h"
#include "core/net/body_sender.h"
#include "core/net/buffer_sender.h"
#include "core/net/certificate_desk.h"
#include "core/net/chunk_pool.h"
#include "core/net/handshaker.h"
#include "core/net/net_metrics.h"
#include "core/net/receiver.h"
#include "core/net/stream_end.h"
#include "core/net/tls_context.h"
#include "core/net/tls_session.h"
#include "core/net/wire.h"

namespace poplar::net {

// What the streams of a shard and protocol share. All of it outlives them.
struct StreamEnv {
  io::Reactor& reactor;
  io::BufferRing& buffers;
  ChunkPool& chunks;
  NetMetrics& metrics;
  CertificateDesk* certificates = nullptr;  // Null: that of the TLS context is for all.
};

struct StreamOptions {
  uint64_t idle_timeout_ms = 600'000;  // RFC 1939 §3: at least ten minutes.
  // While something is being sent, the peer must accept so much on average over an idle timeout.
  uint64_t output_bytes_per_s_min = 64;
  InputKind input = InputKind::kCommands;
};

// A peer that was asked for a sign of life and gives none in this time is lost.
inline constexpr uint64_t kProbeMs = 12'000;
// After our side is closed, the peer may still send for so long, and so much, before the connection
// is cut: a reset would take back the last reply.
inline constexpr uint64_t kLingerMs = 1'000;
inline constexpr uint64_t kLingerBytesMax = 256 * 1024;
// Decrypted input that waits for the driver.
inline constexpr size_t kDecryptedBytesMax = 16 * 1024;

struct Closed {};

class Stream {
 public:
  Stream(const StreamEnv& env, base::UniqueFd socket, const StreamOptions& options);
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;
  // REQUIRES: closed, or never used.
  ~Stream();

  // --- Input.
  // kNone: input() has something. At once if it has already.
  void Receive(io::Completion<StreamEnd>& done);
  // What was received and not consumed, or a part of it. Ends when the driver next awaits anything,
  // and with Consume.
  std::string_view input() const;
  // Zeroes the next `bytes` of the input, which held a secret. REQUIRES: bytes <= input().size().
  void WipeInput(size_t bytes);
  // REQUIRES: bytes <= input().size().
  void Consume(size_t bytes);

  // --- Output. Not to be touched while something is being sent.
  base::ByteBuffer& output() { return output_; }
  // Sends and consumes all of output().
  void Flush(io::Completion<StreamEnd>& done);
  // Sends output(), the body's head at its end, and then the body. kBodyFailed: the client must see
  // the connection end without the terminator, so nothing but Close may follow.
  void SendBody(io::Body& body, io::Completion<StreamEnd>& done);
  // Of a body that the driver reads and appends to output() itself: its Read failed with `read`.
  // The stream ends as by SendBody; says with what, as an abort may have come before.
  [[nodiscard]] StreamEnd FailBody(const StatusOr<size_t>& read);
  // Why a body failed by either; OK: none has.
  const Status& body_failure() const { return body_sender_.failure(); }
  // Whether it is copied into output() where that needs no wait.
  bool IsSmall(const io::Body& body) const { return body.wire_bytes() <= SmallBodyBytesMax(wire_); }
  // Hands a small body, once all of it was read without a wait, to `append`, which puts a head and
  // it, or its beginning, into output() and says how much of it; replies to pipelined commands then
  // leave together. The head is a promise, so it comes after the reading. False: `append` was not
  // called.
  [[nodiscard]] bool AppendSmallBody(io::Body& body,
                                     const std::function<size_t(std::string_view)>& append);

  // --- TLS. The driver (its log-in timeout) limits how long it takes.
  void StartTls(std::shared_ptr<const TlsContext> context, TlsStart start,
                io::Completion<StreamEnd>& done);
  // Null without TLS. It speaks of a finished handshake once StartTls ended with kNone.
  const TlsSession* tls() const { return handshaker_.session(); }

  // From the next wait on. Never longer than the options say.
  void LimitIdleTimeout(uint64_t idle_timeout_ms) {
    idle_timeout_ms_ = std::min(options_.idle_timeout_ms, idle_timeout_ms);
  }

  // --- From outside the driver.
  // Ends a Receive that waits, or else the next one, with `why`; once. Nothing is lost by it.
  void InterruptIdle(StreamEnd why);
  // Ends whatever is being waited for with `why`, now; the connection will be reset.
  void Abort(StreamEnd why);
  // Asks the peer for a sign of life. Without one the stream is aborted with kPeerLost within
  // kProbeMs.
  void ProbePeer();

  // While the driver waits for somebody else: `gone` comes once when the peer has closed or is
  // lost, or the stream was aborted; at once if that is so already. What the peer sent before is
  // not looked at. `gone` null: no longer.
  using GoneHandler = void (*)(void* owner);
  void WatchPeer(void* owner, GoneHandler gone);
  // Looks whether the peer has closed its side or is lost, also where so much waits that nothing
  // more is received, or the kernel kept it to itself. That ends the stream; kNone: it is there.
  // REQUIRES: the driver waits for nothing of the stream.
  StreamEnd LookAtPeer();

  // Says goodbye (close_notify, FIN), lets the peer finish, and closes. `done`: the kernel holds
  // nothing of the stream any more; it may be destroyed. After an abort the connection is reset.
  void Close(io::Completion<Closed>& done);

  uint64_t received_bytes() const { return receiver_.received_bytes(); }
  uint64_t sent_bytes() const { return wire_.sent_bytes(); }

 private:
  enum class Wait : uint8_t { kNothing, kInput, kOutput, kHandshake, kClose };

  void Ask(Wait wait, io::Completion<StreamEnd>& done);
  void Answer(StreamEnd end);
  bool HaveInput();
  void Decrypt();
  void TakeReceiverEnd();
  void OnReceiverNews();
  void OnSendEnd(StreamEnd end);
  void OnLifeTimer();
  void OnInputTimer();
  void WatchOutput();
  void OnOutputTimer();
  uint64_t FirstLookMs(uint64_t at_most_ms) const;
  uint64_t LeastOutputBytes() const;
  bool PeerTakesOutput();
  void OnProbeTimer();
  void Die(StreamEnd why);
  void TellIfGone();
  void ContinueClose();

  const StreamEnv env_;
  const StreamOptions options_;
  uint64_t idle_timeout_ms_;
  base::UniqueFd socket_;
  Receiver receiver_;
  Wire wire_;
  BufferSender buffer_sender_;
  BodySender body_sender_;
  Handshaker handshaker_;
  base::ByteBuffer output_;
  base::ByteBuffer decrypted_;

  Wait wait_ = Wait::kNothing;
  io::Completion<StreamEnd>* asked_ = nullptr;
  io::Completion<Closed>* closing_ = nullptr;
  StreamEnd input_end_ = StreamEnd::kNone;  // Final for receiving, once input() is empty.
  StreamEnd dead_ = StreamEnd::kNone;       // Final for all.
  StreamEnd interrupt_ = StreamEnd::kNone;  // For the next Receive.
  bool reset_ = false;                      // Close by a reset.
  bool input_looked_for_ = false;           // In this wait.
  bool output_watched_ = false;             // accepted_bytes_ counts.
  uint64_t accepted_bytes_ = 0;             // By the peer, when the life timer was armed.
  uint64_t unread_bytes_ = 0;               // In the kernel's send buffer, at the last idle look.
  uint64_t lingered_bytes_ = 0;
  void* gone_owner_ = nullptr;
  GoneHandler gone_ = nullptr;  // Of who wants to know that the peer is gone.
  io::TimerFor<&Stream::OnLifeTimer> life_timer_;
  io::TimerFor<&Stream::OnProbeTimer> probe_timer_;
};

}  // namespace poplar::net
