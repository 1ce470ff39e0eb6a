#include "auth/service/recent_changes.h"

#include <algorithm>
#include <utility>

#include "auth/service/results.h"

namespace poplar::auth {

void RecentChanges::AddAddress(std::string address) {
  Add({.address = std::move(address), .tenant = {}, .account = {}});
}

void RecentChanges::AddAccount(TenantId tenant, std::string account) {
  Add({.address = {}, .tenant = tenant, .account = std::move(account)});
}

void RecentChanges::Add(Change change) {
  ++count_;
  known_.push_back(std::move(change));
  if (known_.size() > kKnownMax) known_.pop_front();
}

bool RecentChanges::AreAbout(const Principal& principal, std::string_view login,
                             uint64_t seen) const {
  const uint64_t since = count_ - seen;
  if (since > known_.size()) return true;
  return std::any_of(
      known_.end() - static_cast<ptrdiff_t>(since), known_.end(), [&](const Change& change) {
        if (change.address.empty()) {
          return change.tenant == principal.tenant && change.account == principal.account;
        }
        return change.address == login || IsAddressOf(principal, change.address);
      });
}

}  // namespace poplar::auth
