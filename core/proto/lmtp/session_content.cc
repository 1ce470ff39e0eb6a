// A message's content in a session: from DATA or the first BDAT to the last reply.

#include <algorithm>
#include <limits>
#include <memory>
#include <string>

#include "core/proto/lmtp/replies.h"
#include "core/proto/lmtp/session.h"
#include "core/proto/lmtp/trace_header.h"

namespace poplar::lmtp {

void Session::OpenIntake(MessageIntake::Framing framing) {
  if (options_.imports) {
    intake_ = std::make_unique<MessageIntake>(framing, "", options_.message_octets_max);
    return;
  }
  const std::string peer =
      xclient_name_.empty() ? connection_.peer : xclient_name_ + " " + connection_.peer;
  const std::string trace =
      TraceHeader({.sender = envelope_.sender,
                   .client_name = xclient_helo_.empty() ? client_name_ : xclient_helo_,
                   .peer = peer,
                   .hostname = options_.hostname,
                   .id = envelope_.id,
                   .smtputf8 = envelope_.smtputf8,
                   .wall_us = clock_.WallUs()});
  intake_ = std::make_unique<MessageIntake>(framing, trace, options_.message_octets_max);
}

Action Session::AskToBegin() {
  owed_ = Owed::kBegin;
  return {.kind = Action::Kind::kBeginMessage, .envelope = &envelope_};
}

std::optional<Action> Session::StartChunk() {
  constexpr uint64_t kMax = std::numeric_limits<uint64_t>::max();
  chunked_octets_ += std::min(chunk_.octets, kMax - chunked_octets_);
  const bool first = intake_ == nullptr;
  if (first) {
    if (envelope_.declared_octets == 0 && chunk_.last) envelope_.declared_octets = chunk_.octets;
    OpenIntake(MessageIntake::Framing::kByLength);
  }
  intake_->StartChunk(chunk_.octets, chunk_.last);
  phase_ = Phase::kContent;
  if (chunked_octets_ > options_.message_octets_max) FailAsTooLarge();
  if (!first || !failure_.empty()) return std::nullopt;
  return AskToBegin();
}

std::optional<Action> Session::StepContent(std::string_view& input, base::ByteBuffer& out) {
  if (intake_->done()) return EndContent(out);
  if (intake_->needs_input() && input.empty()) return Action{.kind = Action::Kind::kNeedInput};
  intake_->Take(input);
  if (intake_->over_limit()) FailAsTooLarge();
  if (intake_->discarded_bytes() > options_.discarded_bytes_max) {
    metrics_.closed_for_discarded_bytes.Add();
    Close(CloseReason::kDiscardedBytes, failure_, out);
    return std::nullopt;
  }
  if (intake_->piece().empty()) return std::nullopt;
  owed_ = Owed::kBody;
  return Action{.kind = Action::Kind::kBody, .body = intake_->piece()};
}

std::optional<Action> Session::EndContent(base::ByteBuffer& out) {
  if (!chunk_.last) {
    out.Append(failure_.empty() ? reply::kChunkOk : failure_);
    phase_ = Phase::kCommand;
    return std::nullopt;
  }
  outcomes_.clear();
  replies_written_ = 0;
  if (!failure_.empty()) {
    phase_ = Phase::kReplies;
    return std::nullopt;
  }
  begun_ = false;
  owed_ = Owed::kCommit;
  const MessageSizes sizes = intake_->sizes();
  metrics_.message_octets.Add(sizes.octets);
  return Action{.kind = Action::Kind::kCommitMessage, .envelope = &envelope_, .sizes = sizes};
}

// One a call, so that `out` stays near its limit.
void Session::StepReplies(base::ByteBuffer& out) {
  if (replies_written_ == envelope_.recipients.size()) {
    ResetTransaction();
    phase_ = Phase::kCommand;
    return;
  }
  if (failure_.empty()) {
    AppendReply(outcomes_[replies_written_], options_.over_quota, envelope_.id, out);
  } else {
    out.Append(failure_);
  }
  ++replies_written_;
}

void Session::RefuseChunk(uint64_t octets, std::string_view text, base::ByteBuffer& out) {
  if (octets > options_.discarded_bytes_max) {
    metrics_.closed_for_discarded_bytes.Add();
    Close(CloseReason::kDiscardedBytes, text, out);
    return;
  }
  refused_chunk_left_ = octets;
  refused_chunk_reply_ = text;
  phase_ = Phase::kRefusedChunk;
}

std::optional<Action> Session::StepRefusedChunk(std::string_view& input, base::ByteBuffer& out) {
  const size_t dropped = std::min<uint64_t>(refused_chunk_left_, input.size());
  input.remove_prefix(dropped);
  refused_chunk_left_ -= dropped;
  if (refused_chunk_left_ > 0) return Action{.kind = Action::Kind::kNeedInput};
  out.Append(refused_chunk_reply_);
  phase_ = Phase::kCommand;
  return std::nullopt;
}

void Session::FailAsTooLarge() {
  if (!failure_.empty()) return;
  metrics_.messages_too_large.Add();
  Fail(reply::kMessageTooLarge);
}

// Nothing more is stored; `text` answers what is left of the message.
void Session::Fail(std::string_view text) {
  failure_ = text;
  intake_->Discard();
  if (!begun_) return;
  begun_ = false;
  abort_due_ = true;
}

}  // namespace poplar::lmtp
