// When one back end is left alone: by everybody once it is dead, by one tenant when only that
// tenant's questions fail.
//
// Only questions that reached nobody count: an answer, whatever it says, proves that the back end
// lives. Those of one tenant alone open that tenant's own breaker, for they may be its own fault (a
// part of the directory that hangs); once questions of two tenants have failed, and none was
// answered in between, the back end's own opens, and nobody waits for it.
//
// Pure; one thread.

#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "absl/container/flat_hash_map.h"
#include "auth/remote/breaker.h"
#include "core/base/ids.h"

namespace poplar::auth {

class TenantBreakers {
 public:
  // Tenants with failures that are known at once; of further ones, the back end's breaker counts.
  static constexpr size_t kTenantsMax = 1024;

  explicit TenantBreakers(const BreakerOptions& options) : options_(options), all_(options) {}

  // May a question of this tenant be asked? If so, one of the three below follows.
  bool Allow(TenantId tenant, uint64_t now_us);
  void Answered(TenantId tenant);
  // `random` as Breaker::Failed has it.
  void Unreached(TenantId tenant, uint64_t now_us, uint32_t random);
  // It was not asked after all, which says nothing of the back end.
  void NotAsked(TenantId tenant);

  // Of the back end, for everybody.
  Breaker::State state(uint64_t now_us) const { return all_.state(now_us); }
  // Tenants that leave it alone, or try it, by themselves.
  size_t tenants_left_alone() const { return left_alone_; }

 private:
  Breaker* OwnOf(TenantId tenant, uint64_t now_us);
  void CountLeftAlone();

  const BreakerOptions options_;
  Breaker all_;
  absl::flat_hash_map<uint64_t, Breaker> own_;  // Of tenants with failures.
  size_t left_alone_ = 0;
  // Since the last answer:
  std::optional<TenantId> failed_;  // The first whose question failed.
  bool several_failed_ = false;
  std::optional<TenantId> tried_by_;  // Whose try failed last.
};

}  // namespace poplar::auth
