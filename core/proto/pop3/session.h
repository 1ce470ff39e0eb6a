// One POP3 session (RFC 1939, 2449, 2595, 3206, 5034): bytes in, actions out, results in. It does
// no I/O, reads no clock and knows no thread; it lives on its connection's shard, from the greeting
// to kClose. A driver does for it what it asks:
//
//   while (true) {
//     Action action = session.Next(input, out);
//     switch (action.kind) { ... do it, give its result ... }
//   }
//
// DIAGNOSTICS: whatever a client sends is answered, never checked: a POP_CHECK here means that the
// driver gave a result that was not asked for.

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/byte_buffer.h"
#include "core/base/login_mechanisms.h"
#include "core/base/units.h"
#include "core/proto/pop3/action.h"
#include "core/proto/pop3/capabilities.h"
#include "core/proto/pop3/command.h"
#include "core/proto/pop3/language.h"
#include "core/proto/pop3/listing.h"
#include "core/proto/pop3/maildrop.h"
#include "core/proto/pop3/metrics.h"
#include "core/proto/pop3/outcomes.h"
#include "core/proto/wire/line_reader.h"

namespace poplar::pop3 {

// How clients may log in; APOP is the transport's.
struct LoginMethods {
  bool user = true;  // USER and PASS.
  // SASL mechanisms in the order that clients shall prefer, upper case. What binds the channel
  // ("…-PLUS") or needs a certificate ("EXTERNAL") is there only for who can. None: no AUTH works.
  std::vector<std::string> sasl = {};
};

// What a listener offers; one for all its sessions.
struct SessionOptions {
  std::string hostname = {};  // For the greeting.
  bool stls_offered = false;
  LoginMethods login = {};
  // The listener hands mail to whoever may have all of it: there is XDATES.
  bool exports = false;
  // Whether a client that did not send UTF8 gets messages whose header holds UTF-8. RFC 6856 §2.1
  // says no.
  bool utf8_headers_for_all = true;
  // The session ends with the reply to so many wrong passwords.
  uint32_t failed_logins_max = 10;
  // The session ends with the reply to so many bad commands (unknown, too long, control
  // characters) in a row.
  uint32_t bad_commands_max = 20;
  // Beyond this `out` is flushed before anything else is done. It may hold one reply more.
  uint32_t out_bytes_soft_max = 64 * kKiB;
};

// What differs from connection to connection.
struct Transport {
  bool tls = false;                       // Implicit TLS (RFC 8314 §3): active from the start.
  bool clear_text_login_allowed = false;  // From loopback, or where the configuration says so.
  std::string apop_timestamp =
      {};                // Of the greeting (RFC 1939 §7), "<…>". Empty: there is no APOP.
  bool xclient = false;  // The peer is trusted to say by XCLIENT for whom it speaks.
};

class Session {
 public:
  // REQUIRES: `options` and `metrics` outlive the session; its shard alone writes the metrics.
  Session(const SessionOptions& options, SessionMetrics& metrics, const Transport& transport);

  // What is known of the connection only after a proxy's header. REQUIRES: before the first Next.
  void SetTransport(const Transport& transport) { transport_ = transport; }

  // Runs commands from the front of `input` until something has to be done, and appends replies to
  // `out`. The first call appends the greeting; it needs no input. What is consumed is taken off
  // `input`; after kNeedInput and kStartTls nothing is left. REQUIRES: no result is owed.
  Action Next(std::string_view& input, base::ByteBuffer& out);

  // Results. Each appends what there is to say to `out`. REQUIRES: its action was the last one.

  // What the client will hear of it: one wrong password too many is kTooManyFailures.
  LoginOutcome AsTold(LoginOutcome outcome) const;
  // `maildrop` is null unless the outcome is kOk; then it must outlive the session's last call.
  void LoginDone(LoginOutcome outcome, const MaildropView* maildrop, base::ByteBuffer& out);
  void SaslChallenge(std::string_view challenge, base::ByteBuffer& out);
  // Its head. The body goes behind it; then BodySent, or the connection is cut.
  void BodyReady(base::ByteBuffer& out);
  void BodySent() { body_follows_ = false; }
  void BodyFailed(BodyFailure failure, base::ByteBuffer& out);
  void TlsStarted();
  // Whether XCLIENT is taken from now on: whom it named may not be trusted to say it.
  void SetXclient(bool trusted) { transport_.xclient = trusted; }
  // False: the client has as many connections as it may; the session ends.
  void ClientTaken(bool welcome, base::ByteBuffer& out);
  // Whenever a handshake is done: for implicit TLS before the first Next.
  void SetTlsFacts(const TlsFacts& facts) { tls_facts_ = facts; }
  void CommitDone(CommitOutcome outcome, base::ByteBuffer& out);

  // What the tenant leaves of the listener's ways to log in: of the host that the client came to,
  // and after the log-in its own. Others are as if the listener did not have them.
  void SetMechanisms(LoginMechanisms allowed) { allowed_ = allowed; }
  // Is the client offered this SASL mechanism?
  bool Offers(std::string_view sasl_mechanism) const;

