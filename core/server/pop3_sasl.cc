// Log-in by AUTH and APOP: the mechanism of auth/api says what it needs, and the driver asks for
// it.

#include <algorithm>
#include <utility>
#include <variant>

#include "core/base/login_domain.h"
#include "core/server/address_owner.h"
#include "core/server/outcome_table.h"
#include "core/server/pop3_driver.h"

namespace poplar::server {
namespace {

bool IsBound(std::string_view mechanism) { return mechanism.ends_with("-PLUS"); }

// May the exchange go on with this verifier? A decoy is one, too.
bool HasVerifier(const auth::VerifierResult& fetched) {
  return fetched.outcome == auth::Outcome::kOk || fetched.outcome == auth::Outcome::kDisabled ||
         fetched.outcome == auth::Outcome::kRefused;
}

}  // namespace

// A channel that ends at a proxy cannot be bound to ours.
const net::TlsSession* Pop3Driver::ClientTls() const {
  const bool ends_at_a_proxy = spoken_for_ || (proxied() != nullptr && proxied()->tls);
  return ends_at_a_proxy ? nullptr : stream_.tls();
}

std::vector<std::string> Pop3Driver::CertificateNames() const {
  if (const net::TlsSession* tls = ClientTls()) return tls->ClientNames();
  if (spoken_for_ || proxied() == nullptr || !proxied()->tls || !pop3_.common_name_is_user) {
    return {};
  }
  const std::string& name = proxied()->tls->common_name;
  return name.empty() ? std::vector<std::string>() : std::vector{name};
}

void Pop3Driver::SetTlsFacts() {
  const net::TlsSession* const tls = ClientTls();
  session_.SetTlsFacts({.binds_channel = tls != nullptr && tls->binds_channel(),
                        .names_the_client = !CertificateNames().empty()});
  OfferMechanisms();
}

void Pop3Driver::OfferMechanisms() {
  // Who may have all mail needs no back end for it.
  if (pop3_.session.exports) return;
  const TenantPolicies& policies = services_.policies.Current();
  session_.SetMechanisms(
      MechanismsOf(policies, policies.OfDomain(LoginDomainOf(policies, server_name()))));
}

LoginMechanisms Pop3Driver::MechanismsOf(const TenantPolicies& policies,
                                         const TenantPolicies::Domain* owner) {
  if (owner == nullptr) return services_.auth.MechanismsOf(std::nullopt);
  return services_.auth.MechanismsOf(owner->tenant) & policies.Of(owner->tenant).rules.mechanisms;
}

// What was offered went by the host that TLS asked for, and whoever is in the middle chooses that:
// the offer of the user's own tenant is the one that may not have been taken away (RFC 5802 §6).
bool Pop3Driver::MayBind(const std::string& user) {
  const net::TlsSession* const tls = ClientTls();
  if (tls == nullptr || !tls->binds_channel()) return false;
  const TenantPolicies& policies = services_.policies.Current();
  const LoginMechanisms own = MechanismsOf(policies, OwnerOf(policies, user));
  return std::ranges::any_of(pop3_.session.login.sasl, [&own](const std::string& name) {
    return IsBound(name) && own.Contains(name);
  });
}

auth::SaslConnection Pop3Driver::ConnectionFor(std::string_view mechanism) const {
  auth::SaslConnection connection;
  connection.apop_timestamp = apop_timestamp_;
  if (mechanism == "EXTERNAL") connection.certificate_names = CertificateNames();
  const net::TlsSession* const tls = ClientTls();
  if (tls == nullptr) return connection;
  connection.binding_offered = std::ranges::any_of(
      pop3_.session.login.sasl,
      [this](const std::string& name) { return IsBound(name) && session_.Offers(name); });
  if (IsBound(mechanism)) {
    connection.tls_exporter = tls->ExporterBinding();
    connection.tls_server_end_point = tls->ServerEndPointBinding();
  }
  return connection;
}

void Pop3Driver::CountAbandoned() {
  if (sasl_ == nullptr || !std::exchange(sasl_->challenged, false)) return;
  auth::AuthResult result;
  result.outcome = auth::Outcome::kRefused;
  result.reason = "the client gave up";
  services_.auth.CountLogin(result.outcome, claimed_user_, Client());
  LogLogin(pop3::Name(ToPop3(result.outcome)), result);
}

void Pop3Driver::StartSasl(std::string_view mechanism) {
  CountAbandoned();
  mechanism_ = mechanism;
  claimed_user_.clear();
  recent_ = false;
  if (pop3_.session.exports) return;
  sasl_ = std::make_unique<SaslExchange>();
  sasl_->since_us = services_.reactor().now_us();
  sasl_->mechanism = services_.auth.StartSasl(mechanism, ConnectionFor(mechanism));
}

io::Task<void> Pop3Driver::StepSasl(std::optional<base::Secret> response) {
  if (pop3_.session.exports) {
    co_await StepExternal(std::move(response));
    co_return;
  }
  if (sasl_->refused) {
    session_.LoginDone(*sasl_->refused, nullptr, stream_.output());
    sasl_.reset();
    co_return;
  }
  word_since_us_ = services_.reactor().now_us();
  std::optional<std::string_view> bytes;
  if (response) bytes = response->Reveal();
  // Here, as a certificate's own name has no such word.
  if (bytes && mechanism_ == "EXTERNAL") TakeRecent(*bytes);
  auth::SaslStep step = sasl_->mechanism->Step(bytes);
  if (auto* wanted = std::get_if<auth::SaslVerifierWanted>(&step)) {
    auth::SaslVerifierWanted asked = std::move(*wanted);
    step = co_await FetchVerifier(std::move(asked));
  }
  if (const auto* challenge = std::get_if<auth::SaslChallenge>(&step)) {
    session_.SaslChallenge(challenge->bytes, stream_.output());
    co_return;
  }
  const bool by_token = std::holds_alternative<auth::SaslToken>(step);
  auth::AuthResult result = co_await EndSasl(std::move(step));
  if (by_token && result.outcome == auth::Outcome::kRefused) {
    // RFC 7628 §3.2.3: first why, and when the client has answered, that it failed.
    sasl_->refused = session_.AsTold(ToPop3(result.outcome));
    LogLogin(pop3::Name(*sasl_->refused), result);
    co_await HoldToStep(word_since_us_, pop3_.refusal_step_ms);
    session_.SaslChallenge(sasl_->mechanism->RefuseToken().bytes, stream_.output());
    co_return;
  }
  const uint64_t since_us = sasl_->since_us;
  sasl_.reset();
  co_await FinishLogin(std::move(result), since_us);
}

io::Task<auth::SaslStep> Pop3Driver::FetchVerifier(auth::SaslVerifierWanted wanted) {
  std::string user = LoginName(std::move(wanted.user));
  if (wanted.saw_no_binding && MayBind(user)) {
    co_return auth::SaslMalformed{"the channel could be bound, and the client was not offered it"};
  }
  io::Completion<auth::VerifierResult> fetched;
  services_.auth.FetchVerifier(std::move(user), std::move(wanted.mechanism), Client(), fetched);
  WatchForLeaving();
  sasl_->verifier = co_await fetched;
  stream_.WatchPeer(nullptr, nullptr);
  sasl_->challenged = HasVerifier(sasl_->verifier);
  if (!sasl_->challenged) co_return auth::SaslProof{};
  co_return sasl_->mechanism->TakeVerifier(sasl_->verifier.verifier);
}

io::Task<auth::AuthResult> Pop3Driver::EndSasl(auth::SaslStep end) {
  io::Completion<auth::AuthResult> verified;
  if (auto* credentials = std::get_if<auth::SaslCredentials>(&end)) {
    services_.auth.VerifyPassword(LoginName(std::move(credentials->user)),
                                  std::move(credentials->password), Client(), verified);
  } else if (auto* token = std::get_if<auth::SaslToken>(&end)) {
    services_.auth.VerifyToken(LoginName(std::move(token->user)), std::move(token->token), Client(),
                               verified);
  } else if (auto* identity = std::get_if<auth::SaslIdentity>(&end)) {
    // As the certificate says it: the client alone chose the host, and with another one a name
    // without a domain would be another user's.
    claimed_user_ = identity->user.substr(0, kClaimedUserBytesMax);
    services_.auth.ResolveLogin(std::move(identity->user), Client(), verified);
  } else {
    auth::AuthResult result;
    result.outcome = auth::Outcome::kRefused;
    const bool challenged = std::exchange(sasl_->challenged, false);
    if (const auto* malformed = std::get_if<auth::SaslMalformed>(&end)) {
      result.reason = malformed->reason;
      if (challenged) services_.auth.CountLogin(result.outcome, claimed_user_, Client());
      co_return result;
    }
    auth::VerifierResult& verifier = sasl_->verifier;
    const bool wrong = HasVerifier(verifier) && !std::get<auth::SaslProof>(end).right;
    if (!wrong) result.outcome = verifier.outcome;
    result.reason = wrong && verifier.reason.empty() ? "wrong proof" : std::move(verifier.reason);
    if (result.outcome == auth::Outcome::kOk &&
        services_.auth.IsOutdated(verifier, claimed_user_)) {
      result.outcome = auth::Outcome::kTemporary;
      result.reason = "the user was changed since the challenge";
    }
    result.principal = std::move(verifier.principal);
    services_.auth.CountLogin(result.outcome, claimed_user_, Client());
    co_return result;
  }
  WatchForLeaving();
  auth::AuthResult result = co_await verified;
  stream_.WatchPeer(nullptr, nullptr);
  co_return result;
}

}  // namespace poplar::server
