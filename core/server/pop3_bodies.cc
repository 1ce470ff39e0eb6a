// RETR and TOP: which lane a message takes. A small one is copied behind its head, so that
// pipelined replies leave in one send, and is all read before that promises it; a larger one goes
// to the stream, which has lanes of its own. An export is what is left when this store is gone, so
// for one every message is read before.

#include <algorithm>
#include <array>
#include <utility>

#include "core/base/log.h"
#include "core/base/probes.h"
#include "core/proto/pop3/top_cutter.h"
#include "core/server/outcome_table.h"
#include "core/server/pop3_driver.h"

namespace poplar::server {
namespace {

// What is looked at is read in pieces of this size; most headers fit one.
constexpr size_t kPieceBytes = 8 * kKiB;

constexpr uint64_t kEgressStepMs = 1'000;
// What goes out of a message is counted so often.
constexpr uint64_t kCountStepMs = 1'000;

// At a small body that is not in memory. The first opens the file, and may bring the body with the
// head; before the second all of it is read; the third knows whether it was found damaged then.
constexpr int kLooksBeforeOk = 3;

}  // namespace

// Counts what goes out of a message while it does. At its end it would be too late: others of the
// tenant had gone on meanwhile, and would then wait for what a slow client took in an hour. Begins
// before the message does, with only its head and what is before that in the output.
class Pop3Driver::BodyMeter {
 public:
  explicit BodyMeter(Pop3Driver& driver)
      : driver_(driver),
        begin_bytes_(driver.stream_.sent_bytes() + driver.stream_.output().size()),
        timer_(&driver.services_.reactor(), this) {
    timer_.Arm(kCountStepMs);
  }

  // Returns how much of the message has gone.
  uint64_t Count() {
    const uint64_t to_bytes = driver_.stream_.sent_bytes();
    const uint64_t sent_bytes = to_bytes - std::min(to_bytes, begin_bytes_);
    const uint64_t octets = sent_bytes - std::exchange(counted_bytes_, sent_bytes);
    if (octets > 0) driver_.CountOctets(octets);
    return sent_bytes;
  }

 private:
  void OnTimer() {
    Count();
    timer_.Arm(kCountStepMs);
  }