  // What CAPA says of the provider's rules from now on; before the first call it says nothing. The
  // driver knows more once it knows who logs in.
  void SetTerms(const Terms& terms) { terms_ = terms; }

  // The server ends the session: says why where the protocol allows a reply now (not inside a
  // listing, behind a body's +OK or during a handshake), then Next says kClose. What is owed is not
  // owed any more; nothing is deleted. But a commit runs to its end: while one is under way this
  // does nothing, and the session ends by itself. So does a listing when the server drains: the
  // session ends behind it, before another command.
  void End(EndReason reason, base::ByteBuffer& out);

  // Lines that were commands, unknown ones too; not those of a SASL exchange.
  uint64_t commands() const { return commands_; }
  bool logged_in() const { return phase_ == Phase::kTransaction; }
  // Whether the header of a message that is sent may hold UTF-8.
  bool takes_utf8_headers() const { return utf8_ || options_.utf8_headers_for_all; }
  // What the session keeps of an unfinished line; 0 when idle.
  uint32_t kept_bytes() const { return reader_.kept_bytes(); }

 private:
  enum class Phase : uint8_t { kGreeting, kAuthorization, kTransaction, kClosing };
  // The result that is owed.
  enum class Owed : uint8_t { kNothing, kLogin, kBody, kTls, kClient, kCommit };

  bool login_allowed() const { return transport_.tls || transport_.clear_text_login_allowed; }
  bool user_offered() const { return options_.login.user && allowed_.Contains("USER"); }
  bool apop_offered() const {
    return !transport_.apop_timestamp.empty() && allowed_.Contains("APOP");
  }
  bool stls_possible() const { return options_.stls_offered && !transport_.tls; }

  uint32_t LoginLineBytesMax(std::string_view input) const;
  void TakeLine(std::string_view& input, Action& action, base::ByteBuffer& out);
  void RunCommand(std::string_view line, Action& action, base::ByteBuffer& out);
  // What is not offered here is as if it were no command at all.
  bool Known(Verb verb) const;
  // Empty when the command may run now with these arguments, else the reply.
  std::string_view Refusal(Verb verb, const Arguments& arguments) const;
  void Dispatch(Verb verb, const Arguments& arguments, Action& action, base::ByteBuffer& out);
  void AnswerBadCommand(std::string_view text, base::ByteBuffer& out);
  // In the client's language.
  void Say(std::string_view reply, base::ByteBuffer& out) const {
    out.Append(language_->In(reply));
  }
  void Lang(std::string_view range, base::ByteBuffer& out);
  void Close(CloseReason reason);

  // AUTHORIZATION state: session_login.cc.
  void User(std::string_view name, base::ByteBuffer& out);
  void Pass(std::string_view password, Action& action, base::ByteBuffer& out);
  void Apop(const Arguments& arguments, Action& action, base::ByteBuffer& out);
  void Auth(const Arguments& arguments, Action& action, base::ByteBuffer& out);
  void RunSaslLine(std::string_view line, Action& action, base::ByteBuffer& out);
  void FailSasl(std::string_view text, base::ByteBuffer& out);
  void Stls(Action& action, base::ByteBuffer& out);
  void TakeClient(std::string_view rest, Action& action, base::ByteBuffer& out);
  std::string_view LoginRefusal() const;
  void ForgetLogin();

  // TRANSACTION state: session_maildrop.cc.
  bool FindMessage(std::string_view number, MessageIndex& message, base::ByteBuffer& out) const;
  void Stat(base::ByteBuffer& out) const;
  void AppendMessagesAndOctets(base::ByteBuffer& out) const;
  void List(Listing::Column column, const Arguments& arguments, base::ByteBuffer& out);
  void Send(const Arguments& arguments, Action& action, base::ByteBuffer& out);
  void Dele(std::string_view number, base::ByteBuffer& out);
  void Rset(base::ByteBuffer& out);
  void Quit(Action& action, base::ByteBuffer& out);

  const SessionOptions& options_;
  SessionMetrics& metrics_;
  wire::LineReader reader_;
  Maildrop maildrop_;
  std::string user_;                 // Between USER and the end of its login.
  std::string_view sasl_mechanism_;  // Not empty while an exchange runs.
  MessageIndex message_;             // Of the kSendMessage that is owed.
  uint64_t commands_ = 0;
  uint32_t failed_logins_ = 0;
  uint32_t bad_commands_ = 0;  // In a row.
  std::optional<Terms> terms_;
  Listing listing_;
  Transport transport_;
  TlsFacts tls_facts_;
  const Language* language_ = Languages().data();
  LoginMechanisms allowed_;
  Phase phase_ = Phase::kGreeting;
  Owed owed_ = Owed::kNothing;
  CloseReason close_reason_ = CloseReason::kQuit;
  bool utf8_ = false;    // UTF8 came.
  bool drains_ = false;  // Ends behind the listing that is under way.
  bool sending_top_ = false;
  bool body_follows_ = false;  // From BodyReady until BodySent.
};

}  // namespace poplar::pop3
