#include "auth/schemes/hasher_pool.h"

#include <utility>

namespace poplar::auth {

HasherPool::HasherPool(HashOptions options) : options_(std::move(options)) {}

HashVerdict HasherPool::Verify(std::string_view stored, const base::Secret& password) {
  std::unique_ptr<PasswordHasher> hasher = Borrow();
  const HashVerdict verdict = hasher->Verify(stored, password);
  GiveBack(std::move(hasher));
  return verdict;
}

void HasherPool::SpendOne(const base::Secret& password) {
  std::unique_ptr<PasswordHasher> hasher = Borrow();
  hasher->SpendOne(password);
  GiveBack(std::move(hasher));
}

std::unique_ptr<PasswordHasher> HasherPool::Borrow() {
  computations_.fetch_add(1, std::memory_order_relaxed);
  const std::lock_guard<std::mutex> lock(mutex_);
  if (idle_.empty()) return std::make_unique<PasswordHasher>(options_);
  std::unique_ptr<PasswordHasher> hasher = std::move(idle_.back());
  idle_.pop_back();
  return hasher;
}

void HasherPool::GiveBack(std::unique_ptr<PasswordHasher> hasher) {
  const std::lock_guard<std::mutex> lock(mutex_);
  idle_.push_back(std::move(hasher));
}

}  // namespace poplar::auth
