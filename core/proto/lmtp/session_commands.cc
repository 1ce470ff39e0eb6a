// The commands of a session, one function each.

#include <algorithm>
#include <string>

#include "core/proto/lmtp/replies.h"
#include "core/proto/lmtp/session.h"

namespace poplar::lmtp {

std::optional<Action> Session::RunCommand(std::string_view line, base::ByteBuffer& out) {
  if (HasControlByte(line)) {
    AnswerBadCommand(reply::kControlByte, out);
    return std::nullopt;
  }
  const Command command = ParseCommand(line);
  metrics_.commands[static_cast<size_t>(command.verb)].Add();
  ++commands_;
  if (command.verb != Verb::kUnknown) bad_commands_ = 0;
  switch (command.verb) {
    case Verb::kUnknown:
      AnswerBadCommand(reply::kUnknownCommand, out);
      break;
    case Verb::kLhlo:
      Lhlo(command.rest, out);
      break;
    case Verb::kHelo:
      AnswerBadCommand(reply::kSayLhlo, out);
      break;
    case Verb::kMail:
      Mail(command.rest, out);
      break;
    case Verb::kRcpt:
      return Rcpt(command.rest, out);
    case Verb::kData:
      return Data(command.rest, out);
    case Verb::kBdat:
      return Bdat(command.rest, out);
    case Verb::kRset:
      if (!command.rest.empty()) {
        out.Append(reply::kNoArgument);
        break;
      }
      ResetTransaction();
      out.Append(reply::kOk);
      break;
    case Verb::kNoop:
      out.Append(reply::kOk);
      break;
    case Verb::kVrfy:
      out.Append(command.rest.empty() ? reply::kMissingArgument : reply::kCannotVerify);
      break;
    case Verb::kExpn:
      out.Append(reply::kNotImplemented);
      break;
    case Verb::kHelp:
      out.Append(reply::kHelp);
      break;
    case Verb::kXclient:
      return TakeClient(command.rest, out);
    case Verb::kQuit:
      if (command.rest.empty()) {
        Close(CloseReason::kQuit, reply::kBye, out);
      } else {
        out.Append(reply::kNoArgument);
      }
      break;
  }
  return std::nullopt;
}

void Session::AnswerBadCommand(std::string_view text, base::ByteBuffer& out) {
  out.Append(text);
  if (++bad_commands_ < options_.bad_commands_max) return;
  metrics_.closed_for_bad_commands.Add();
  Close(CloseReason::kBadCommands, reply::kTooManyBadCommands, out);
}

void Session::Lhlo(std::string_view name, base::ByteBuffer& out) {
  if (!IsClientName(name)) {
    out.Append(reply::kBadClientName);
    return;
  }
  ResetTransaction();  // As RSET does (RFC 5321 §4.1.4).
  client_name_ = name;
  out.Append("250-");
  out.Append(options_.hostname);
  out.Append("\r\n250-PIPELINING\r\n250-ENHANCEDSTATUSCODES\r\n250-SIZE ");
  out.AppendNumber(options_.message_octets_max);
  out.Append("\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n");
  if (options_.imports) out.Append("250-XIMPORT\r\n");
  if (connection_.xclient) {
    out.Append("250-XCLIENT ");
    out.Append(kXclientAttributes);
    out.Append("\r\n");
  }
  out.Append("250 CHUNKING\r\n");
}

void Session::Mail(std::string_view rest, base::ByteBuffer& out) {
  if (client_name_.empty()) {
    out.Append(reply::kLhloFirst);
    return;
  }
  if (in_transaction_) {
    out.Append(reply::kNestedMail);
    return;
  }
  MailArguments arguments;
  if (const std::string_view fault = ParseMail(rest, options_.imports, arguments); !fault.empty()) {
    out.Append(fault);
    return;
  }
  if (arguments.declared_octets > options_.message_octets_max) {
    metrics_.messages_too_large.Add();
    out.Append(reply::kMessageTooLarge);
    return;
  }
  in_transaction_ = true;
  envelope_.sender = std::move(arguments.path.address);
  envelope_.declared_octets = arguments.declared_octets;
  envelope_.smtputf8 = arguments.smtputf8;
  envelope_.uidl = std::move(arguments.uidl);
  envelope_.received_us = arguments.received_us;
  envelope_.id = connection_.session_id + "-" + std::to_string(++transactions_);
  out.Append(reply::kSenderOk);
}

std::optional<Action> Session::Rcpt(std::string_view rest, base::ByteBuffer& out) {
  const uint32_t recipients_max = options_.imports ? 1 : options_.recipients_max;
  std::string_view fault;
  Path path;
  if (!in_transaction_) {
    fault = client_name_.empty() ? reply::kLhloFirst : reply::kMailFirst;
  } else if (intake_ != nullptr) {
    fault = reply::kChunksBegun;
  } else {
    fault = ParseRcpt(rest, envelope_.smtputf8, path);
  }
  if (fault.empty() && envelope_.recipients.size() >= recipients_max) {
    metrics_.recipients_over_max.Add();
    fault = reply::kTooManyRecipients;
  }
  if (!fault.empty()) {
    out.Append(fault);
    return std::nullopt;
  }
  candidate_.base_address = WithoutDetail(path.address, options_.subaddress_delimiter);
  candidate_.address = std::move(path.address);
  candidate_.original = std::move(path.original);
  owed_ = Owed::kRecipient;
  return Action{
      .kind = Action::Kind::kResolveRecipient, .recipient = &candidate_, .envelope = &envelope_};
}

// The session begins anew, with a greeting; what XCLIENT said stays until it says otherwise.
std::optional<Action> Session::TakeClient(std::string_view rest, base::ByteBuffer& out) {
  std::string_view fault;
  Xclient told;
  if (!connection_.xclient) {
    fault = reply::kNoXclient;
  } else if (in_transaction_) {
    fault = reply::kNestedMail;
  } else {
    fault = ParseXclient(rest, told);
  }
  if (!fault.empty()) {
    out.Append(fault);
    return std::nullopt;
  }
  xclient_ = std::move(told);
  if (xclient_.tells_address) {
    connection_.peer = xclient_.address ? AddressLiteral(*xclient_.address) : "unknown";
    xclient_name_.clear();  // A name belongs to an address.
  }
  if (xclient_.name) xclient_name_ = *xclient_.name;
  if (xclient_.helo) xclient_helo_ = *xclient_.helo;
  client_name_.clear();
  phase_ = Phase::kGreeting;
  return Action{.kind = Action::Kind::kTakeClient, .client = &xclient_};
}

// Why content cannot follow now, or nothing.
std::string_view Session::ContentRefusal() const {
  if (client_name_.empty()) return reply::kLhloFirst;
  if (!in_transaction_) return reply::kMailFirst;
  if (envelope_.recipients.empty()) return reply::kNoRecipients;  // RFC 2033 §4.2
  return "";
}

std::optional<Action> Session::Data(std::string_view rest, base::ByteBuffer& out) {
  std::string_view fault = ContentRefusal();
  if (fault.empty() && intake_ != nullptr) fault = reply::kChunksBegun;  // RFC 3030 §2
  if (fault.empty() && !rest.empty()) fault = reply::kNoArgument;
  if (!fault.empty()) {
    out.Append(fault);
    return std::nullopt;
  }
  chunk_ = {.last = true};
  OpenIntake(MessageIntake::Framing::kDotStuffed);
  return AskToBegin();
}

std::optional<Action> Session::Bdat(std::string_view rest, base::ByteBuffer& out) {
  BdatArguments chunk;
  if (const std::string_view fault = ParseBdat(rest, chunk); !fault.empty()) {
    Close(CloseReason::kBadBdat, fault, out);
    return std::nullopt;
  }
  if (const std::string_view refusal = ContentRefusal(); !refusal.empty()) {
    RefuseChunk(chunk.octets, refusal, out);
    return std::nullopt;
  }
  chunk_ = chunk;
  return StartChunk();
}

void Session::ResetTransaction() {
  if (begun_) abort_due_ = true;
  begun_ = false;
  in_transaction_ = false;
  envelope_ = Envelope();
  intake_.reset();
  chunked_octets_ = 0;
  failure_ = {};
}

}  // namespace poplar::lmtp
