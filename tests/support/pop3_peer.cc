#include "tests/support/pop3_peer.h"

#include <algorithm>
#include <charconv>
#include <sstream>

#include "core/base/check.h"
#include "core/proto/pop3/top_cutter.h"

namespace poplar::test {
namespace {

using pop3::Action;
using pop3::CommitOutcome;
using pop3::EndReason;
using pop3::LoginOutcome;
using pop3::MessageIndex;

std::vector<std::string> Words(std::string_view text) {
  std::istringstream in{std::string(text)};
  std::vector<std::string> words;
  for (std::string word; in >> word;) words.push_back(word);
  return words;
}

uint64_t Number(std::string_view text) {
  uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  POP_CHECK(error == std::errc() && end == text.data() + text.size());
  return number;
}

pop3::Expiry ExpiryOf(const std::vector<std::string>& words) {
  pop3::Expiry expiry;
  if (words[0] != "NEVER") expiry.days = static_cast<uint32_t>(Number(words[0]));
  expiry.differs_by_user = words.back() == "USER";
  return expiry;
}

// The value of an enum that goes by this name.
template <class Enum>
std::optional<Enum> ByName(std::string_view name, std::initializer_list<Enum> values) {
  for (const Enum value : values) {
    if (Name(value) == name) return value;
  }
  return std::nullopt;
}

std::optional<LoginOutcome> LoginOutcomeByName(std::string_view name) {
  using enum LoginOutcome;
  return ByName(name, {kOk, kBadCredentials, kDisabled, kTooManyFailures, kThrottled, kInUse,
                       kTlsRequired, kMechanismOff, kLimited, kTooSoon, kTemporary, kPermanent});
}

std::optional<CommitOutcome> CommitOutcomeByName(std::string_view name) {
  using enum CommitOutcome;
  return ByName(name, {kDone, kRefused, kFailed, kUnknown});
}

std::optional<EndReason> EndReasonByName(std::string_view name) {
  using enum EndReason;
  return ByName(name, {kIdle, kLoginTimeout, kSessionAge, kDrain, kKicked, kLeaseLost});
}

// RFC 1939 §7: of its example's timestamp and the secret "tanstaaf".
constexpr std::string_view kApopDigest = "c4c9334bac560ecc979e58001b3e22fb";

}  // namespace

void MemoryMaildrop::Add(std::string_view wire_without_terminator, std::string_view uidl) {
  const std::string_view wire = wire_without_terminator;
  uint64_t stuffed_dots = 0;
  for (size_t at = 0; at < wire.size(); ++at) {
    stuffed_dots += wire[at] == '.' && (at == 0 || wire[at - 1] == '\n');
  }
  POP_CHECK(wire.ends_with("\r\n"));
  const uint64_t octets = wire.size() - stuffed_dots;
  messages_.push_back({std::string(wire) + ".\r\n", std::string(uidl), octets});
  total_octets_ += octets;
}

void MemoryMaildrop::AddOctets(uint64_t octets, std::string_view uidl) {
  POP_CHECK(octets >= 2);
  std::string wire = octets >= 16 ? "Subject: x\r\n\r\n" : "";
  wire.append(octets - wire.size() - 2, 'x');
  Add(wire + "\r\n", uidl);
}

void MemoryMaildrop::CopyOctets(pop3::MessageIndex first, std::span<uint64_t> into) const {
  for (size_t i = 0; i < into.size(); ++i) into[i] = messages_[first.value() + i].octets;
}

void MemoryMaildrop::CopyUidls(pop3::MessageIndex first, std::span<UidlText> into) const {
  for (size_t i = 0; i < into.size(); ++i) {
    const std::string& uidl = messages_[first.value() + i].uidl;
    into[i].bytes = static_cast<uint8_t>(uidl.copy(into[i].text.data(), kUidlBytesMax));
  }
}

std::string Pop3Peer::Directive(std::string_view key, std::string_view value, std::string& output) {
  if (key == "login" || key == "body" || key == "commit" || key == "welcome" || key == "end") {
    return SetVerdict(key, value, output);
  }
  return session_ == nullptr ? SetUp(key, value) : Expect(key, value);
}

std::string Pop3Peer::SetUp(std::string_view key, std::string_view value) {
  const std::vector<std::string> words = Words(value);
  if (words.empty()) return "a value is missing";
  if (key == "tls") {
    transport_.tls = value == "yes";
  } else if (key == "exports") {
    options_.exports = value == "yes";
  } else if (key == "xclient") {
    transport_.xclient = value == "yes";
  } else if (key == "stls") {
    options_.stls_offered = value == "yes";
  } else if (key == "clear-text") {
    transport_.clear_text_login_allowed = value == "yes";
  } else if (key == "mechanisms") {
    options_.login.sasl = value == "none" ? std::vector<std::string>() : words;
  } else if (key == "utf8-headers") {
    options_.utf8_headers_for_all = value == "for-all";
  } else if (key == "user") {
    options_.login.user = value == "yes";
  } else if (key == "apop") {
    transport_.apop_timestamp = value;
  } else if (key == "tls-facts") {
    tls_facts_.binds_channel = std::ranges::find(words, "binding") != words.end();
    tls_facts_.names_the_client = std::ranges::find(words, "certificate") != words.end();
  } else if (key == "allowed") {
    allowed_ = value;
  } else if (key == "allowed-login") {
    allowed_login_ = value;
  } else if (key == "expire") {
    expiry_ = ExpiryOf(words);
  } else if (key == "expire-login") {
    expiry_of_login_ = ExpiryOf(words);
  } else if (key == "soft-max") {
    options_.out_bytes_soft_max = static_cast<uint32_t>(Number(value));
  } else if (key == "message" && words.size() == 2) {
    maildrop_.AddOctets(Number(words[0]), words[1]);
  } else if (key == "messages" && words.size() == 2) {
    for (uint64_t i = 1; i <= Number(words[0]); ++i) {
      maildrop_.AddOctets(Number(words[1]), "u" + std::to_string(i));
    }
  } else if (key == "wire" && value.size() > words[0].size()) {
    maildrop_.Add(value.substr(words[0].size() + 1), words[0]);
  } else {
    return "unknown directive";
  }
  return "";
}

std::string Pop3Peer::SetVerdict(std::string_view key, std::string_view value,
                                 std::string& output) {
  if (key == "login") {
    login_verdict_ = LoginOutcomeByName(value);
    return login_verdict_ || value == "password" ? "" : "unknown outcome";
  }
  if (key == "welcome") {
    welcome_ = value == "yes";
    return "";
  }
  if (key == "commit") {
    const std::optional<CommitOutcome> outcome = CommitOutcomeByName(value);
    commit_verdict_ = outcome.value_or(CommitOutcome::kDone);
    return outcome ? "" : "unknown outcome";
  }
  if (key == "body") {
    body_verdict_.reset();
    if (value == "temporary") body_verdict_ = pop3::BodyFailure::kTemporary;
    if (value == "permanent") body_verdict_ = pop3::BodyFailure::kPermanent;
    if (value == "gone") body_verdict_ = pop3::BodyFailure::kGone;
    return body_verdict_ || value == "ready" ? "" : "unknown outcome";
  }
  const std::optional<EndReason> reason = EndReasonByName(value);
  if (!reason || session_ == nullptr) return "unknown reason, or too early";
  session_->End(*reason, out_);
  std::string_view none;
  Run(none, output);
  return "";
}

std::string Pop3Peer::Expect(std::string_view key, std::string_view value) const {
  if (key == "verified") {
    return verified_ == value ? "" : "verified were `" + verified_ + "`";
  }
  if (key == "committed") {
    if (!committed_) return "no commit was asked for";
    return *committed_ == value ? "" : "committed were `" + *committed_ + "`";
  }
  if (key == "client") return client_ == value ? "" : "the client is `" + client_ + "`";
  if (key == "open") return closed() ? "the session is closed" : "";
  if (key == "closed") {
    if (!close_reason_) return "the session is open";
    return Name(*close_reason_) == value ? "" : "closed for " + std::string(Name(*close_reason_));
  }
  if (key == "tls-started") return tls_started_ ? "" : "no handshake has happened";
  return "unknown directive";
}

void Pop3Peer::Start(std::string& output) {
  session_ = std::make_unique<pop3::Session>(options_, metrics_, transport_);
  if (expiry_) session_->SetTerms({.expiry = *expiry_, .login_delay = {}});
  if (transport_.tls) session_->SetTlsFacts(tls_facts_);
  session_->SetMechanisms(LoginMechanisms::Parse(allowed_).value());
  std::string_view none;
  Run(none, output);
}

void Pop3Peer::Receive(std::string_view packet, std::string& output) {
  while (!packet.empty() && !closed()) {
    size_t piece = packet.size();
    if (pieces_ == Pieces::kBytes) piece = 1;
    if (pieces_ == Pieces::kLines) piece = std::min(packet.find('\n'), packet.size() - 1) + 1;
    if (!Feed(packet.substr(0, piece), output)) return;
    packet.remove_prefix(piece);
  }
}

bool Pop3Peer::Feed(std::string_view piece, std::string& output) {
  // A copy of its own, so that a view kept longer than allowed is found by the address sanitizer.
  const std::string copy(piece);
  std::string_view input = copy;
  return Run(input, output);
}

// What the real driver's loop does.
bool Pop3Peer::Run(std::string_view& input, std::string& output) {
  while (!closed()) {
    const Action action = session_->Next(input, out_);
    Trace(action);
    switch (action.kind) {
      case Action::Kind::kNeedInput:
        POP_CHECK(input.empty());
        Flush(output);
        return true;
      case Action::Kind::kFlush:
        POP_CHECK(!out_.empty());
        Flush(output);
        break;
      case Action::Kind::kVerifyPassword:
        POP_CHECK(action.secret.has_value());
        Verify(action.name, action.secret->Reveal());
        break;
      case Action::Kind::kVerifyApop: {
        const std::string text(action.secret->Reveal());
        const size_t blank = text.rfind(' ');
        Verify(text.substr(0, blank), text.substr(blank + 1) == kApopDigest ? "secret" : "wrong");
        break;
      }
      case Action::Kind::kSaslStart:
        sasl_user_known_ = false;
        RunSasl(action);
        break;
      case Action::Kind::kSaslRespond:
        RunSasl(action);
        break;
      case Action::Kind::kSendMessage:
        SendBody(action);
        break;
      case Action::Kind::kTakeClient:
        client_ = (action.client.address ? action.client.address->Text() : "-") + " " +
                  std::to_string(action.client.port);
        session_->ClientTaken(welcome_, out_);
        break;
      case Action::Kind::kStartTls:
        POP_CHECK(input.empty() && session_->kept_bytes() == 0);
        Flush(output);
        session_->TlsStarted();
        session_->SetTlsFacts(tls_facts_);
        tls_started_ = true;
        return false;
      case Action::Kind::kCommit:
        committed_.emplace();
        for (const MessageIndex message : action.deleted) {
          *committed_ += (committed_->empty() ? "" : " ") + std::to_string(message.value() + 1);
        }
        session_->CommitDone(commit_verdict_, out_);
        break;
      case Action::Kind::kClose:
        Flush(output);
        close_reason_ = action.close_reason;
        break;
    }
  }
  return false;
}

// Asking for input and flushing are left out: they depend on how the bytes arrive.
void Pop3Peer::Trace(const Action& action) {
  if (action.kind == Action::Kind::kNeedInput || action.kind == Action::Kind::kFlush) return;
  trace_ += std::to_string(static_cast<int>(action.kind)) + " " + std::string(action.name);
  if (action.secret) trace_ += " <" + std::string(action.secret->Reveal()) + ">";
  trace_ += " " + std::to_string(action.message.value());
  if (action.top_lines) trace_ += " top " + std::to_string(*action.top_lines);
  if (action.client.address) trace_ += " " + action.client.address->Text();
  for (const MessageIndex message : action.deleted) {
    trace_ += " -" + std::to_string(message.value());
  }
  trace_ += " " + std::string(Name(action.close_reason)) + "\n";
}

void Pop3Peer::Verify(std::string_view user, std::string_view password) {
  verified_ = std::string(user) + " " + std::string(password);
  const LoginOutcome by_password =
      password == "secret" ? LoginOutcome::kOk : LoginOutcome::kBadCredentials;
  const LoginOutcome outcome = login_verdict_.value_or(by_password);
  const bool ok = outcome == LoginOutcome::kOk;
  if (ok) session_->SetMechanisms(LoginMechanisms::Parse(allowed_login_).value());
  if (ok && expiry_of_login_) session_->SetTerms({.expiry = *expiry_of_login_, .login_delay = {}});
  session_->LoginDone(outcome, ok ? &maildrop_ : nullptr, out_);
}

// PLAIN (RFC 4616), LOGIN and EXTERNAL, as far as a conversation needs them.
void Pop3Peer::RunSasl(const Action& action) {
  if (action.name == "PLAIN") {
    if (!action.secret) return session_->SaslChallenge("", out_);
    const std::string_view message = action.secret->Reveal();
    const size_t user = message.find('\0');
    const size_t password = user == message.npos ? user : message.find('\0', user + 1);
    if (password == message.npos) {
      return session_->LoginDone(LoginOutcome::kBadCredentials, nullptr, out_);
    }
    return Verify(message.substr(user + 1, password - user - 1), message.substr(password + 1));
  }
  if (action.name == "EXTERNAL") {
    if (!action.secret) return session_->SaslChallenge("", out_);
    return Verify(action.secret->Reveal(), "secret");
  }
  if (!action.secret) return session_->SaslChallenge("Username:", out_);
  if (!sasl_user_known_) {
    sasl_user_ = action.secret->Reveal();
    sasl_user_known_ = true;
    return session_->SaslChallenge("Password:", out_);
  }
  Verify(sasl_user_, action.secret->Reveal());
}

void Pop3Peer::SendBody(const Action& action) {
  if (body_verdict_) return session_->BodyFailed(*body_verdict_, out_);
  const std::string_view wire = maildrop_.wire(action.message);
  const std::string_view header = wire.substr(0, wire.find("\r\n\r\n"));
  if (!session_->takes_utf8_headers() && std::ranges::any_of(header, [](char c) { return c < 0; }))
    return session_->BodyFailed(pop3::BodyFailure::kNeedsUtf8, out_);
  session_->BodyReady(out_);
  if (action.top_lines) {
    pop3::TopCutter cutter(*action.top_lines);
    out_.Append(wire.substr(0, cutter.Pass(wire)));
    out_.Append(cutter.Ending());
  } else {
    out_.Append(wire);
  }
  session_->BodySent();
}

void Pop3Peer::Flush(std::string& output) {
  output += out_.view();
  out_.Clear();
}

}  // namespace poplar::test
