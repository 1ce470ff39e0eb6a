#include "core/proto/lmtp/session.h"

#include <utility>

#include "core/base/check.h"
#include "core/proto/lmtp/replies.h"

namespace poplar::lmtp {

Session::Session(const SessionOptions& options, SessionMetrics& metrics, const base::Clock& clock,
                 Connection connection)
    : options_(options), metrics_(metrics), clock_(clock), connection_(std::move(connection)) {}

Action Session::Next(std::string_view& input, base::ByteBuffer& out) {
  POP_CHECK(owed_ == Owed::kNothing);
  while (true) {
    if (std::exchange(abort_due_, false)) {
      return {.kind = Action::Kind::kAbortMessage, .refusal = failure_};
    }
    if (phase_ == Phase::kClosing) {
      return {.kind = Action::Kind::kClose, .close_reason = close_reason_};
    }
    if (out.size() >= options_.out_bytes_soft_max) return {.kind = Action::Kind::kFlush};
    if (EndIfAsked(out)) continue;
    if (const std::optional<Action> action = Step(input, out)) return *action;
  }
}

std::optional<Action> Session::Step(std::string_view& input, base::ByteBuffer& out) {
  switch (phase_) {
    case Phase::kGreeting:
      out.Append("220 ");
      out.Append(options_.hostname);
      out.Append(" Poplar LMTP ready\r\n");
      phase_ = Phase::kCommand;
      return std::nullopt;
    case Phase::kCommand:
      return StepCommand(input, out);
    case Phase::kContent:
      return StepContent(input, out);
    case Phase::kRefusedChunk:
      return StepRefusedChunk(input, out);
    case Phase::kReplies:
      StepReplies(out);
      return std::nullopt;
    case Phase::kClosing:
      break;
  }
  return std::nullopt;
}

std::optional<Action> Session::StepCommand(std::string_view& input, base::ByteBuffer& out) {
  std::string_view line;
  switch (reader_.Next(input, kLmtpCommandLineBytesMax, line)) {
    case wire::LineReader::Result::kIncomplete:
      return Action{.kind = Action::Kind::kNeedInput};
    case wire::LineReader::Result::kTooLong:
      metrics_.lines_too_long.Add();
      AnswerBadCommand(reply::kLineTooLong, out);
      return std::nullopt;
    case wire::LineReader::Result::kLine:
      return RunCommand(line, out);
  }
  return std::nullopt;
}

void Session::RecipientResolved(RecipientOutcome outcome, base::ByteBuffer& out) {
  POP_CHECK(std::exchange(owed_, Owed::kNothing) == Owed::kRecipient);
  metrics_.recipients[static_cast<size_t>(outcome)].Add();
  if (outcome == RecipientOutcome::kOk) envelope_.recipients.push_back(std::move(candidate_));
  candidate_ = Recipient();
  out.Append(ReplyTo(outcome, options_.over_quota));
}

void Session::MessageBegun(base::ByteBuffer& out) {
  POP_CHECK(std::exchange(owed_, Owed::kNothing) == Owed::kBegin);
  begun_ = true;
  phase_ = Phase::kContent;
  if (intake_->framing() == MessageIntake::Framing::kDotStuffed) out.Append(reply::kSendData);
}

void Session::BodyStored() { POP_CHECK(std::exchange(owed_, Owed::kNothing) == Owed::kBody); }

void Session::MessageFailed(StorageFailure failure, base::ByteBuffer& out) {
  const Owed owed = std::exchange(owed_, Owed::kNothing);
  POP_CHECK(owed == Owed::kBegin || owed == Owed::kBody);
  const DeliveryOutcome outcome =
      failure == StorageFailure::kFull ? DeliveryOutcome::kFull : DeliveryOutcome::kTemporary;
  metrics_.deliveries[static_cast<size_t>(outcome)].Add(envelope_.recipients.size());
  if (owed == Owed::kBegin && intake_->framing() == MessageIntake::Framing::kDotStuffed) {
    // DATA itself is refused: no content comes, and the client may try again or give up.
    intake_.reset();
    out.Append(ReplyTo(failure));
    return;
  }
  phase_ = Phase::kContent;
  Fail(ReplyTo(failure));
}

void Session::CommitDone(std::span<const DeliveryOutcome> outcomes) {
  POP_CHECK(std::exchange(owed_, Owed::kNothing) == Owed::kCommit);
  POP_CHECK(outcomes.size() == envelope_.recipients.size());
  outcomes_.assign(outcomes.begin(), outcomes.end());
  for (const DeliveryOutcome outcome : outcomes_) {
    metrics_.deliveries[static_cast<size_t>(outcome)].Add();
  }
  phase_ = Phase::kReplies;
}

void Session::End(EndReason reason) {
  // The one that does not wait wins.
  if (ending_ != EndReason::kIdle) ending_ = reason;
}

bool Session::EndIfAsked(base::ByteBuffer& out) {
  if (!ending_.has_value() || phase_ == Phase::kReplies) return false;
  if (ending_ == EndReason::kIdle) {
    Close(CloseReason::kIdle, reply::kIdle, out);
    return true;
  }
  if (receiving_message()) return false;
  Close(CloseReason::kDrain, reply::kShuttingDown, out);
  return true;
}

void Session::Close(CloseReason reason, std::string_view last_reply, base::ByteBuffer& out) {
  ResetTransaction();
  reader_.Release();
  out.Append(last_reply);
  close_reason_ = reason;
  phase_ = Phase::kClosing;
}

}  // namespace poplar::lmtp