  Pop3Driver& driver_;
  const uint64_t begin_bytes_;
  uint64_t counted_bytes_ = 0;
  io::TimerFor<&BodyMeter::OnTimer> timer_;
};

io::Task<bool> Pop3Driver::SendMessage(pop3::Action action) {
  if (admission_.EgressWaitMs(services_.reactor().now_us()) > 0) {
    const uint64_t octets = view_->octets(action.message);
    const bool open = co_await WaitForEgress(octets);
    if (!open) co_return false;
    if (WhyToEnd()) co_return true;  // The session is told, and says so in place of the message.
  }
  const uint64_t since_us = services_.reactor().now_us();
  const storage::MessagePosition position = view_->PositionOf(action.message);
  const std::unique_ptr<io::Body> owned = maildrop_->OpenBody(position);
  io::Body* const body = owned.get();
  if (!session_.takes_utf8_headers()) {
    const uint64_t header_bytes = maildrop_->Info(position).header_bytes;
    const bool utf8 = co_await HeaderHoldsUtf8(body, header_bytes);
    if (utf8) {
      session_.BodyFailed(pop3::BodyFailure::kNeedsUtf8, stream_.output());
      co_return true;
    }
  }
  bool small = AppendSmall(*body, action.top_lines);
  const int looks = stream_.IsSmall(*body) ? kLooksBeforeOk : 1;
  for (int look = 0; !small && look < looks; ++look) {
    const bool read = look == 1;
    const Status status = co_await LookAt(body, read);
    if (!status.ok()) {
      // What another session has deleted under one that only reads is no fault of ours.
      if (status.code() != StatusCode::kNotFound) {
        services_.metrics.bodies_failed.Add();
        LogBodyFailed(action.message, *body, 0, status);
      }
      session_.BodyFailed(ToPop3(status), stream_.output());
      co_return true;
    }
    small = AppendSmall(*body, action.top_lines);
  }
  bool sent = small;
  if (!small) {
    session_.BodyReady(stream_.output());
    if (action.top_lines) {
      sent = co_await SendTop(action.message, body, *action.top_lines);
    } else {
      sent = co_await SendWhole(action.message, body);
    }
  }
  if (action.top_lines) {
    services_.metrics.top_us.Observe(services_.reactor().now_us() - since_us);
  } else {
    if (sent) CountSent(action.message);
    CountRetr(action.message, *body, since_us);
  }
  if (sent) {
    session_.BodySent();
  } else {
    services_.metrics.bodies_cut.Add();
  }
  co_return sent;
}

void Pop3Driver::LogBodyFailed(pop3::MessageIndex message, const io::Body& body,
                               uint64_t sent_bytes, const Status& why) {
  base::Log(base::LogLevel::kError, "body_failed",
            {{"session", id().value()},
             {"tenant", principal_.tenant_name},
             {"user", principal_.address},
             {"message", message.value() + 1},
             {"uidl", maildrop_->Info(view_->PositionOf(message)).uidl},
             {"reason", Message(why)},
             {"sent_bytes", sent_bytes},
             {"wire_bytes", body.wire_bytes()}});
}

bool Pop3Driver::AppendSmall(io::Body& body, std::optional<uint32_t> top_lines) {
  return stream_.AppendSmallBody(body, [&](std::string_view text) {
    session_.BodyReady(stream_.output());
    std::string_view ending;
    if (top_lines) {
      pop3::TopCutter cutter(*top_lines);
      text = text.substr(0, cutter.Pass(text));
      ending = cutter.Ending();
    }
    stream_.output().Append(text);
    stream_.output().Append(ending);
    CountOctets(text.size());
    return text.size();
  });
}

io::Task<Status> Pop3Driver::ReadThrough(io::Body* body) {
  std::array<char, kPieceBytes> piece;
  for (uint64_t at = 0; at < body->wire_bytes();) {
    io::Completion<StatusOr<size_t>> read;
    body->Read(at, piece, read);
    const StatusOr<size_t> bytes = co_await read;
    if (!bytes.ok()) co_return bytes.status();
    if (*bytes == 0) co_return MakeStatus(StatusCode::kDataLoss, "the message is cut short");
    at += *bytes;
  }
  co_return OkStatus();
}

io::Task<Status> Pop3Driver::LookAt(io::Body* body, bool read) {
  if (read) {
    const Status status = co_await ReadThrough(body);
    if (!status.ok()) co_return status;
  }
  io::Completion<Status> verified;
  if (pop3_.session.exports) {
    body->VerifyAll(verified);
  } else {
    body->Verify(verified);
  }
  const Status status = co_await verified;
  co_return status;
}

void Pop3Driver::CountRetr(pop3::MessageIndex message, const io::Body& body, uint64_t since_us) {
  const uint64_t took_us = services_.reactor().now_us() - since_us;
  services_.metrics.retr_us.Observe(took_us);
  POPLAR_PROBE_RETR(id().value(), principal_.address.c_str(), message.value() + 1,
                    body.wire_bytes(), took_us);
}

void Pop3Driver::CountOld(pop3::MessageIndex message) {
  // An export fetches everything.
  if (pop3_.session.exports || old_messages_sent_ == kOldMessagesOfRefetch) return;
  if (view_->received_us(message) >= old_before_us_) return;
  if (++old_messages_sent_ == kOldMessagesOfRefetch) services_.metrics.refetches.Add();
}

void Pop3Driver::CountSent(pop3::MessageIndex message) {
  services_.metrics.messages_sent.Add();
  CountOld(message);
  ++messages_sent_;
  admission_.CountMessageOut();
  // An export takes mail out and leaves it as it is.
  if (pop3_.session.exports || !maildrop_->wants_fetched()) return;
  fetched_.resize(maildrop_->count());
  fetched_[message.value()] = true;
}

void Pop3Driver::CountOctets(uint64_t octets) {
  services_.metrics.message_octets_sent.Add(octets);
  message_octets_sent_ += octets;
  admission_.CountOctetsOut(octets, services_.reactor().now_us());
}

// In steps, so that a lost lease is seen; what ends the session for another reason ends the step,
// and so does a client that leaves: it would keep its maildrop and its place from others. What
// others of the tenant send meanwhile makes nobody's wait longer, or some would wait for ever; a
// new rate makes it shorter, and so do those who leave.
io::Task<bool> Pop3Driver::WaitForEgress(uint64_t octets) {
  uint64_t wait_ms = admission_.QueueForEgress(octets, services_.reactor().now_us());
  services_.metrics.egress_wait_us.Observe(wait_ms * 1'000);
  bool open = co_await Flush();
  while (open && wait_ms > 0 && !WhyToEnd()) {
    const uint64_t step_ms = std::min(wait_ms, kEgressStepMs);
    co_await Wait(step_ms);
    open = Judge(stream_.LookAtPeer());
    wait_ms = std::min(wait_ms - step_ms, admission_.EgressWaitMs(services_.reactor().now_us()));
  }
  if (!open || WhyToEnd()) admission_.LeaveEgressQueue();
  co_return open;
}

// False also where it cannot be read: sending finds out why.
io::Task<bool> Pop3Driver::HeaderHoldsUtf8(io::Body* body, uint64_t header_bytes) {
  std::array<char, kPieceBytes> piece;
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

// Of a message that is cut, what went counts: else who hangs up in time fetches free of any limit.
io::Task<bool> Pop3Driver::SendWhole(pop3::MessageIndex message, io::Body* body) {
  BodyMeter meter(*this);
  io::Completion<net::StreamEnd> done;
  stream_.SendBody(*body, done);
  const net::StreamEnd end = co_await done;
  const uint64_t sent_bytes = meter.Count();
  if (end == net::StreamEnd::kBodyFailed) {
    LogBodyFailed(message, *body, sent_bytes, stream_.body_failure());
  }
  co_return Judge(end);
}

io::Task<bool> Pop3Driver::SendTop(pop3::MessageIndex message, io::Body* body,
                                   uint32_t body_lines) {
  pop3::TopCutter cutter(body_lines);
  const uint32_t out_bytes_max = pop3_.session.out_bytes_soft_max;
  uint64_t at = 0;
  uint64_t passed_bytes = 0;
  while (!cutter.done() && at < body->wire_bytes()) {
    if (stream_.output().size() > out_bytes_max) {
      const bool flushed = co_await Flush();
      if (!flushed) co_return false;
    }
    const std::span<char> tail = stream_.output().Tail(kPieceBytes).first(kPieceBytes);
    io::Completion<StatusOr<size_t>> read;
    body->Read(at, tail, read);
    const StatusOr<size_t> bytes = co_await read;
    if (!bytes.ok() || *bytes == 0) {
      const net::StreamEnd end = stream_.FailBody(bytes);
      // What waits in the output goes nowhere now.
      const uint64_t unsent_bytes = std::min<uint64_t>(passed_bytes, stream_.output().size());
      LogBodyFailed(message, *body, passed_bytes - unsent_bytes, stream_.body_failure());
      co_return Judge(end);
    }
    const size_t passed = cutter.Pass({tail.data(), *bytes});
    stream_.output().Extend(passed);
    CountOctets(passed);
    passed_bytes += passed;
    at += *bytes;
  }
  stream_.output().Append(cutter.Ending());
  co_return true;
}

}  // namespace poplar::server
