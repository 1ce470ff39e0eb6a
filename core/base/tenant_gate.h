// What a tenant uses now, of the whole process: counted in words that all shards share, so that
// limits hold exactly, and touched only when a session comes or goes, or mail comes in or goes out.
// No locks. Any thread.

#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace poplar {

// A rate by the moment at which what was let through would be worked off (the generic cell rate
// algorithm). One word.
class RateGate {
 public:
  // Lets `units` through and returns 0; or returns how many us from now they would be, and lets
  // nothing through. So many as come in `burst_us` may come at once, but at least one. 0 units a
  // minute: no limit.
  uint64_t Take(uint64_t now_us, uint64_t units, uint64_t units_per_minute, uint64_t burst_us) {
    if (units_per_minute == 0) return 0;
    const uint64_t now_ns = now_us * 1'000;
    const uint64_t cost_ns = CostNs(units, units_per_minute);
    uint64_t until_ns = until_ns_.load(std::memory_order_relaxed);
    for (;;) {
      const uint64_t begin_ns = until_ns > now_ns ? until_ns : now_ns;
      const uint64_t ahead_ns = begin_ns - now_ns;
      if (ahead_ns > 0 && ahead_ns + cost_ns > burst_us * 1'000) {
        return (ahead_ns + cost_ns - burst_us * 1'000) / 1'000 + 1;
      }
      if (until_ns_.compare_exchange_weak(until_ns, begin_ns + cost_ns,
                                          std::memory_order_relaxed)) {
        return 0;
      }
    }
  }

  // Counts what has happened already; returns how many us what was counted before is ahead of the
  // rate.
  uint64_t Charge(uint64_t now_us, uint64_t units, uint64_t units_per_minute) {
    if (units_per_minute == 0) return 0;
    const uint64_t now_ns = now_us * 1'000;
    const uint64_t cost_ns = CostNs(units, units_per_minute);
    uint64_t until_ns = until_ns_.load(std::memory_order_relaxed);
    uint64_t begin_ns = 0;
    do {
      begin_ns = until_ns > now_ns ? until_ns : now_ns;
    } while (
        !until_ns_.compare_exchange_weak(until_ns, begin_ns + cost_ns, std::memory_order_relaxed));
    return (begin_ns - now_ns) / 1'000;
  }

  // How many us what was counted is ahead of the rate.
  uint64_t AheadUs(uint64_t now_us) const {
    const uint64_t now_ns = now_us * 1'000;
    const uint64_t until_ns = until_ns_.load(std::memory_order_relaxed);
    return until_ns > now_ns ? (until_ns - now_ns) / 1'000 : 0;
  }

  // Of what was charged so many units will not happen after all.
  void GiveBack(uint64_t units, uint64_t units_per_minute) {
    if (units_per_minute == 0) return;
    const uint64_t cost_ns = CostNs(units, units_per_minute);
    uint64_t until_ns = until_ns_.load(std::memory_order_relaxed);
    while (!until_ns_.compare_exchange_weak(until_ns, until_ns > cost_ns ? until_ns - cost_ns : 0,
                                            std::memory_order_relaxed)) {
    }
  }

  // What was counted at another rate says nothing about a new one.
  void Forget() { until_ns_.store(0, std::memory_order_relaxed); }

 private:
  // Octets of a large message times nanoseconds need more than 64 bits.
  static uint64_t CostNs(uint64_t units, uint64_t units_per_minute) {
    constexpr double kMinuteNs = 6e10;
    return static_cast<uint64_t>(static_cast<double>(units) * kMinuteNs /
                                 static_cast<double>(units_per_minute));
  }

  std::atomic<uint64_t> until_ns_{0};
};

// What a tenant did in this run of the server; who reads it takes differences.
struct TenantUsage {
  std::atomic<uint64_t> sessions{0};
  std::atomic<uint64_t> messages_in{0};
  std::atomic<uint64_t> octets_in{0};
  std::atomic<uint64_t> messages_out{0};
  std::atomic<uint64_t> octets_out{0};
};

// Settings of a tenant that turn its users or its mail away.
enum class TenantLimit : uint8_t {
  kTls,
  kTls13,
  kMechanisms,
  kLoginDelay,
  kLogins,
  kSessions,
  kSessionsPerAddress,
  kDeliveries,
};
// By TenantLimit, as files and commands call them.
inline constexpr std::array<std::string_view, 8> kTenantLimitNames = {"require_tls",
                                                                      "require_tls13",
                                                                      "mechanisms",
                                                                      "login_delay_s",
                                                                      "logins_per_minute",
                                                                      "sessions_max",
                                                                      "sessions_per_address_max",
                                                                      "deliveries_per_minute"};
inline constexpr size_t kTenantLimits = kTenantLimitNames.size();

struct TenantGate {
  std::atomic<uint32_t> sessions{0};
  RateGate logins;
  RateGate deliveries;
  RateGate egress;
  // Those who wait for it, by when the last of them goes on.
  RateGate egress_queue;
  // What it goes by: that of the policy in force, for sessions that are there, too, or one would
  // count at one rate what others wait for at another. 0: no limit.
  std::atomic<uint32_t> egress_kib_per_s{0};
  TenantUsage usage;
  // What was turned away, by TenantLimit.
  std::array<std::atomic<uint64_t>, kTenantLimits> refused{};

  void CountRefused(TenantLimit limit) {
    refused[static_cast<size_t>(limit)].fetch_add(1, std::memory_order_relaxed);
  }
};

}  // namespace poplar
