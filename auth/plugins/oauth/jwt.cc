#include "auth/plugins/oauth/jwt.h"

#include <utility>

namespace poplar::oauth {
namespace {

std::string Attribute(const json_t* object, const char* name) {
  const char* const text = json_string_value(json_object_get(object, name));
  return text == nullptr ? "" : text;
}

// Can a key verify what an algorithm makes? Not a public key an HMAC: whoever knows it would sign.
bool IsOfKind(const cjose_jwk_t* key, std::string_view algorithm) {
  cjose_err error;
  switch (cjose_jwk_get_kty(key, &error)) {
    case CJOSE_JWK_KTY_RSA:
      return algorithm.starts_with("RS") || algorithm.starts_with("PS");
    case CJOSE_JWK_KTY_EC:
      return algorithm.starts_with("ES");
    default:
      return false;
  }
}

bool IsForSignatures(const json_t* jwk) {
  const std::string use = Attribute(jwk, "use");
  return use.empty() || use == "sig";
}

}  // namespace

std::optional<KeySet::Key> KeySet::ReadKey(json_t* jwk) {
  if (!IsObject(jwk) || !IsForSignatures(jwk)) return std::nullopt;
  Key key;
  key.id = Attribute(jwk, "kid");
  key.algorithm = AlgorithmOf(Attribute(jwk, "alg"));
  key.ed25519 = Ed25519Key::FromJwk(jwk);
  if (key.ed25519) return key;
  const std::string kind = Attribute(jwk, "kty");
  if (kind != "RSA" && kind != "EC") return std::nullopt;
  cjose_err error;
  key.key.reset(cjose_jwk_import_json(reinterpret_cast<cjose_header_t*>(jwk), &error));
  if (key.key == nullptr) return std::nullopt;
  if (kind == "RSA" && cjose_jwk_get_keysize(key.key.get(), &error) < kRsaBitsMin) {
    return std::nullopt;
  }
  return key;
}

std::shared_ptr<const KeySet> KeySet::Parse(std::string_view json, std::string& fault) {
  const Json set = ParseObject(json);
  const json_t* const list = json_object_get(set.get(), "keys");
  if (!IsList(list)) {
    fault = "the keys are no JWK set";
    return nullptr;
  }
  auto keys = std::make_shared<KeySet>();
  for (size_t i = 0; i < json_array_size(list) && keys->keys_.size() < kKeysMax; ++i) {
    if (std::optional<Key> key = ReadKey(json_array_get(list, i))) {
      keys->keys_.push_back(std::move(*key));
    }
  }
  if (keys->keys_.empty()) {
    fault = "none of the keys is fit for signatures";
    return nullptr;
  }
  return keys;
}

std::optional<SignedToken> SignedToken::Parse(std::string_view text) {
  const std::optional<std::string> octets = DecodeBase64Url(text.substr(0, text.find('.')));
  const Json head = octets ? ParseObject(*octets) : nullptr;
  // RFC 7515 §4.1.11: none of the extensions is known here. "b64" is one of them.
  if (head == nullptr || json_object_get(head.get(), "crit") != nullptr) return std::nullopt;
  SignedToken token;
  token.text_ = text;
  token.algorithm_ = AlgorithmOf(Attribute(head.get(), "alg"));
  token.key_id_ = Attribute(head.get(), "kid");
  return token.Import() ? std::optional(std::move(token)) : std::nullopt;
}

// False: it has no compact form.
bool SignedToken::Import() {
  if (algorithm_ != kEdDsa) {
    cjose_err error;
    jws_.reset(cjose_jws_import(text_.data(), text_.size(), &error));
    return jws_ != nullptr;
  }
  const std::string_view text = text_;
  const size_t first = text.find('.');
  const size_t last = text.rfind('.');
  if (first == last || text.find('.', first + 1) != last) return false;
  const std::optional<std::string> plain =
      DecodeBase64Url(text.substr(first + 1, last - first - 1));
  const std::optional<std::string> signature = DecodeBase64Url(text.substr(last + 1));
  if (!plain || !signature) return false;
  plain_ = *plain;
  signature_ = *signature;
  return true;
}

// REQUIRES: the key is for the token's algorithm.
bool SignedToken::IsSignedBy(const KeySet::Key& key) {
  if (key.ed25519) {
    return key.ed25519->Verify(std::string_view(text_).substr(0, text_.rfind('.')), signature_);
  }
  cjose_err error;
  // cjose forgets what it read when a signature is wrong.
  return Import() && cjose_jws_verify(jws_.get(), key.key.get(), &error);
}

SignatureVerdict SignedToken::Verify(const KeySet& keys) {
  SignatureVerdict verdict = SignatureVerdict::kNoKey;
  for (const KeySet::Key& key : keys.keys_) {
    const bool named = key_id_.empty() || key.id.empty() || key.id == key_id_;
    const bool meant = key.algorithm.empty() || key.algorithm == algorithm_;
    const bool fits = key.ed25519 ? algorithm_ == kEdDsa : IsOfKind(key.key.get(), algorithm_);
    if (!named || !meant || !fits) continue;
    if (IsSignedBy(key)) return SignatureVerdict::kGood;
    verdict = SignatureVerdict::kWrong;
  }
  return verdict;
}

Json SignedToken::Claims() const {
  if (jws_ == nullptr) return ParseObject(plain_);
  uint8_t* plain = nullptr;
  size_t bytes = 0;
  cjose_err error;
  if (!cjose_jws_get_plaintext(jws_.get(), &plain, &bytes, &error)) return nullptr;
  return ParseObject({reinterpret_cast<const char*>(plain), bytes});
}

}  // namespace poplar::oauth
