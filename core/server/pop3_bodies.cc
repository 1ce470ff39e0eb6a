// RETR and TOP: which lane a message takes. A small one is copied behind its head, so that
// pipelined replies leave in one send; a larger one goes to the stream, which has lanes of its own.

#include <algorithm>
#include <array>
#include <utility>

#include "core/proto/pop3/top_cutter.h"
#include "core/server/outcome_table.h"
#include "core/server/pause.h"
#include "core/server/pop3_driver.h"

namespace poplar::server {
namespace {

// A header is read in pieces of this size; most fit one.
constexpr size_t kHeaderPieceBytes = 8 * kKiB;

constexpr uint64_t kEgressStepMs = 1'000;

}  // namespace

io::Task<bool> Pop3Driver::SendMessage(pop3::Action action) {
  if (egress_wait_ms_ > 0) {
    services_.metrics.egress_wait_us.Observe(egress_wait_ms_ * 1'000);
    const bool open = co_await WaitForEgress();
    if (!open) co_return false;
  }
  const uint64_t since_us = services_.reactor().now_us();
  const storage::MessagePosition position(action.message.value());
  std::unique_ptr<io::Body> body = maildrop_->OpenBody(position);
  if (!session_.takes_utf8_headers()) {
    const uint64_t header_bytes = maildrop_->Info(position).header_bytes;
    io::Body* const looked_at = body.get();
    const bool utf8 = co_await HeaderHoldsUtf8(looked_at, header_bytes);
    if (utf8) {
      session_.BodyFailed(pop3::BodyFailure::kNeedsUtf8, stream_.output());
      co_return true;
    }
  }
  bool small = !action.top_lines && AppendSmall(*body);
  if (!small) {
    io::Completion<Status> verified;
    body->Verify(verified);
    const Status status = co_await verified;
    if (!status.ok()) {
      services_.metrics.bodies_failed.Add();
      session_.BodyFailed(ToPop3(status), stream_.output());
      co_return true;
    }
    // Reading the head may have brought the rest with it.
    small = !action.top_lines && AppendSmall(*body);
  }
  if (small) {
    session_.BodySent();
    CountSent(action.message, *body);
    services_.metrics.retr_us.Observe(services_.reactor().now_us() - since_us);
    co_return true;
  }
  session_.BodyReady(stream_.output());
  bool sent = false;
  if (action.top_lines) {
    sent = co_await SendTop(std::move(body), *action.top_lines);
  } else {
    sent = co_await SendWhole(action.message, std::move(body));
  }
  if (sent) {
    session_.BodySent();
  } else {
    services_.metrics.bodies_cut.Add();
  }
  base::Histogram& took_us =
      action.top_lines ? services_.metrics.top_us : services_.metrics.retr_us;
  took_us.Observe(services_.reactor().now_us() - since_us);
  co_return sent;
}

bool Pop3Driver::AppendSmall(io::Body& body) {
  return stream_.AppendSmallBody(body, [this](base::ByteBuffer& out) { session_.BodyReady(out); });
}

void Pop3Driver::CountSent(pop3::MessageIndex message, const io::Body& body) {
  services_.metrics.messages_sent.Add();
  CountOctets(body.wire_bytes());
  ++messages_sent_;
  // An export takes mail out and leaves it as it is.
  if (pop3_.session.exports || !maildrop_->wants_fetched()) return;
  fetched_.resize(maildrop_->count());
  fetched_[message.value()] = true;
}

void Pop3Driver::CountOctets(uint64_t octets) {
  services_.metrics.message_octets_sent.Add(octets);
  message_octets_sent_ += octets;
  egress_wait_ms_ =
      std::max(egress_wait_ms_, admission_.ChargeEgress(octets, services_.reactor().now_us()));
}

// In steps, so that a server that ends the session is not kept waiting.
io::Task<bool> Pop3Driver::WaitForEgress() {
  const bool flushed = co_await Flush();
  while (flushed && egress_wait_ms_ > 0 && !WhyToEnd()) {
    const uint64_t step_ms = std::min(egress_wait_ms_, kEgressStepMs);
    egress_wait_ms_ -= step_ms;
    io::Completion<PauseOver> over;
    Pause pause(services_.reactor(), step_ms, over);
    co_await over;
  }
  co_return flushed && !WhyToEnd();
}

// False also where it cannot be read: sending finds out why.
io::Task<bool> Pop3Driver::HeaderHoldsUtf8(io::Body* body, uint64_t header_bytes) {
  std::array<char, kHeaderPieceBytes> piece;
  uint64_t at = 0;
  while (at < header_bytes) {
    const size_t asked = std::min<uint64_t>(piece.size(), header_bytes - at);
    io::Completion<StatusOr<size_t>> read;
    body->Read(at, std::span(piece).first(asked), read);
    const StatusOr<size_t> bytes = co_await read;
    if (!bytes.ok() || *bytes == 0) co_return false;
    const std::string_view text(piece.data(), *bytes);
    if (std::any_of(text.begin(), text.end(), [](char c) { return static_cast<int8_t>(c) < 0; }))
      co_return true;
    at += *bytes;
  }
  co_return false;
}

io::Task<bool> Pop3Driver::SendWhole(pop3::MessageIndex message, std::unique_ptr<io::Body> body) {
  io::Completion<net::StreamEnd> done;
  stream_.SendBody(*body, done);
  const net::StreamEnd end = co_await done;
  if (!Judge(end)) co_return false;
  CountSent(message, *body);
  co_return true;
}

io::Task<bool> Pop3Driver::SendTop(std::unique_ptr<io::Body> body, uint32_t body_lines) {
  pop3::TopCutter cutter(body_lines);
  const uint32_t out_bytes_max = pop3_.session.out_bytes_soft_max;
  uint64_t at = 0;
  while (!cutter.done() && at < body->wire_bytes()) {
    if (stream_.output().size() > out_bytes_max) {
      const bool flushed = co_await Flush();
      if (!flushed) co_return false;
    }
    const std::span<char> tail = stream_.output().Tail(kHeaderPieceBytes).first(kHeaderPieceBytes);
    io::Completion<StatusOr<size_t>> read;
    body->Read(at, tail, read);
    const StatusOr<size_t> bytes = co_await read;
    if (!bytes.ok() || *bytes == 0) {
      SettleEnd("body_failed");
      co_return false;
    }
    const size_t passed = cutter.Pass({tail.data(), *bytes});
    stream_.output().Extend(passed);
    CountOctets(passed);
    at += *bytes;
  }
  stream_.output().Append(cutter.Ending());
  co_return true;
}

}  // namespace poplar::server
