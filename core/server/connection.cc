#include "core/server/connection.h"

#include <utility>

namespace poplar::server {
namespace {

// What a client that is thrown out has for taking the reply that says so.
constexpr uint64_t kLastWordMs = 1000;

}  // namespace

std::string_view Name(Protocol protocol) { return protocol == Protocol::kPop3 ? "pop3" : "lmtp"; }

Connection::Connection(ShardServices& services, Network& network, base::UniqueFd socket,
                       net::Address peer, const net::StreamOptions& options)
    : services_(services),
      stream_(network.env(), std::move(socket), options),
      peer_(std::move(peer)),
      started_us_(services.reactor().now_us()),
      id_(services.registry.NewId()),
      word_timer_(&services.reactor(), this),
      header_timer_(&services.reactor(), this) {}

void Connection::Start() {
  task_ = RunToEnd();
  task_.Start();
}

void Connection::End(EndCause cause) {
  if (!end_cause_) {
    end_cause_ = cause;
    stream_.InterruptIdle(net::StreamEnd::kInterrupted);
    if (held_back_ != nullptr) held_back_->Skip();
    LeaveWaits();
  }
  // Only a drain lets a slow reader finish. Nobody waits for a client that is thrown out, or for
  // one in a handshake.
  const bool waits = cause == EndCause::kDrain && !in_handshake_;
  if (!waits && !word_timer_.armed()) word_timer_.Arm(kLastWordMs);
}

void Connection::OnLastWordOver() {
  if (committing_) return word_timer_.Arm(kLastWordMs);
  Abort();
}

void Connection::Abort() { stream_.Abort(net::StreamEnd::kAborted); }

bool Connection::Judge(net::StreamEnd end) {
  if (end == net::StreamEnd::kNone) return true;
  if (stream_end_ == net::StreamEnd::kNone) stream_end_ = end;
  return false;
}

std::string_view Connection::end_word() const {
  if (end_settled()) return settled_end_;
  return stream_end_ == net::StreamEnd::kNone ? "lost" : net::StreamEndName(stream_end_);
}

io::Task<bool> Connection::Receive() {
  io::Completion<net::StreamEnd> received;
  stream_.Receive(received);
  waiting_since_us_ = services_.reactor().now_us();
  const net::StreamEnd end = co_await received;
  waiting_since_us_ = 0;
  if (end == net::StreamEnd::kInterrupted && end_cause_) co_return true;
  co_return Judge(end);
}

io::Task<bool> Connection::Flush() {
  if (stream_.output().empty()) co_return true;
  io::Completion<net::StreamEnd> flushed;
  stream_.Flush(flushed);
  const net::StreamEnd end = co_await flushed;
  co_return Judge(end);
}

io::Task<void> Connection::HoldBack() {
  ServerMetrics& metrics = services_.metrics;
  const uint64_t pause_ms = services_.settings->refusal_pause_ms;
  if (pause_ms == 0 || end_cause_ || metrics.held_back.Read() >= kHeldBackMax) co_return;
  metrics.held_back.Add(1);
  metrics.held_back_total.Add();
  co_await Wait(pause_ms);
  metrics.held_back.Add(-1);
}

io::Task<void> Connection::HoldToStep(uint64_t since_us, uint32_t step_ms) {
  if (step_ms == 0 || end_cause_) co_return;
  const uint64_t step_us = uint64_t{step_ms} * 1'000;
  const uint64_t over_us = (services_.reactor().now_us() - since_us) % step_us;
  const uint64_t left_ms = (step_us - over_us + 999) / 1'000;
  co_await Wait(left_ms);
}

io::Task<void> Connection::Wait(uint64_t delay_ms) {
  io::Completion<PauseOver> over;
  Pause pause(services_.reactor(), delay_ms, over);
  held_back_ = &pause;
  stream_.WatchPeer(this, [](void* self) { static_cast<Connection*>(self)->held_back_->Skip(); });
  co_await over;
  stream_.WatchPeer(nullptr, nullptr);
  held_back_ = nullptr;
}

io::Task<void> Connection::RunToEnd() {
  co_await Run();
  closing_ = true;
  word_timer_.Disarm();
  io::Completion<net::Closed> closed;
  stream_.Close(closed);
  co_await closed;
  services_.reactor().Schedule(finished_);
}

ConnectionInfo Connection::CommonInfo() const {
  const uint64_t now_us = services_.reactor().now_us();
  ConnectionInfo info;
  info.id = id_;
  info.closing = closing_;
  info.peer = peer_.Text();
  if (proxied_) info.proxy = proxied_->proxy.Text();
  info.age_ms = (now_us - started_us_) / 1000;
  info.idle_ms = waiting_since_us_ == 0 ? 0 : (now_us - waiting_since_us_) / 1000;
  return info;
}

void Connection::Finished() { services_.registry.Remove(id_); }

}  // namespace poplar::server
