#include "auth/plugins/oauth/issuer.h"

#include <algorithm>
#include <ctime>
#include <memory>
#include <optional>
#include <utility>

#include "auth/plugins/common/question.h"
#include "auth/plugins/common/secret_file.h"
#include "auth/plugins/oauth/jwt.h"

namespace poplar::oauth {
Issuer::Issuer(Settings settings, const poplar_host& host)
    : settings_(std::move(settings)),
      host_(host),
      endpoint_(
          settings_.introspection_url.empty() ? settings_.jwks_url : settings_.introspection_url,
          settings_, host),
      keys_([this](Deadline deadline, std::string& fault) {
        return settings_.jwks_file.empty()
                   ? endpoint_.Get(deadline, fault)
                   : plugins::ReadSecretFile(settings_.jwks_file, kReplyBytesMax, fault);
      }) {}

poplar_outcome Issuer::Ask(const poplar_question& question, poplar_answer* answer) {
  const plugins::Question asked(host_, question, answer);
  if (asked.operation() != POPLAR_VERIFY_TOKEN) return POPLAR_UNSUPPORTED;
  const Verdict verdict = settings_.introspection_url.empty()
                              ? VerifySigned(asked.secret(), asked.login(), asked.deadline())
                              : Introspect(asked.secret(), asked.login(), asked.deadline());
  return asked.Say(verdict.outcome, verdict.reason);
}

Verdict Issuer::VerifySigned(std::string_view token, std::string_view login, Deadline deadline) {
  std::optional<SignedToken> parsed = SignedToken::Parse(token);
  if (!parsed.has_value()) return {POPLAR_UNKNOWN, "no signed token"};
  if (std::ranges::find(settings_.algorithms, parsed->algorithm()) == settings_.algorithms.end()) {
    return {POPLAR_REFUSED, "the token is signed by an algorithm that is not allowed"};
  }
  const Json claims = parsed->Claims();
  if (claims == nullptr) return {POPLAR_UNKNOWN, "the token says nothing"};
  // Before its signature, so that tokens of others need none of our keys; it decides nothing else.
  Verdict verdict =
      CheckClaims(claims.get(), settings_, login, std::time(nullptr), /*introspected=*/false);
  if (verdict.outcome != POPLAR_OK) return verdict;
  std::string fault;
  std::shared_ptr<const KeySet> keys = keys_.Get(deadline, fault);
  if (keys == nullptr) return {POPLAR_UNREACHABLE, fault};
  SignatureVerdict signature = parsed->Verify(*keys);
  if (signature != SignatureVerdict::kGood) {
    // A new key may go by an old one's name, or by none.
    keys = keys_.GetNewer(keys, deadline, fault);
    if (keys != nullptr) signature = parsed->Verify(*keys);
  }
  if (signature == SignatureVerdict::kGood) return verdict;
  // Those of known keys are good all the same.
  if (!fault.empty()) {
    return {POPLAR_TEMPORARY, "none of the known keys is the token's, and " + fault};
  }
  return {POPLAR_REFUSED, signature == SignatureVerdict::kWrong ? "the token's signature is wrong"
                                                                : "the issuer has no such key"};
}

Verdict Issuer::Introspect(std::string_view token, std::string_view login, Deadline deadline) {
  plugins::Tried fault;
  const std::optional<plugins::SecretText> reply =
      endpoint_.Post("token_type_hint=access_token&token=" + UrlEncode(token), deadline, fault);
  if (!reply.has_value()) return {fault.outcome(), fault.why};
  const Json claims = ParseObject(*reply);
  const json_t* const active = json_object_get(claims.get(), "active");
  if (!IsBoolean(active)) {
    return {POPLAR_TEMPORARY, settings_.introspection_url + ": the answer is none of RFC 7662"};
  }
  if (!IsTrue(active)) return {POPLAR_REFUSED, "the issuer says that the token is not active"};
  return CheckClaims(claims.get(), settings_, login, std::time(nullptr), /*introspected=*/true);
}

}  // namespace poplar::oauth
