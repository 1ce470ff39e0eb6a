#include "tests/unit/proto/lmtp/scripted_driver.h"

#include <algorithm>
#include <utility>

#include "core/base/check.h"

namespace poplar::lmtp {

ScriptedDriver::ScriptedDriver(SessionOptions options, bool xclient)
    : options_(std::move(options)),
      session_(options_, *metrics_, clock_,
               {.peer = "[192.0.2.1]", .session_id = "s1", .xclient = xclient}) {}

void ScriptedDriver::Receive(std::string_view bytes) {
  base::ByteBuffer out;
  std::string_view input = bytes;
  while (!closed) {
    const Action action = session_.Next(input, out);
    if (Answer(action, input, out)) break;
  }
}

// Returns whether the session wants more input, or has closed.
bool ScriptedDriver::Answer(const Action& action, std::string_view input, base::ByteBuffer& out) {
  switch (action.kind) {
    case Action::Kind::kNeedInput:
      POP_CHECK(input.empty());
      Send(out);
      return true;
    case Action::Kind::kFlush:
      POP_CHECK(out.size() >= options_.out_bytes_soft_max);
      ++flushes;
      Send(out);
      return false;
    case Action::Kind::kResolveRecipient:
      POP_CHECK(!action.recipient->address.empty());
      session_.RecipientResolved(resolve ? resolve(*action.recipient) : RecipientOutcome::kOk, out);
      return false;
    case Action::Kind::kBeginMessage:
      Begin(action, out);
      return false;
    case Action::Kind::kBody:
      Store(action, out);
      return false;
    case Action::Kind::kCommitMessage:
      Commit(action, out);
      return false;
    case Action::Kind::kAbortMessage:
      POP_CHECK(open_.has_value());
      open_.reset();
      ++aborted;
      return false;
    case Action::Kind::kTakeClient:
      POP_CHECK(!open_.has_value());
      clients.push_back(*action.client);
      return false;
    case Action::Kind::kClose:
      POP_CHECK(!open_.has_value());
      Send(out);
      closed = action.close_reason;
      return true;
  }
  return true;
}

void ScriptedDriver::Begin(const Action& action, base::ByteBuffer& out) {
  POP_CHECK(!open_.has_value());
  POP_CHECK(!action.envelope->recipients.empty());
  POP_CHECK(action.envelope->recipients.size() <= options_.recipients_max);
  POP_CHECK(session_.receiving_message());
  if (begin_failure) {
    session_.MessageFailed(*begin_failure, out);
    return;
  }
  open_ = Message{.envelope = *action.envelope, .sizes = {}, .wire = {}};
  open_bodies_ = 0;
  ++begun;
  session_.MessageBegun(out);
}

void ScriptedDriver::Store(const Action& action, base::ByteBuffer& out) {
  POP_CHECK(open_.has_value());
  POP_CHECK(!action.body.empty() && action.body.size() <= kPieceBytesMax);
  if (body_failure && open_bodies_ == bodies_before_failure) {
    session_.MessageFailed(*body_failure, out);
    return;
  }
  open_->wire.append(action.body);
  ++open_bodies_;
  ++bodies;
  session_.BodyStored();
}

// The replies for the recipients come before anything else is run: without input the session says
// just those.
void ScriptedDriver::Commit(const Action& action, base::ByteBuffer& out) {
  POP_CHECK(open_.has_value());
  POP_CHECK(open_->envelope.recipients.size() == action.envelope->recipients.size());
  open_->sizes = action.sizes;
  CheckStoredForm(open_->wire, open_->sizes);
  if (while_committing) while_committing();
  std::vector<DeliveryOutcome> outcomes;
  outcomes.reserve(action.envelope->recipients.size());
  for (const Recipient& recipient : action.envelope->recipients) {
    outcomes.push_back(deliver ? deliver(recipient) : DeliveryOutcome::kStored);
  }
  committed.push_back(std::move(*open_));
  open_.reset();
  Send(out);
  const size_t before = output.size();
  session_.CommitDone(outcomes);
  std::string_view nothing;
  while (true) {
    const Action next = session_.Next(nothing, out);
    if (!Answer(next, nothing, out)) continue;
    break;
  }
  const size_t goodbye = closed && *closed != CloseReason::kQuit ? 1 : 0;
  POP_CHECK(FinalReplies(output.substr(before)).size() == outcomes.size() + goodbye);
}

void ScriptedDriver::Send(base::ByteBuffer& out) {
  largest_out_bytes = std::max(largest_out_bytes, out.size());
  output.append(out.view());
  out.Clear();
}

void CheckStoredForm(std::string_view wire, const MessageSizes& sizes) {
  POP_CHECK(wire.size() == sizes.wire_bytes);
  uint64_t octets = 0;
  std::optional<uint64_t> header_bytes;
  size_t at = 0;
  while (true) {
    const size_t lf = wire.find('\n', at);
    POP_CHECK(lf != std::string_view::npos && lf > at && wire[lf - 1] == '\r');
    const std::string_view line = wire.substr(at, lf + 1 - at);
    if (line == ".\r\n") break;
    at = lf + 1;
    POP_CHECK(!line.starts_with('.') || line.starts_with(".."));
    octets += line.size() - (line.starts_with('.') ? 1 : 0);
    if (line == "\r\n" && !header_bytes) header_bytes = at;
  }
  POP_CHECK(at + 3 == wire.size());
  POP_CHECK(octets == sizes.octets);
  POP_CHECK(header_bytes.value_or(at) == sizes.header_bytes);
}

std::vector<std::string> FinalReplies(std::string_view output) {
  constexpr size_t kReplyLineBytesMax = 512;  // RFC 5321 §4.5.3.1.5
  std::vector<std::string> replies;
  while (!output.empty()) {
    const size_t end = output.find("\r\n");
    POP_CHECK(end != std::string_view::npos);
    const std::string_view line = output.substr(0, end);
    output.remove_prefix(end + 2);
    POP_CHECK(line.size() >= 4 && line.size() + 2 <= kReplyLineBytesMax);
    POP_CHECK(
        std::all_of(line.begin(), line.begin() + 3, [](char c) { return c >= '0' && c <= '9'; }));
    POP_CHECK(std::all_of(line.begin(), line.end(), [](char c) { return c >= ' ' && c <= '~'; }));
    POP_CHECK(line[3] == ' ' || line[3] == '-');
    if (line[3] == '-') continue;
    const bool plain =
        line.starts_with("220 ") || line.starts_with("354 ") || line == "250 CHUNKING";
    POP_CHECK(plain || (line[4] == line[0] && line[5] == '.'));
    replies.emplace_back(line);
  }
  return replies;
}

}  // namespace poplar::lmtp
