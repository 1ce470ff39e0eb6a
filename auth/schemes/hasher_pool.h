// PasswordHashers for whoever computes right now: pool threads borrow one for a computation. There
// are never more than threads that computed at once.
//
// Any thread. Outlives its users.

#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string_view>
#include <vector>

#include "auth/schemes/password_hasher.h"

namespace poplar::auth {

class HasherPool {
 public:
  explicit HasherPool(HashOptions options = {});

  // As PasswordHasher::Verify: one computation, whatever the verdict.
  HashVerdict Verify(std::string_view stored, const base::Secret& password);
  // As PasswordHasher::SpendOne.
  void SpendOne(const base::Secret& password);

  // Computations so far.
  uint64_t computations() const { return computations_.load(std::memory_order_relaxed); }

 private:
  std::unique_ptr<PasswordHasher> Borrow();
  void GiveBack(std::unique_ptr<PasswordHasher> hasher);

  const HashOptions options_;
  std::atomic<uint64_t> computations_{0};
  std::mutex mutex_;
  std::vector<std::unique_ptr<PasswordHasher>> idle_;  // Guarded by mutex_.
};

}  // namespace poplar::auth
