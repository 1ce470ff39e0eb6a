#include "auth/service/keyed_hash.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <sys/random.h>

#include <cstring>

#include "core/base/check.h"

namespace poplar::auth {

LoginHasher::Key LoginHasher::NewKey() {
  Key key;
  POP_CHECK(::getrandom(key.data(), key.size(), 0) == static_cast<ssize_t>(key.size()));
  return key;
}

LoginHasher::LoginHasher(const Key& key) : key_(key) {
  EVP_MAC* siphash = EVP_MAC_fetch(nullptr, "SIPHASH", nullptr);
  POP_CHECK(siphash != nullptr);
  context_ = EVP_MAC_CTX_new(siphash);
  EVP_MAC_free(siphash);
  POP_CHECK(context_ != nullptr);
  size_t mac_bytes = sizeof(Mac);
  const OSSL_PARAM params[] = {OSSL_PARAM_construct_size_t(OSSL_MAC_PARAM_SIZE, &mac_bytes),
                               OSSL_PARAM_construct_end()};
  POP_CHECK(EVP_MAC_CTX_set_params(context_, params) == 1);
}

LoginHasher::~LoginHasher() { EVP_MAC_CTX_free(context_); }

Mac LoginHasher::OfName(std::string_view name) { return Compute({}, name); }

LoginMacs LoginHasher::OfLogin(std::string_view name, const base::Secret& password) {
  LoginMacs macs;
  macs.name = OfName(name);
  // The name by its hash: of fixed length, so that no other split of the same octets is equal.
  char prefix[sizeof(Mac)];
  std::memcpy(prefix, &macs.name, sizeof(Mac));
  macs.login = Compute({prefix, sizeof(prefix)}, password.Reveal());
  return macs;
}

Mac LoginHasher::Compute(std::string_view prefix, std::string_view text) {
  Mac mac;
  size_t mac_bytes = 0;
  const auto bytes = [](std::string_view view) {
    return reinterpret_cast<const unsigned char*>(view.data());
  };
  POP_CHECK(EVP_MAC_init(context_, key_.data(), key_.size(), nullptr) == 1 &&
            EVP_MAC_update(context_, bytes(prefix), prefix.size()) == 1 &&
            EVP_MAC_update(context_, bytes(text), text.size()) == 1 &&
            EVP_MAC_final(context_, reinterpret_cast<unsigned char*>(&mac), &mac_bytes,
                          sizeof(mac)) == 1 &&
            mac_bytes == sizeof(mac));
  return mac;
}

}  // namespace poplar::auth
