// The session's AUTHORIZATION state: USER, PASS, APOP, AUTH and its exchanges, STLS, XCLIENT.

#include <algorithm>

#include "core/base/check.h"
#include "core/base/limits.h"
#include "core/base/utf8.h"
#include "core/proto/pop3/base64.h"
#include "core/proto/pop3/replies.h"
#include "core/proto/pop3/session.h"

namespace poplar::pop3 {
namespace {

bool EqualIgnoringCase(std::string_view a, std::string_view b) {
  const auto upper = [](char c) { return c >= 'a' && c <= 'z' ? c - 'a' + 'A' : int{c}; };
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [&](char x, char y) { return upper(x) == upper(y); });
}

}  // namespace

// Empty when a password may be sent over this transport.
std::string_view Session::LoginRefusal() const {
  if (login_allowed()) return "";
  return stls_possible() ? reply::kStlsBeforeLogin : reply::kTlsOnly;
}

bool Session::Offers(std::string_view sasl_mechanism) const {
  const std::vector<std::string>& all = options_.login.sasl;
  return std::ranges::find(all, sasl_mechanism) != all.end() && allowed_.Contains(sasl_mechanism) &&
         Works(sasl_mechanism, tls_facts_, options_.exports);
}

// Any name is accepted here: which users exist is nobody's business (RFC 1939 §13).
void Session::User(std::string_view name, base::ByteBuffer& out) {
  const std::string_view refusal = LoginRefusal();
  if (!refusal.empty()) return Say(refusal, out);
  if (!user_offered()) return Say(reply::kNoUser, out);
  if (name.size() > kAddressBytesMax) return Say(reply::kUserTooLong, out);
  if (!base::IsUtf8(name)) return Say(reply::kUserNotUtf8, out);  // RFC 6856 §2.2
  user_ = name;
  Say(reply::kSendPass, out);
}

void Session::Pass(std::string_view password, Action& action, base::ByteBuffer& out) {
  const std::string_view refusal = LoginRefusal();
  if (!refusal.empty()) return Say(refusal, out);
  if (!user_offered()) return Say(reply::kNoUser, out);
  if (user_.empty()) return Say(reply::kUserFirst, out);
  // Some directories take an empty password for an anonymous login, so none ever gets there.
  if (password.empty()) return Say(reply::kMissingArgument, out);
  action.kind = Action::Kind::kVerifyPassword;
  action.name = user_;
  action.secret.emplace(password);
  owed_ = Owed::kLogin;
}

void Session::Apop(const Arguments& arguments, Action& action, base::ByteBuffer& out) {
  const std::string_view refusal = LoginRefusal();
  if (!refusal.empty()) return Say(refusal, out);
  if (arguments.first.size() > kAddressBytesMax) return Say(reply::kUserTooLong, out);
  if (!base::IsUtf8(arguments.first)) return Say(reply::kUserNotUtf8, out);
  user_.clear();
  action.kind = Action::Kind::kVerifyApop;
  action.secret.emplace(std::string(arguments.first) + " " + std::string(arguments.second));
  owed_ = Owed::kLogin;
}

void Session::Auth(const Arguments& arguments, Action& action, base::ByteBuffer& out) {
  const std::string_view refusal = LoginRefusal();
  if (!refusal.empty()) return Say(refusal, out);
  if (arguments.count == 0) {
    // No RFC says so, but Outlook asks for the mechanisms this way.
    Say(reply::kMechanismsFollow, out);
    for (const std::string& mechanism : options_.login.sasl) {
      if (!Offers(mechanism)) continue;
      out.Append(mechanism);
      out.Append("\r\n");
    }
    return out.Append(reply::kEndOfList);
  }
  const std::vector<std::string>& all = options_.login.sasl;
  const auto mechanism = std::find_if(all.begin(), all.end(), [&](const std::string& offered) {
    return Offers(offered) && EqualIgnoringCase(offered, arguments.first);
  });
  if (mechanism == all.end()) return Say(reply::kUnknownMechanism, out);
  sasl_mechanism_ = *mechanism;
  if (arguments.count == 2) {
    // RFC 5034 §4: a single "=" is an empty initial response.
    const std::string_view encoded = arguments.second == "=" ? "" : arguments.second;
    if (!DecodeBase64(encoded, action.secret.emplace())) {
      action.secret.reset();
      return FailSasl(reply::kNotBase64, out);
    }
  }
  user_.clear();
  action.kind = Action::Kind::kSaslStart;
  action.name = sasl_mechanism_;
  owed_ = Owed::kLogin;
}

