// Ed25519 as tokens have it (RFC 8037), by OpenSSL: libcjose does not know it. Any thread.

#pragma once

#include <jansson.h>
#include <openssl/evp.h>

#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace poplar::oauth {

// As JWS has it, without padding. Nothing: it is none.
std::optional<std::string> DecodeBase64Url(std::string_view text);

class Ed25519Key {
 public:
  // Of a JWK. Nothing: it is none of this kind, or no point of the curve has its form.
  static std::optional<Ed25519Key> FromJwk(const json_t* jwk);

  bool Verify(std::string_view text, std::string_view signature) const;

 private:
  struct FreeKey {
    void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
  };
  explicit Ed25519Key(EVP_PKEY* key) : key_(key) {}

  std::unique_ptr<EVP_PKEY, FreeKey> key_;
};

}  // namespace poplar::oauth
