#include "auth/plugins/oauth/ed25519.h"

#include <cjose/cjose.h>

#include <cstdint>
#include <cstdlib>

#include "auth/plugins/oauth/claims.h"

namespace poplar::oauth {
namespace {

struct FreeBytes {
  void operator()(uint8_t* bytes) const { std::free(bytes); }
};
struct FreeDigest {
  void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
};

const unsigned char* Octets(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

bool Says(const json_t* jwk, const char* name, std::string_view value) {
  const json_t* const said = json_object_get(jwk, name);
  return IsText(said) && json_string_value(said) == value;
}

}  // namespace

std::optional<std::string> DecodeBase64Url(std::string_view text) {
  if (text.empty()) return "";
  uint8_t* decoded = nullptr;
  size_t bytes = 0;
  cjose_err error;
  if (!cjose_base64url_decode(text.data(), text.size(), &decoded, &bytes, &error)) {
    return std::nullopt;
  }
  const std::unique_ptr<uint8_t, FreeBytes> owned(decoded);
  return std::string(reinterpret_cast<const char*>(decoded), bytes);
}

std::optional<Ed25519Key> Ed25519Key::FromJwk(const json_t* jwk) {
  const json_t* const point = json_object_get(jwk, "x");
  if (!Says(jwk, "kty", "OKP") || !Says(jwk, "crv", "Ed25519") || !IsText(point)) {
    return std::nullopt;
  }
  const std::optional<std::string> octets = DecodeBase64Url(json_string_value(point));
  if (!octets) return std::nullopt;
  Ed25519Key key(
      EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, Octets(*octets), octets->size()));
  if (key.key_ == nullptr) return std::nullopt;
  return key;
}

bool Ed25519Key::Verify(std::string_view text, std::string_view signature) const {
  const std::unique_ptr<EVP_MD_CTX, FreeDigest> context(EVP_MD_CTX_new());
  return context != nullptr &&
         EVP_DigestVerifyInit(context.get(), nullptr, nullptr, nullptr, key_.get()) == 1 &&
         EVP_DigestVerify(context.get(), Octets(signature), signature.size(), Octets(text),
                          text.size()) == 1;
}

}  // namespace poplar::oauth
