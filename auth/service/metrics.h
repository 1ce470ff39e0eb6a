// What authentication counts. One struct a shard, written by that shard, read by anyone.

#pragma once

#include <array>

#include "auth/api/auth.h"
#include "auth/service/throttle.h"
#include "core/base/metrics.h"

namespace poplar::auth {

struct alignas(base::kCacheLineBytes) AuthMetrics {
  static constexpr size_t kOutcomes = static_cast<size_t>(Outcome::kUnsupported) + 1;
  static constexpr size_t kResolveOutcomes = static_cast<size_t>(ResolveOutcome::kTemporary) + 1;

  // On the shard that was asked.
  std::array<base::Counter, kOutcomes> logins;
  std::array<base::Counter, kResolveOutcomes> resolves;
  base::Counter resolve_cache_hits;
  struct OfPenalty {
    base::Counter begun;
    base::Counter delayed;
  };
  std::array<OfPenalty, kPenalties> penalties;
  base::Counter repeated_failures;
  base::Gauge waiting;
  base::Counter delayed_refused;
  base::Counter delayed_left;

  // On the shard of the login name.
  base::Counter cache_hits;
  base::Counter cache_misses;
  base::Counter standby_logins;
  base::Gauge cache_entries;
  base::Counter coalesced;
  base::Histogram verify_us;

  // Where the question went to a pool.
  base::Counter queue_full;
  base::Counter deadlines;
  base::Counter backend_failures;
  base::Counter changes;

  base::Counter& of(Outcome outcome) { return logins[static_cast<size_t>(outcome)]; }
  base::Counter& of(ResolveOutcome outcome) { return resolves[static_cast<size_t>(outcome)]; }
  OfPenalty& of(PenaltyOf penalty) { return penalties[static_cast<size_t>(penalty)]; }

  void Register(base::MetricRegistry& registry) const;
};

}  // namespace poplar::auth
