#include "auth/remote/tenant_queue.h"

#include <algorithm>

namespace poplar::auth {

void TenantQueue::Push(TenantId tenant, uint64_t question) {
  std::deque<uint64_t>& questions = waiting_[tenant.value()];
  if (questions.empty()) turns_.push_back(tenant);
  questions.push_back(question);
  ++size_;
}

std::optional<uint64_t> TenantQueue::Next(const std::function<bool(TenantId)>& may_ask) const {
  const auto turn = std::ranges::find_if(turns_, may_ask);
  if (turn == turns_.end()) return std::nullopt;
  return waiting_.at(turn->value()).front();
}

void TenantQueue::Remove(TenantId tenant, uint64_t question) {
  const auto found = waiting_.find(tenant.value());
  if (found == waiting_.end() || std::erase(found->second, question) == 0) return;
  --size_;
  std::erase(turns_, tenant);
  if (found->second.empty()) {
    waiting_.erase(found);
  } else {
    turns_.push_back(tenant);
  }
}

size_t TenantQueue::SizeOf(TenantId tenant) const {
  const auto found = waiting_.find(tenant.value());
  return found == waiting_.end() ? 0 : found->second.size();
}

}  // namespace poplar::auth
