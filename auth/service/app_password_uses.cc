#include "auth/service/app_password_uses.h"

namespace poplar::auth {

void AppPasswordUses::Note(std::string account, std::string id, std::optional<int64_t> last_used_s,
                           int64_t now_s) {
  if (last_used_s && *last_used_s + kAgainAfterS > now_s) return;
  const std::lock_guard<std::mutex> lock(mutex_);
  if (pending_.size() >= kPendingMax) return;
  pending_.emplace(std::pair(std::move(account), std::move(id)), now_s);
}

std::vector<AppPasswordUse> AppPasswordUses::Take() {
  std::vector<AppPasswordUse> uses;
  const std::lock_guard<std::mutex> lock(mutex_);
  uses.reserve(pending_.size());
  for (const auto& [key, used_s] : pending_) {
    uses.push_back({.account = key.first, .id = key.second, .used_s = used_s});
  }
  pending_.clear();
  return uses;
}

void AppPasswordUses::PutBack(std::vector<AppPasswordUse> uses) {
  const std::lock_guard<std::mutex> lock(mutex_);
  for (AppPasswordUse& use : uses) {
    if (pending_.size() >= kPendingMax) return;
    pending_.emplace(std::pair(std::move(use.account), std::move(use.id)), use.used_s);
  }
}

}  // namespace poplar::auth
