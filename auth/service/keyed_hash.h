// Keyed hashes of log-ins (SipHash-2-4, 128 bits, with a random key of this run): what the caches
// know instead of names and passwords.
//
// A LoginHasher belongs to one thread; all shards' have the same key.

#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <utility>

#include "core/base/secret.h"

struct evp_mac_ctx_st;

namespace poplar::auth {

struct Mac {
  uint64_t high = 0;
  uint64_t low = 0;

  friend bool operator==(const Mac&, const Mac&) = default;
  template <class Hash>
  friend Hash AbslHashValue(Hash state, const Mac& mac) {
    return Hash::combine(std::move(state), mac.high, mac.low);
  }
};

// Names that are equal have equal `name`s; log-ins (name and password) equal `login`s.
struct LoginMacs {
  Mac name;
  Mac login;
};

class LoginHasher {
 public:
  using Key = std::array<unsigned char, 16>;

  // From the kernel's generator.
  static Key NewKey();

  explicit LoginHasher(const Key& key);
  LoginHasher(const LoginHasher&) = delete;
  LoginHasher& operator=(const LoginHasher&) = delete;
  ~LoginHasher();

  Mac OfName(std::string_view name);
  LoginMacs OfLogin(std::string_view name, const base::Secret& password);

 private:
  Mac Compute(std::string_view prefix, std::string_view text);

  const Key key_;
  evp_mac_ctx_st* context_ = nullptr;
};

}  // namespace poplar::auth
