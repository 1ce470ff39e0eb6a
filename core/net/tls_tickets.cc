#include "core/net/tls_tickets.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/rand.h>

#include <algorithm>
#include <cstring>

#include "core/base/secret.h"

namespace poplar::net {
namespace {

constexpr uint64_t kPeriodUs = TicketKeys::kPeriodS * 1'000'000;
constexpr int kIvBytes = 16;

}  // namespace

TicketKeys::TicketKeys(const base::Clock& clock) : clock_(clock) {}

TicketKeys::~TicketKeys() { base::Wipe(keys_.data(), sizeof(keys_)); }

void TicketKeys::RotateIfDue() {
  const uint64_t now_us = clock_.MonotonicUs();
  // A key that was not followed in time (nobody shook hands) is no better than one that was.
  for (Key& key : keys_)
    if (key.valid && now_us - key.made_us >= keys_.size() * kPeriodUs) key = Key();
  if (keys_[0].valid && now_us - keys_[0].made_us < kPeriodUs) return;

  Key fresh;
  if (RAND_bytes(fresh.name.data(), static_cast<int>(fresh.name.size())) != 1 ||
      RAND_priv_bytes(fresh.cipher.data(), static_cast<int>(fresh.cipher.size())) != 1 ||
      RAND_priv_bytes(fresh.mac.data(), static_cast<int>(fresh.mac.size())) != 1)
    return;  // The old key goes on; without one, no ticket is given.
  fresh.made_us = now_us;
  fresh.valid = true;
  std::move_backward(keys_.begin(), keys_.end() - 1, keys_.end());
  keys_[0] = fresh;
  base::Wipe(&fresh, sizeof(fresh));
}

bool TicketKeys::Use(const Key& key, unsigned char* iv, EVP_CIPHER_CTX* cipher, EVP_MAC_CTX* mac,
                     bool seal) {
  if (EVP_CipherInit_ex(cipher, EVP_aes_256_cbc(), nullptr, key.cipher.data(), iv, seal ? 1 : 0) !=
      1)
    return false;
  char digest[] = "SHA256";
  OSSL_PARAM params[] = {
      OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY,
                                        const_cast<unsigned char*>(key.mac.data()), key.mac.size()),
      OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
      OSSL_PARAM_construct_end(),
  };
  return EVP_MAC_CTX_set_params(mac, params) == 1;
}

int TicketKeys::Apply(unsigned char* key_name, unsigned char* iv, EVP_CIPHER_CTX* cipher,
                      EVP_MAC_CTX* mac, bool seal, bool for_once) {
  const std::lock_guard lock(mutex_);
  RotateIfDue();
  if (seal) {
    if (!keys_[0].valid || RAND_bytes(iv, kIvBytes) != 1) return -1;
    std::memcpy(key_name, keys_[0].name.data(), keys_[0].name.size());
    return Use(keys_[0], iv, cipher, mac, seal) ? 1 : -1;
  }
  for (const Key& key : keys_) {
    if (!key.valid || std::memcmp(key.name.data(), key_name, key.name.size()) != 0) continue;
    if (!Use(key, iv, cipher, mac, seal)) return -1;
    return &key == keys_.data() && !for_once ? 1 : 2;
  }
  return 0;
}

}  // namespace poplar::net
