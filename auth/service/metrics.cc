#include "auth/service/metrics.h"

#include <string>

namespace poplar::auth {
namespace {

constexpr std::array<const char*, AuthMetrics::kOutcomes> kOutcomeNames = {
    "ok", "refused", "disabled", "throttled", "temporary", "unsupported"};
constexpr std::array<const char*, AuthMetrics::kResolveOutcomes> kResolveOutcomeNames = {
    "found", "unknown", "disabled", "temporary"};

}  // namespace

void AuthMetrics::Register(base::MetricRegistry& registry) const {
  for (size_t i = 0; i < kOutcomes; ++i) {
    registry.Add(logins[i], "poplar_auth_logins_total", "Log-ins by outcome.",
                 {{"outcome", kOutcomeNames[i]}});
  }
  for (size_t i = 0; i < kResolveOutcomes; ++i) {
    registry.Add(resolves[i], "poplar_auth_resolves_total", "Addresses looked up, by outcome.",
                 {{"outcome", kResolveOutcomeNames[i]}});
  }
  registry.Add(resolve_cache_hits, "poplar_auth_resolve_cache_hits_total",
               "Addresses found in the cache.");
  for (size_t i = 0; i < kPenalties; ++i) {
    const std::string by(Name(static_cast<PenaltyOf>(i)));
    registry.Add(penalties[i].delayed, "poplar_auth_delayed_total",
                 "Log-ins that waited for a penalty, by what has failed so often.", {{"by", by}});
    registry.Add(penalties[i].begun, "poplar_auth_penalties_total",
                 "Penalties that began, by what has failed so often.", {{"by", by}});
  }
  registry.Add(repeated_failures, "poplar_auth_repeated_failures_total",
               "Wrong passwords that had been counted before.");
  registry.Add(waiting, "poplar_auth_delayed", "Log-ins that wait so now.");
  registry.Add(delayed_refused, "poplar_auth_delays_cut_total",
               "Log-ins that did not wait to the end.", {{"cut", "no_room"}});
  registry.Add(delayed_left, "poplar_auth_delays_cut_total",
               "Log-ins that did not wait to the end.", {{"cut", "client_left"}});
  registry.Add(cache_hits, "poplar_auth_cache_hits_total", "Log-ins answered from the cache.");
  registry.Add(cache_misses, "poplar_auth_cache_misses_total",
               "Log-ins that the cache could not answer.");
  registry.Add(standby_logins, "poplar_auth_standby_logins_total",
               "Log-ins let in as they were right before, while their back ends cannot be asked.");
  registry.Add(cache_entries, "poplar_auth_cache_entries", "Log-ins in the cache.");
  registry.Add(coalesced, "poplar_auth_coalesced_total",
               "Log-ins that shared the computation of another one under way.");
  registry.Add(verify_us, 1e-6, "poplar_auth_verify_seconds",
               "Time of a password's verification by the back ends, without the queue.");
  registry.Add(queue_full, "poplar_auth_queue_full_total",
               "Questions refused because a pool's queue was full.");
  registry.Add(deadlines, "poplar_auth_deadlines_total",
               "Questions that no back end answered in time.");
  registry.Add(backend_failures, "poplar_auth_backend_failures_total",
               "Questions that a back end could not answer.");
  registry.Add(changes, "poplar_auth_changes_total",
               "Changed log-ins, and tenants, whose cached answers were dropped.");
}

}  // namespace poplar::auth
