// What a provider allows a tenant and a maildrop, and how long mail stays: what the store and the
// servers enforce and a user database says. Changed while the server runs: a PolicyBoard holds what
// is true now.

#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "core/base/ids.h"
#include "core/base/tenant_gate.h"
#include "core/base/tenant_rules.h"

namespace poplar {

// 0: no limit.
struct Quota {
  uint64_t octets = 0;  // As RFC 1939 counts messages.
  uint64_t messages = 0;

  bool limited() const { return octets != 0 || messages != 0; }
  // Whether so much in all is within it.
  bool Allows(uint64_t octets_in_all, uint64_t messages_in_all) const {
    return (octets == 0 || octets_in_all <= octets) &&
           (messages == 0 || messages_in_all <= messages);
  }
  friend bool operator==(const Quota&, const Quota&) = default;
};

struct TenantPolicy {
  std::string name;                // Of the tenant; for metrics.
  Quota quota = {};                // All its maildrops together.
  uint32_t keep_deleted_days = 0;  // Deleted mail can be brought back for so long. 0: not at all.
  uint32_t expire_days = 0;        // Mail goes so long after it arrived. 0: never.
  // Mail goes so long after a client fetched it. 0: when that session ends (RFC 2449 section 6.7).
  std::optional<uint32_t> expire_read_days = {};
  TenantRules rules = {};

  // Before so many days no mail goes by itself. None: never.
  std::optional<uint32_t> least_days() const {
    if (expire_days == 0) return expire_read_days;
    return expire_read_days ? std::min(*expire_read_days, expire_days) : expire_days;
  }
  friend bool operator==(const TenantPolicy&, const TenantPolicy&) = default;
};

// Immutable once published.
struct TenantPolicies {
  // Whose the addresses of a domain are.
  struct Domain {
    TenantId tenant;
    std::string name;  // The tenant's.
    bool enabled = true;
    Quota maildrop_quota = {};  // Of a maildrop that has none of its own.

    friend bool operator==(const Domain&, const Domain&) = default;
  };

  std::unordered_map<uint64_t, TenantPolicy> by_tenant;
  std::unordered_map<std::string, Domain> by_domain;  // In lower case.
  // Of hosts that tenants name, the domain of users who log in without one (login_domain.h); the
  // board's doing.
  std::unordered_map<std::string, std::string> by_host = {};
  // The `auth_chain`s that tenants name, each once; the board's doing.
  std::vector<std::string> auth_chains = {};
  bool any_weak_schemes = false;  // Of any tenant; the board's doing.
  // What each tenant uses; the board's doing. Goes from one publication to the next.
  std::unordered_map<uint64_t, std::shared_ptr<TenantGate>> gates = {};

  // Null: no tenant has it.
  const Domain* OfDomain(std::string_view domain) const {
    const auto found = by_domain.find(std::string(domain));
    return found == by_domain.end() ? nullptr : &found->second;
  }
  friend bool operator==(const TenantPolicies& a, const TenantPolicies& b) {
    return a.by_tenant == b.by_tenant && a.by_domain == b.by_domain;
  }

  // Null: it is not listed.
  std::shared_ptr<TenantGate> GateOf(TenantId tenant) const {
    const auto found = gates.find(tenant.value());
    return found == gates.end() ? nullptr : found->second;
  }

  // Null: it is not listed. Nothing of it goes by itself, not even what it kept under a policy that
  // it had.
  const TenantPolicy* Listed(TenantId tenant) const {
    const auto found = by_tenant.find(tenant.value());
    return found == by_tenant.end() ? nullptr : &found->second;
  }
  // That of a tenant that is not listed limits nothing.
  const TenantPolicy& Of(TenantId tenant) const {
    static const TenantPolicy kNone;
    const TenantPolicy* const listed = Listed(tenant);
    return listed == nullptr ? kNone : *listed;
  }
};

// The policies as they are now. Any thread.
class PolicyBoard {
 public:
  // One thread at a time.
  void Publish(std::shared_ptr<TenantPolicies> policies);
  // Never null.
  std::shared_ptr<const TenantPolicies> Current() const {
    const std::lock_guard lock(mutex_);
    return policies_;
  }
  uint64_t generation() const { return generation_.load(std::memory_order_acquire); }

 private:
  mutable std::mutex mutex_;
  std::shared_ptr<const TenantPolicies> policies_ = std::make_shared<TenantPolicies>();
  std::atomic<uint64_t> generation_{0};
};

// One thread's view of a board: takes the lock only after a change.
class PolicyReader {
 public:
  // Null: no policies at all. The board outlives this.
  explicit PolicyReader(const PolicyBoard* board) : board_(board) {}

  const TenantPolicies& Current() {
    if (board_ != nullptr && (policies_ == nullptr || seen_ != board_->generation())) {
      seen_ = board_->generation();  // Before the policies: a change in between is seen next time.
      policies_ = board_->Current();
    }
    static const TenantPolicies kNone;
    return policies_ == nullptr ? kNone : *policies_;
  }
  // Another number after a change that Current has seen.
  uint64_t generation() const { return seen_; }

 private:
  const PolicyBoard* const board_;
  uint64_t seen_ = 0;
  std::shared_ptr<const TenantPolicies> policies_;
};

}  // namespace poplar
