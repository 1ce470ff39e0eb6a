#include "core/net/stream.h"

#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <utility>

#include "core/base/check.h"
#include "core/base/secret.h"
#include "core/net/keepalive.h"

namespace poplar::net {
namespace {

// Commands are short; a record holds 16 KiB at most.
constexpr size_t kDecryptBytes = 2048;
constexpr uint64_t kUnwatchedOutputMs = 100;
// Then it is found out whether the kernel kept an end to itself.
constexpr uint64_t kSilentInputMs = 1'000;

}  // namespace

Stream::Stream(const StreamEnv& env, base::UniqueFd socket, const StreamOptions& options)
    : env_(env),
      options_(options),
      idle_timeout_ms_(options.idle_timeout_ms),
      socket_(std::move(socket)),
      receiver_(env.reactor, env.buffers, env.metrics, socket_.get(), options.input, this,
                [](void* self) { static_cast<Stream*>(self)->OnReceiverNews(); }),
      wire_(socket_.get(), env.metrics),
      buffer_sender_(env.reactor, wire_, this,
                     [](void* self, StreamEnd end) { static_cast<Stream*>(self)->OnSendEnd(end); }),
      body_sender_(env.reactor, wire_, env.chunks, env.metrics, this,
                   [](void* self, StreamEnd end) { static_cast<Stream*>(self)->OnSendEnd(end); }),
      handshaker_(env.reactor, receiver_, wire_, env.metrics, env.certificates, this,
                  [](void* self, StreamEnd end) { static_cast<Stream*>(self)->OnSendEnd(end); }),
      life_timer_(&env.reactor, this),
      probe_timer_(&env.reactor, this) {
  env_.metrics.open.Add(1);
}

Stream::~Stream() {
  POP_CHECK(wait_ == Wait::kNothing);
  if (socket_.valid()) env_.metrics.open.Add(-1);
}

void Stream::Ask(Wait wait, io::Completion<StreamEnd>& done) {
  POP_CHECK(wait_ == Wait::kNothing);
  wait_ = wait;
  asked_ = &done;
}

void Stream::Answer(StreamEnd end) {
  wait_ = Wait::kNothing;
  std::exchange(asked_, nullptr)->Set(end);
}

// --- Input.

void Stream::Receive(io::Completion<StreamEnd>& done) {
  Ask(Wait::kInput, done);
  if (dead_ != StreamEnd::kNone) return Answer(dead_);
  if (interrupt_ != StreamEnd::kNone) return Answer(std::exchange(interrupt_, StreamEnd::kNone));
  if (HaveInput()) return Answer(StreamEnd::kNone);
  if (input_end_ != StreamEnd::kNone) return Answer(input_end_);
  if (output_.empty()) output_.Release();
  receiver_.Want();
  unread_bytes_ = 0;
  input_looked_for_ = false;
  life_timer_.Arm(FirstLookMs(kSilentInputMs));
}

std::string_view Stream::input() const {
  return tls() != nullptr ? decrypted_.view() : receiver_.input();
}

void Stream::WipeInput(size_t bytes) {
  // Both kinds of input lie in buffers of our own.
  base::Wipe(const_cast<char*>(input().data()), bytes);
}

void Stream::Consume(size_t bytes) {
  if (tls() == nullptr) return receiver_.Consume(bytes);
  decrypted_.Consume(bytes);
  if (decrypted_.empty()) decrypted_.Release();
}

// False: none, and input_end_ says whether more will come.
bool Stream::HaveInput() {
  if (tls() != nullptr) {
    if (decrypted_.empty() && input_end_ == StreamEnd::kNone) Decrypt();
    return !decrypted_.empty();
  }
  if (!receiver_.input().empty()) return true;
  TakeReceiverEnd();
  return false;
}

void Stream::TakeReceiverEnd() {
  const StreamEnd before = std::exchange(input_end_, receiver_.end());
  if (input_end_ == StreamEnd::kPeerLost && before != input_end_) env_.metrics.ends_lost.Add();
}

void Stream::Decrypt() {
  TlsSession& session = *handshaker_.session();
  TlsStep step = TlsStep::kDone;
  while (step == TlsStep::kDone && decrypted_.size() < kDecryptedBytesMax) {
    size_t bytes = 0;
    step = session.Read(decrypted_.Tail(kDecryptBytes).first(kDecryptBytes), bytes);
    decrypted_.Extend(bytes);
  }
  if (decrypted_.empty()) decrypted_.Release();
  if (session.must_close()) {
    input_end_ = StreamEnd::kTlsKeyUpdate;
    env_.metrics.tls_key_update_ends.Add();
  } else if (step == TlsStep::kWantInput) {
    TakeReceiverEnd();
  } else if (step == TlsStep::kPeerClosed) {
    input_end_ = StreamEnd::kPeerClosed;
  } else if (step != TlsStep::kDone) {
    input_end_ = StreamEnd::kTlsFailed;
  }
}

void Stream::OnReceiverNews() {
  switch (wait_) {
    case Wait::kInput:
      if (HaveInput()) return Answer(StreamEnd::kNone);
      if (input_end_ != StreamEnd::kNone) return Answer(input_end_);
      return receiver_.Want();
    case Wait::kHandshake:
      return handshaker_.OnInput();
    case Wait::kClose:
      return ContinueClose();
    case Wait::kNothing:
      return TellIfGone();
    case Wait::kOutput:
      return;
  }
}

// --- Output.

void Stream::Flush(io::Completion<StreamEnd>& done) {
  Ask(Wait::kOutput, done);
  if (dead_ != StreamEnd::kNone) return Answer(dead_);
  if (output_.empty()) return Answer(StreamEnd::kNone);
  WatchOutput();
  buffer_sender_.Start(output_);
}

void Stream::SendBody(io::Body& body, io::Completion<StreamEnd>& done) {
  Ask(Wait::kOutput, done);
  if (dead_ != StreamEnd::kNone) return Answer(dead_);
  WatchOutput();
  body_sender_.Start(output_, body);
}

StreamEnd Stream::FailBody(const StatusOr<size_t>& read) {
  POP_CHECK(wait_ == Wait::kNothing);
  body_sender_.Fail(read);
  Die(StreamEnd::kBodyFailed);
  return dead_;
}

bool Stream::AppendSmallBody(io::Body& body,
                             const std::function<size_t(std::string_view)>& append) {
  static thread_local std::array<char, kSmallSealedBodyBytesMax> read;
  if (!IsSmall(body) || !body.TryReadAll({read.data(), body.wire_bytes()})) return false;
  env_.metrics.small.bytes.Add(append({read.data(), body.wire_bytes()}));
  env_.metrics.small.uses.Add();
  return true;
}

// Nearly all output is gone at once, and asking the kernel how far the peer is costs as much as a
// twentieth of a small reply: only who is still sending a moment later is watched.
void Stream::WatchOutput() {
  output_watched_ = false;
  life_timer_.Arm(FirstLookMs(kUnwatchedOutputMs));
}

void Stream::OnOutputTimer() {
  const uint64_t accepted = wire_.accepted_bytes();
  if (output_watched_ && accepted < accepted_bytes_ + LeastOutputBytes())
    return Abort(StreamEnd::kIdle);
  const uint64_t unwatched_ms =
      std::exchange(output_watched_, true) ? 0 : FirstLookMs(kUnwatchedOutputMs);
  accepted_bytes_ = accepted;
  life_timer_.Arm(idle_timeout_ms_ - unwatched_ms);
}

void Stream::OnSendEnd(StreamEnd end) {
  if (end != StreamEnd::kNone) Die(end);
  Answer(dead_);  // Also where all was sent just before an abort took hold.
}

// --- TLS.

void Stream::StartTls(std::shared_ptr<const TlsContext> context, TlsStart start,
                      io::Completion<StreamEnd>& done) {
  Ask(Wait::kHandshake, done);
  if (dead_ != StreamEnd::kNone) return Answer(dead_);
  handshaker_.Start(std::move(context), start, output_);
}

// --- Life and its end.

void Stream::OnLifeTimer() {
  switch (wait_) {
    case Wait::kInput:
      return OnInputTimer();
    case Wait::kOutput:
      return OnOutputTimer();
    case Wait::kClose:
      receiver_.Stop();
      return ContinueClose();
    case Wait::kNothing:  // The driver is at work; it asks again.
    case Wait::kHandshake:
      return;
  }
}

// Of an idle timeout.
uint64_t Stream::FirstLookMs(uint64_t at_most_ms) const {
  return std::min(at_most_ms, idle_timeout_ms_ / 2);
}

void Stream::OnInputTimer() {
  if (!std::exchange(input_looked_for_, true)) {
    life_timer_.Arm(idle_timeout_ms_ - FirstLookMs(kSilentInputMs));
    return receiver_.LookForEnd();
  }
  if (PeerTakesOutput()) return life_timer_.Arm(idle_timeout_ms_);
  env_.metrics.ends_idle.Add();
  Answer(StreamEnd::kIdle);
}

uint64_t Stream::LeastOutputBytes() const {
  return std::max<uint64_t>(1, options_.output_bytes_per_s_min * idle_timeout_ms_ / 1000);
}

// The kernel took the replies, but a slow peer may still be reading them: that is life too, at the
// same least rate.
bool Stream::PeerTakesOutput() {
  int unread = 0;
  if (ioctl(socket_.get(), SIOCOUTQ, &unread) != 0) return false;
  const auto unread_bytes = static_cast<uint64_t>(std::max(unread, 0));
  const uint64_t before = std::exchange(unread_bytes_, unread_bytes);
  if (before == 0) return unread_bytes > 0;  // The first look since the peer was last heard of.
  return unread_bytes + std::min(LeastOutputBytes(), before) <= before;
}

void Stream::InterruptIdle(StreamEnd why) {
  POP_CHECK(why != StreamEnd::kNone);
  if (wait_ == Wait::kInput) return Answer(why);
  interrupt_ = why;
}

void Stream::Abort(StreamEnd why) {
  POP_CHECK(why != StreamEnd::kNone);
  reset_ = true;
  Die(why);
  switch (wait_) {
    case Wait::kNothing:
      return TellIfGone();
    case Wait::kInput:
      return Answer(dead_);
    case Wait::kOutput:
      buffer_sender_.Abort(why);
      body_sender_.Abort(why);
      return;
    case Wait::kHandshake:
      return handshaker_.Abort(why);
    case Wait::kClose:
      receiver_.Stop();
      return ContinueClose();
  }
}

void Stream::ProbePeer() {
  if (probe_timer_.armed() || wait_ == Wait::kClose) return;
  SetKeepalive(socket_.get(), kProbeKeepalive);
  probe_timer_.Arm(kProbeMs);
}

void Stream::OnProbeTimer() {
  // The kernel has given up already if it could ask; it cannot while sent bytes wait for their
  // acknowledgement.
  if (PeerIsSilent(socket_.get(), kProbeMs - 1'000)) return Abort(StreamEnd::kPeerLost);
  SetKeepalive(socket_.get(), kQuietKeepalive);
}

void Stream::WatchPeer(void* owner, GoneHandler gone) {
  gone_owner_ = owner;
  gone_ = gone;
  TellIfGone();
}

StreamEnd Stream::LookAtPeer() {
  POP_CHECK(wait_ == Wait::kNothing);
  const StreamEnd end = receiver_.LookAhead();
  if (end != StreamEnd::kNone) Die(end);
  return dead_;
}

void Stream::TellIfGone() {
  if (gone_ == nullptr || (dead_ == StreamEnd::kNone && receiver_.end() == StreamEnd::kNone))
    return;
  std::exchange(gone_, nullptr)(gone_owner_);
}

// The first reason stays.
void Stream::Die(StreamEnd why) {
  if (dead_ != StreamEnd::kNone) return;
  dead_ = why;
  if (why == StreamEnd::kIdle) env_.metrics.ends_idle.Add();
  if (why == StreamEnd::kPeerLost) env_.metrics.ends_lost.Add();
}

void Stream::Close(io::Completion<Closed>& done) {
  POP_CHECK(wait_ == Wait::kNothing && socket_.valid());
  wait_ = Wait::kClose;
  closing_ = &done;
  probe_timer_.Disarm();
  output_.Release();
  if (reset_) {
    const linger reset{.l_onoff = 1, .l_linger = 0};
    (void)setsockopt(socket_.get(), SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
    receiver_.Stop();
    return ContinueClose();
  }
  // Without it the peer knows that a body that failed is not all there.
  if (handshaker_.session() != nullptr && dead_ != StreamEnd::kBodyFailed)
    handshaker_.session()->CloseNotify();
  (void)shutdown(socket_.get(), SHUT_WR);
  life_timer_.Arm(kLingerMs);
  receiver_.Want();
  ContinueClose();
}

void Stream::ContinueClose() {
  while (!receiver_.input().empty()) {
    const size_t bytes = receiver_.input().size();
    receiver_.Consume(bytes);
    lingered_bytes_ += bytes;
  }
  if (receiver_.end() != StreamEnd::kNone || lingered_bytes_ > kLingerBytesMax) receiver_.Stop();
  if (!receiver_.stopped() || !receiver_.quiet()) return;
  life_timer_.Disarm();
  socket_.Reset();
  env_.metrics.open.Add(-1);
  wait_ = Wait::kNothing;
  std::exchange(closing_, nullptr)->Set({});
}

}  // namespace poplar::net