void Session::RunSaslLine(std::string_view line, Action& action, base::ByteBuffer& out) {
  if (line == "*") return FailSasl(reply::kSaslCancelled, out);
  if (!DecodeBase64(line, action.secret.emplace())) {
    action.secret.reset();
    return FailSasl(reply::kNotBase64, out);
  }
  action.kind = Action::Kind::kSaslRespond;
  action.name = sasl_mechanism_;
  owed_ = Owed::kLogin;
}

void Session::FailSasl(std::string_view text, base::ByteBuffer& out) {
  sasl_mechanism_ = {};
  Say(text, out);
}

void Session::SaslChallenge(std::string_view challenge, base::ByteBuffer& out) {
  POP_CHECK(owed_ == Owed::kLogin && !sasl_mechanism_.empty());
  owed_ = Owed::kNothing;
  out.Append("+ ");
  AppendBase64(challenge, out);
  out.Append("\r\n");
}

LoginOutcome Session::AsTold(LoginOutcome outcome) const {
  const bool is_last = failed_logins_ + 1 >= options_.failed_logins_max;
  return outcome == LoginOutcome::kBadCredentials && is_last ? LoginOutcome::kTooManyFailures
                                                             : outcome;
}

void Session::LoginDone(LoginOutcome outcome, const MaildropView* maildrop, base::ByteBuffer& out) {
  POP_CHECK(owed_ == Owed::kLogin);
  POP_CHECK((maildrop != nullptr) == (outcome == LoginOutcome::kOk));
  owed_ = Owed::kNothing;
  outcome = AsTold(outcome);
  metrics_.logins[static_cast<size_t>(outcome)].Add();
  ForgetLogin();
  if (outcome == LoginOutcome::kOk) {
    phase_ = Phase::kTransaction;
    maildrop_.Open(*maildrop);
    return AppendMessagesAndOctets(out);
  }
  if (outcome == LoginOutcome::kBadCredentials) ++failed_logins_;
  Say(ReplyTo(outcome), out);
  if (outcome != LoginOutcome::kTooManyFailures && outcome != LoginOutcome::kThrottled) return;
  metrics_.closed_for_failed_logins.Add();
  Close(CloseReason::kTooManyFailedLogins);
}

// RFC 2595 §4: what the client said in clear, the user's name for one, counts no longer.
void Session::Stls(Action& action, base::ByteBuffer& out) {
  if (transport_.tls) return Say(reply::kTlsActive, out);
  if (!options_.stls_offered) return Say(reply::kNoTls, out);
  ForgetLogin();
  Say(reply::kBeginTls, out);
  action.kind = Action::Kind::kStartTls;
  owed_ = Owed::kTls;
}

void Session::TlsStarted() {
  POP_CHECK(owed_ == Owed::kTls);
  owed_ = Owed::kNothing;
  transport_.tls = true;
  reader_.Reset();
  utf8_ = false;
  language_ = Languages().data();
}

// What was said before was not said for this client.
void Session::TakeClient(std::string_view rest, Action& action, base::ByteBuffer& out) {
  const std::optional<Xclient> told = ParseXclient(rest);
  if (!told) return Say(reply::kBadXclient, out);
  ForgetLogin();
  action.kind = Action::Kind::kTakeClient;
  action.client = *told;
  owed_ = Owed::kClient;
}

void Session::ClientTaken(bool welcome, base::ByteBuffer& out) {
  POP_CHECK(owed_ == Owed::kClient);
  owed_ = Owed::kNothing;
  Say(welcome ? reply::kClientTaken : reply::kTooManyConnections, out);
  if (!welcome) Close(CloseReason::kTooManyConnections);
}

void Session::ForgetLogin() {
  std::string().swap(user_);
  sasl_mechanism_ = {};
}

}  // namespace poplar::pop3
