#include "core/base/secret.h"

#include <openssl/crypto.h>

#include <utility>

namespace poplar::base {

void Wipe(void* memory, size_t bytes) { OPENSSL_cleanse(memory, bytes); }

bool EqualConstantTime(std::string_view a, std::string_view b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

Secret& Secret::operator=(Secret&& other) noexcept {
  if (this != &other) {
    Clear();
    bytes_ = std::move(other.bytes_);
    other.bytes_.clear();
  }
  return *this;
}

void Secret::Clear() {
  Wipe(bytes_.data(), bytes_.size());
  bytes_.clear();
}

}  // namespace poplar::base
