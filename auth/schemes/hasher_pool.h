// The hasher that all threads of a pool share, and what it counts.
//
// Any thread. Outlives its users.

#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "auth/schemes/password_hasher.h"

namespace poplar::auth {

class HasherPool {
 public:
  explicit HasherPool(HashOptions options = {}) : hasher_(std::move(options)) {}

  // As those of PasswordHasher. Each counts as one computation.
  HashVerdict Verify(std::string_view stored, const base::Secret& password,
                     WeakSchemes weak = WeakSchemes::kRefuse) {
    CountComputation();
    return hasher_.Verify(stored, password, weak);
  }
  void SpendOne(const base::Secret& password) {
    CountComputation();
    hasher_.SpendOne(password);
  }
  StatusOr<std::string> Hash(const base::Secret& password) {
    CountComputation();
    return hasher_.Hash(password);
  }

  bool NeedsRehash(std::string_view stored, const base::Secret& password) const {
    return hasher_.NeedsRehash(stored, password);
  }
  // A back end has stored a new hash in place of an old one.
  void CountRehashed() { rehashed_.fetch_add(1, std::memory_order_relaxed); }

  // So far.
  uint64_t computations() const { return computations_.load(std::memory_order_relaxed); }
  uint64_t rehashed() const { return rehashed_.load(std::memory_order_relaxed); }

 private:
  void CountComputation() { computations_.fetch_add(1, std::memory_order_relaxed); }

  const PasswordHasher hasher_;
  std::atomic<uint64_t> computations_{0};
  std::atomic<uint64_t> rehashed_{0};
};

}  // namespace poplar::auth
