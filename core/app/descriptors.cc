#include "core/app/descriptors.h"

#include <sys/resource.h>

#include <algorithm>

#include "core/base/check.h"
#include "core/base/log.h"

namespace poplar::app {
namespace {

constexpr uint64_t kOfTheProcess = 128;  // Listeners, log, user database, admin and HTTP.
constexpr uint64_t kOfAShard = 16;       // Ring, buffers.
constexpr uint64_t kOfAPartition = 8;    // Index, segments being written and laid out, folders.
constexpr uint64_t kPartitionsMin = 16;  // A store may have been made with so many by default.
constexpr uint64_t kOpenFilesMin = 16;
constexpr uint64_t kOpenFilesMax = 512;

uint64_t Reserved(const tenant::Config& config, uint64_t shards, uint64_t open_files_a_shard) {
  const uint64_t partitions = std::max<uint64_t>(config.store.partitions, kPartitionsMin);
  return kOfTheProcess + partitions * kOfAPartition + shards * (kOfAShard + open_files_a_shard);
}

}  // namespace

DescriptorPlan PlanDescriptors(const tenant::Config& config, uint64_t descriptors,
                               uint32_t shards) {
  const uint64_t pop3 = config.pop3.connections_max;
  const uint64_t lmtp = config.lmtp.connections_max;
  const uint64_t open_files = std::clamp(descriptors / 4 / shards, kOpenFilesMin, kOpenFilesMax);
  const uint64_t reserved = Reserved(config, shards, open_files);
  const uint64_t rest = descriptors > reserved ? descriptors - reserved : 0;
  const uint64_t connections = rest / 5 * 4;

  DescriptorPlan plan;
  plan.open_files_a_shard = static_cast<uint32_t>(open_files);
  plan.descriptors_wanted = Reserved(config, shards, kOpenFilesMax) + (pop3 + lmtp + 3) / 4 * 5;
  // LMTP: what POP3 leaves over, or a quarter.
  const uint64_t left_by_pop3 = connections > pop3 ? connections - pop3 : 0;
  const uint64_t for_lmtp = std::min(lmtp, std::max(left_by_pop3, connections / 4));
  const uint64_t for_pop3 = std::min(pop3, connections - for_lmtp);
  plan.lmtp_connections_max = static_cast<uint32_t>(std::max<uint64_t>(1, for_lmtp));
  plan.pop3_connections_max = static_cast<uint32_t>(std::max<uint64_t>(1, for_pop3));
  return plan;
}

DescriptorPlan PlanForThisProcess(const tenant::Config& config, uint32_t shards) {
  rlimit limit{};
  POP_CHECK(getrlimit(RLIMIT_NOFILE, &limit) == 0);
  return PlanDescriptors(config, limit.rlim_cur, shards);
}

tenant::Config DescriptorLimits::Apply(tenant::Config config, uint32_t shards) {
  const DescriptorPlan plan = PlanForThisProcess(config, shards);
  const bool narrows = plan.pop3_connections_max < config.pop3.connections_max ||
                       plan.lmtp_connections_max < config.lmtp.connections_max;
  if (narrows && told_ != plan) {
    base::Log(base::LogLevel::kWarning, "descriptor_limit",
              {{"wanted", plan.descriptors_wanted},
               {"pop3_connections_max", plan.pop3_connections_max},
               {"lmtp_connections_max", plan.lmtp_connections_max},
               {"mend", "raise RLIMIT_NOFILE (systemd: LimitNOFILE=), or lower connections_max"}});
  }
  told_ = narrows ? std::optional(plan) : std::nullopt;
  config.pop3.connections_max = plan.pop3_connections_max;
  config.lmtp.connections_max = plan.lmtp_connections_max;
  return config;
}

}  // namespace poplar::app
