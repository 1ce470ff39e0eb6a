#include "auth/plugins/oauth/jwt.h"

#include <cstring>
#include <utility>

namespace poplar::oauth {
namespace {

std::string Attribute(const json_t* object, const char* name) {
  const char* const text = json_string_value(json_object_get(object, name));
  return text == nullptr ? "" : text;
}

// The kind of key that an algorithm takes. An HMAC's is none of these: whoever knows a public key
// would sign with it.
std::optional<cjose_jwk_kty_t> KindOf(std::string_view algorithm) {
  if (algorithm.starts_with("RS") || algorithm.starts_with("PS")) return CJOSE_JWK_KTY_RSA;
  if (algorithm.starts_with("ES")) return CJOSE_JWK_KTY_EC;
  return std::nullopt;
}

bool IsForSignatures(const json_t* jwk) {
  const std::string use = Attribute(jwk, "use");
  const std::string kind = Attribute(jwk, "kty");
  return (use.empty() || use == "sig") && (kind == "RSA" || kind == "EC");
}

}  // namespace

std::shared_ptr<const KeySet> KeySet::Parse(std::string_view json, std::string& fault) {
  const Json set = ParseObject(json);
  const json_t* const list = json_object_get(set.get(), "keys");
  if (!IsList(list)) {
    fault = "the keys are no JWK set";
    return nullptr;
  }
  auto keys = std::make_shared<KeySet>();
  for (size_t i = 0; i < json_array_size(list) && keys->keys_.size() < kKeysMax; ++i) {
    json_t* const jwk = json_array_get(list, i);
    if (!IsObject(jwk) || !IsForSignatures(jwk)) continue;
    cjose_err error;
    Key key;
    key.key.reset(cjose_jwk_import_json(reinterpret_cast<cjose_header_t*>(jwk), &error));
    if (key.key == nullptr) continue;
    if (cjose_jwk_get_kty(key.key.get(), &error) == CJOSE_JWK_KTY_RSA &&
        cjose_jwk_get_keysize(key.key.get(), &error) < kRsaBitsMin) {
      continue;
    }
    key.id = Attribute(jwk, "kid");
    key.algorithm = Attribute(jwk, "alg");
    keys->keys_.push_back(std::move(key));
  }
  if (keys->keys_.empty()) {
    fault = "none of the keys is fit for signatures";
    return nullptr;
  }
  return keys;
}

std::optional<SignedToken> SignedToken::Parse(std::string_view text) {
  cjose_err error;
  SignedToken token;
  token.text_ = text;
  token.jws_.reset(cjose_jws_import(token.text_.data(), token.text_.size(), &error));
  if (token.jws_ == nullptr) return std::nullopt;
  const auto* const head =
      reinterpret_cast<const json_t*>(cjose_jws_get_protected(token.jws_.get()));
  // RFC 7515 §4.1.11: none of the extensions is known here. "b64" is one of them.
  if (!IsObject(head) || json_object_get(head, "crit") != nullptr) return std::nullopt;
  token.algorithm_ = Attribute(head, "alg");
  token.key_id_ = Attribute(head, "kid");
  return token;
}

SignatureVerdict SignedToken::Verify(const KeySet& keys) {
  const std::optional<cjose_jwk_kty_t> kind = KindOf(algorithm_);
  SignatureVerdict verdict = SignatureVerdict::kNoKey;
  for (const KeySet::Key& key : keys.keys_) {
    cjose_err error;
    const bool named = key_id_.empty() || key.id.empty() || key.id == key_id_;
    const bool fits = key.algorithm.empty() || key.algorithm == algorithm_;
    if (!named || !fits || cjose_jwk_get_kty(key.key.get(), &error) != kind) continue;
    // cjose forgets what it read when a signature is wrong.
    jws_.reset(cjose_jws_import(text_.data(), text_.size(), &error));
    if (jws_ == nullptr) return SignatureVerdict::kWrong;
    if (cjose_jws_verify(jws_.get(), key.key.get(), &error)) return SignatureVerdict::kGood;
    verdict = SignatureVerdict::kWrong;
  }
  return verdict;
}

Json SignedToken::Claims() const {
  uint8_t* plain = nullptr;
  size_t bytes = 0;
  cjose_err error;
  if (!cjose_jws_get_plaintext(jws_.get(), &plain, &bytes, &error)) return nullptr;
  return ParseObject({reinterpret_cast<const char*>(plain), bytes});
}

}  // namespace poplar::oauth
