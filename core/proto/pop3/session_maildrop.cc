// The session's TRANSACTION state (RFC 1939 §5 and §7), and the way into its UPDATE state (§6).

#include "core/base/check.h"
#include "core/proto/pop3/replies.h"
#include "core/proto/pop3/session.h"

namespace poplar::pop3 {

// False, and answered, when the number names no message that can be had.
bool Session::FindMessage(std::string_view number, MessageIndex& message,
                          base::ByteBuffer& out) const {
  const std::optional<uint32_t> parsed = ParseNumber(number);
  if (!parsed) {
    Say(reply::kNotANumber, out);
    return false;
  }
  if (*parsed == 0 || *parsed > maildrop_.view().count()) {
    Say(reply::kNoSuchMessage, out);
    return false;
  }
  message = MessageIndex(*parsed - 1);
  if (!maildrop_.IsDeleted(message)) return true;
  Say(reply::kMessageDeleted, out);
  return false;
}

void Session::Stat(base::ByteBuffer& out) const {
  out.Append("+OK ");
  out.AppendNumber(maildrop_.count());
  out.Append(' ');
  out.AppendNumber(maildrop_.octets());
  out.Append("\r\n");
}

void Session::AppendMessagesAndOctets(base::ByteBuffer& out) const {
  out.Append("+OK ");
  out.AppendNumber(maildrop_.count());
  Say(maildrop_.count() == 1 ? reply::kMessage : reply::kMessages, out);
  out.AppendNumber(maildrop_.octets());
  Say(reply::kOctetsInAll, out);
}

void Session::List(Listing::Column column, const Arguments& arguments, base::ByteBuffer& out) {
  if (arguments.count == 0) {
    if (column == Listing::Column::kOctets) {
      AppendMessagesAndOctets(out);
    } else {
      Say(column == Listing::Column::kUidl ? reply::kUidlsFollow : reply::kDatesFollow, out);
    }
    return listing_.Start(column);
  }
  MessageIndex message;
  if (!FindMessage(arguments.first, message, out)) return;
  out.Append("+OK ");
  out.AppendNumber(message.value() + 1);
  out.Append(' ');
  if (column == Listing::Column::kOctets) {
    out.AppendNumber(maildrop_.view().octets(message));
  } else {
    out.Append(maildrop_.view().uidl(message).view());
  }
  out.Append("\r\n");
}

// RETR has one argument, TOP two.
void Session::Send(const Arguments& arguments, Action& action, base::ByteBuffer& out) {
  if (!FindMessage(arguments.first, message_, out)) return;
  sending_top_ = arguments.count == 2;
  if (sending_top_) {
    action.top_lines = ParseNumber(arguments.second);
    if (!action.top_lines) return Say(reply::kNotANumber, out);
  }
  action.kind = Action::Kind::kSendMessage;
  action.message = message_;
  owed_ = Owed::kBody;
}

void Session::BodyReady(base::ByteBuffer& out) {
  POP_CHECK(owed_ == Owed::kBody);
  owed_ = Owed::kNothing;
  body_follows_ = true;
  if (sending_top_) return Say(reply::kTopFollows, out);
  out.Append("+OK ");
  out.AppendNumber(maildrop_.view().octets(message_));
  Say(reply::kOctets, out);
}

void Session::BodyFailed(BodyFailure failure, base::ByteBuffer& out) {
  POP_CHECK(owed_ == Owed::kBody);
  owed_ = Owed::kNothing;
  switch (failure) {
    case BodyFailure::kTemporary:
      return Say(reply::kBodyTemporary, out);
    case BodyFailure::kPermanent:
      return Say(reply::kBodyPermanent, out);
    case BodyFailure::kNeedsUtf8:
      return Say(reply::kBodyNeedsUtf8, out);
    case BodyFailure::kGone:
      return Say(reply::kBodyGone, out);
  }
}

void Session::Dele(std::string_view number, base::ByteBuffer& out) {
  MessageIndex message;
  if (!FindMessage(number, message, out)) return;
  maildrop_.Delete(message);
  Say(reply::kDeleted, out);
}

void Session::Rset(base::ByteBuffer& out) {
  maildrop_.Undelete();
  AppendMessagesAndOctets(out);
}

// RFC 1939 §4: before the login there is nothing to commit.
void Session::Quit(Action& action, base::ByteBuffer& out) {
  if (phase_ == Phase::kAuthorization) {
    Say(reply::kGoodbye, out);
    return Close(CloseReason::kQuit);
  }
  action.kind = Action::Kind::kCommit;
  action.deleted = maildrop_.Deleted();
  owed_ = Owed::kCommit;
}

}  // namespace poplar::pop3
