// What the process's descriptors are enough for. The configuration may allow more connections than
// RLIMIT_NOFILE grants; those beyond would hang in the kernel's queue and take descriptors from the
// store. So the limits in force are never wider than the system's.

#pragma once

#include <cstdint>
#include <optional>

#include "core/tenant/config.h"

namespace poplar::app {

struct DescriptorPlan {
  // In force; at most the configured ones, at least 1.
  uint32_t pop3_connections_max = 0;
  uint32_t lmtp_connections_max = 0;
  uint32_t open_files_a_shard = 0;  // Segments that the store keeps open.
  // RLIMIT_NOFILE with which the configured limits hold.
  uint64_t descriptors_wanted = 0;

  friend bool operator==(const DescriptorPlan&, const DescriptorPlan&) = default;
};

// Shares `descriptors` out: some for every shard and its segments; of the rest a fifth stays for
// bodies in files of their own while they come and go, and LMTP has a quarter at least: mail that
// cannot come in is worse than a session that must wait.
DescriptorPlan PlanDescriptors(const tenant::Config& config, uint64_t descriptors, uint32_t shards);

// Of this process, whose soft limit is the hard one by now (io::ProbeKernel).
DescriptorPlan PlanForThisProcess(const tenant::Config& config, uint32_t shards);

// Narrows configurations to what this process has descriptors for.
class DescriptorLimits {
 public:
  // The same with the connection limits that are in force. Where they are narrower the log says so,
  // unless it has said the same of the one before.
  tenant::Config Apply(tenant::Config config, uint32_t shards);

 private:
  std::optional<DescriptorPlan> told_;  // Of the last one; nothing: it was not narrowed.
};

}  // namespace poplar::app
