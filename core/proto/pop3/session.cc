#include "core/proto/pop3/session.h"

#include <array>

#include "core/base/check.h"
#include "core/base/limits.h"
#include "core/proto/pop3/capabilities.h"
#include "core/proto/pop3/replies.h"

namespace poplar::pop3 {
namespace {

// Where a command may be given and how many arguments it takes. (PASS and XCLIENT take the rest of
// their line.)
struct Rule {
  bool authorization;
  bool transaction;
  uint8_t arguments_min;
  uint8_t arguments_max;
};
constexpr std::array<Rule, kVerbs> kRules = {{
    {false, false, 0, 0},  // kUnknown
    {true, false, 1, 1},   // USER
    {true, false, 0, 0},   // PASS
    {true, false, 2, 2},   // APOP
    {true, false, 0, 2},   // AUTH
    {true, false, 0, 0},   // STLS
    {true, true, 0, 0},    // CAPA
    {false, true, 0, 0},   // STAT
    {false, true, 0, 1},   // LIST
    {false, true, 1, 1},   // RETR
    {false, true, 1, 1},   // DELE
    {false, true, 0, 0},   // NOOP
    {false, true, 0, 0},   // RSET
    {false, true, 2, 2},   // TOP
    {false, true, 0, 1},   // UIDL
    {true, true, 0, 0},    // QUIT
    {true, false, 0, 0},   // UTF8
    {true, true, 0, 1},    // LANG
    {false, true, 0, 0},   // XDATES
    {true, false, 0, 0},   // XCLIENT
}};

std::string_view TextOf(EndReason reason) {
  switch (reason) {
    case EndReason::kIdle:
      // RFC 1939 §3: the server closes "without ... sending any response to the client".
      return "";
    case EndReason::kLoginTimeout:
      return reply::kLoginTimeout;
    case EndReason::kSessionAge:
      return reply::kSessionTooOld;
    case EndReason::kDrain:
      return reply::kShuttingDown;
    case EndReason::kKicked:
      return reply::kKicked;
    case EndReason::kLeaseLost:
      return reply::kLeaseLost;
  }
  POP_CHECK(false);
}

std::string_view TextOf(CommitOutcome outcome) {
  switch (outcome) {
    case CommitOutcome::kDone:
      return reply::kGoodbye;
    case CommitOutcome::kRefused:
      return reply::kLeaseLost;
    case CommitOutcome::kFailed:
      return reply::kCommitFailed;
    case CommitOutcome::kUnknown:
      return reply::kCommitUnknown;
  }
  POP_CHECK(false);
}

}  // namespace

Session::Session(const SessionOptions& options, SessionMetrics& metrics, const Transport& transport)
    : options_(options), metrics_(metrics), transport_(transport) {
  POP_CHECK(options.out_bytes_soft_max > 0);
}

Action Session::Next(std::string_view& input, base::ByteBuffer& out) {
  POP_CHECK(owed_ == Owed::kNothing);
  POP_CHECK(!body_follows_ || phase_ == Phase::kClosing);
  if (phase_ == Phase::kGreeting) {
    phase_ = Phase::kAuthorization;
    // The mark saves a Dovecot in front the round trip of CAPA.
    out.Append(transport_.xclient ? "+OK [XCLIENT] POP3 service of " : "+OK POP3 service of ");
    out.Append(options_.hostname);
    out.Append(" is ready");
    if (apop_offered()) {
      out.Append(' ');
      out.Append(transport_.apop_timestamp);
    }
    out.Append("\r\n");
  }
  Action action;
  while (action.kind == Action::Kind::kNeedInput) {
    if (drains_ && !listing_.under_way()) End(EndReason::kDrain, out);
    if (phase_ == Phase::kClosing) {
      action.kind = Action::Kind::kClose;
      action.close_reason = close_reason_;
    } else if (input.empty() && !listing_.under_way()) {
      break;
    } else if (out.size() >= options_.out_bytes_soft_max) {
      action.kind = Action::Kind::kFlush;
    } else if (listing_.under_way()) {
      listing_.Fill(maildrop_, options_.out_bytes_soft_max, out);
    } else {
      TakeLine(input, action, out);
    }
  }
  // RFC 2595 §4: what came in clear behind STLS is never run.
  if (action.kind == Action::Kind::kStartTls) input = {};
  return action;
}

// Clients put long tokens behind AUTH too, where RFC 5034 §4 has none of more than 255 octets.
uint32_t Session::LoginLineBytesMax(std::string_view input) const {
  if (!sasl_mechanism_.empty()) return kSaslLineBytesMax;
  constexpr size_t kHeadBytes = 5;
  std::string head(reader_.kept().substr(0, kHeadBytes));
  head += input.substr(0, kHeadBytes - head.size());
  const bool is_auth = ParseCommand(head).verb == Verb::kAuth && head.size() == kHeadBytes;
  return is_auth ? kSaslLineBytesMax : kPop3CommandLineBytesMax;
}

void Session::TakeLine(std::string_view& input, Action& action, base::ByteBuffer& out) {
  const bool sasl = !sasl_mechanism_.empty();
  const bool logs_in = phase_ == Phase::kAuthorization;
  const uint32_t bytes_max = logs_in ? LoginLineBytesMax(input) : kPop3CommandLineBytesMax;
  std::string_view line;
  switch (reader_.Next(input, bytes_max, line)) {
    case wire::LineReader::Result::kIncomplete:
      return;
    case wire::LineReader::Result::kTooLong:
      metrics_.lines_too_long.Add();
      if (sasl) {
        FailSasl(reply::kLineTooLong, out);
      } else {
        AnswerBadCommand(reply::kLineTooLong, out);
      }
      return;
    case wire::LineReader::Result::kLine:
      if (sasl) {
        RunSaslLine(line, action, out);
      } else {
        RunCommand(line, action, out);
      }
      reader_.Release();
      return;
  }
}

void Session::RunCommand(std::string_view line, Action& action, base::ByteBuffer& out) {
  Command command = ParseCommand(line);
  if (!Known(command.verb)) command.verb = Verb::kUnknown;
  metrics_.commands[static_cast<size_t>(command.verb)].Add();
  ++commands_;
  // A password may hold any octet that a line can (RFC 1939 §7), but a NUL (RFC 5034 §4).
  const bool unsound =
      command.verb == Verb::kPass ? line.find('\0') != line.npos : HasControlByte(line);
  if (unsound) return AnswerBadCommand(reply::kControlByte, out);
  if (command.verb == Verb::kUnknown) return AnswerBadCommand(reply::kUnknownCommand, out);
  bad_commands_ = 0;
  const bool verbatim = command.verb == Verb::kPass || command.verb == Verb::kXclient;
  const Arguments arguments = verbatim ? Arguments() : SplitArguments(command.rest);
  const std::string_view refusal = Refusal(command.verb, arguments);
  if (!refusal.empty()) return Say(refusal, out);
  if (command.verb == Verb::kPass) return Pass(command.rest, action, out);
  if (command.verb == Verb::kXclient) return TakeClient(command.rest, action, out);
  Dispatch(command.verb, arguments, action, out);
}

bool Session::Known(Verb verb) const {
  switch (verb) {
    case Verb::kXdates:
      return options_.exports;
    case Verb::kXclient:
      return transport_.xclient;
    case Verb::kApop:
      return apop_offered();
    default:
      return true;
  }
}

std::string_view Session::Refusal(Verb verb, const Arguments& arguments) const {
  const Rule& rule = kRules[static_cast<size_t>(verb)];
  if (phase_ == Phase::kAuthorization && !rule.authorization) return reply::kLogInFirst;
  if (phase_ == Phase::kTransaction && !rule.transaction) return reply::kLoggedIn;
  if (arguments.count < rule.arguments_min) return reply::kMissingArgument;
  if (arguments.count > rule.arguments_max) return reply::kExtraArgument;
  return "";
}

void Session::Dispatch(Verb verb, const Arguments& arguments, Action& action,
                       base::ByteBuffer& out) {
  switch (verb) {
    case Verb::kUser:
      return User(arguments.first, out);
    case Verb::kApop:
      return Apop(arguments, action, out);
    case Verb::kAuth:
      return Auth(arguments, action, out);
    case Verb::kStls:
      return Stls(action, out);
    case Verb::kCapa:
      Say(reply::kCapabilitiesFollow, out);
      return AppendCapabilities({.logged_in = logged_in(),
                                 .login_allowed = login_allowed(),
                                 .user = user_offered(),
                                 .stls_possible = stls_possible(),
                                 .exports = options_.exports,
                                 .xclient = transport_.xclient,
                                 .tls = tls_facts_,
                                 .allowed = allowed_,
                                 .terms = terms_},
                                options_.login.sasl, out);
    case Verb::kStat:
      return Stat(out);
    case Verb::kList:
      return List(Listing::Column::kOctets, arguments, out);
    case Verb::kUidl:
      return List(Listing::Column::kUidl, arguments, out);
    case Verb::kXdates:
      return List(Listing::Column::kReceived, arguments, out);
    case Verb::kRetr:
    case Verb::kTop:
      return Send(arguments, action, out);
    case Verb::kDele:
      return Dele(arguments.first, out);
    case Verb::kNoop:
      return Say(reply::kOk, out);
    case Verb::kRset:
      return Rset(out);
    case Verb::kQuit:
      return Quit(action, out);
    case Verb::kUtf8:
      utf8_ = true;
      return Say(reply::kUtf8Taken, out);
    case Verb::kLang:
      return Lang(arguments.first, out);
    case Verb::kUnknown:
    case Verb::kPass:
    case Verb::kXclient:
      POP_CHECK(false);
  }
}

// Somebody who speaks no POP3 (a web browser, a scanner) is not listened to for long.
void Session::AnswerBadCommand(std::string_view text, base::ByteBuffer& out) {
  if (++bad_commands_ < options_.bad_commands_max) return Say(text, out);
  metrics_.closed_for_bad_commands.Add();
  Say(reply::kTooManyBadCommands, out);
  Close(CloseReason::kTooManyBadCommands);
}

// RFC 6856 §3. A range that no language suits leaves things as they are.
void Session::Lang(std::string_view range, base::ByteBuffer& out) {
  if (range.empty()) {
    Say(reply::kLanguagesFollow, out);
    for (const Language& language : Languages()) {
      out.Append(language.tag);
      out.Append(' ');
      out.Append(language.name);
      out.Append("\r\n");
    }
    return out.Append(reply::kEndOfList);
  }
  const Language* const language = FindLanguage(range);
  if (language == nullptr) return Say(reply::kUnknownLanguage, out);
  language_ = language;
  out.Append("+OK ");
  out.Append(language_->tag);
  out.Append(' ');
  Say(reply::kLanguageSpoken, out);
}

void Session::CommitDone(CommitOutcome outcome, base::ByteBuffer& out) {
  POP_CHECK(owed_ == Owed::kCommit);
  owed_ = Owed::kNothing;
  Say(TextOf(outcome), out);
  Close(CloseReason::kQuit);
}

void Session::End(EndReason reason, base::ByteBuffer& out) {
  if (owed_ == Owed::kCommit || phase_ == Phase::kClosing) return;
  drains_ = reason == EndReason::kDrain && listing_.under_way();
  if (drains_) return;
  const bool may_reply = owed_ != Owed::kTls && !listing_.under_way() && !body_follows_;
  if (may_reply) Say(TextOf(reason), out);
  owed_ = Owed::kNothing;
  Close(CloseReason::kEnded);
}

void Session::Close(CloseReason reason) {
  phase_ = Phase::kClosing;
  close_reason_ = reason;
  reader_.Reset();
  ForgetLogin();
}

}  // namespace poplar::pop3
