#include "core/app/descriptors.h"

#include <gtest/gtest.h>

namespace poplar::app {
namespace {

tenant::Config ConfigOf(uint32_t pop3, uint32_t lmtp) {
  tenant::Config config;
  config.pop3.connections_max = pop3;
  config.lmtp.connections_max = lmtp;
  return config;
}

TEST(DescriptorPlanTest, WhereThereAreEnoughTheConfigurationHolds) {
  const tenant::Config config = ConfigOf(20'000, 1000);
  const uint64_t wanted = PlanDescriptors(config, 1'000'000, 4).descriptors_wanted;
  EXPECT_GT(wanted, 21'000U + 4 * 512);
  for (const uint64_t descriptors : {wanted, uint64_t{1'000'000}}) {
    const DescriptorPlan plan = PlanDescriptors(config, descriptors, 4);
    EXPECT_EQ(plan.pop3_connections_max, 20'000U);
    EXPECT_EQ(plan.lmtp_connections_max, 1000U);
    EXPECT_EQ(plan.open_files_a_shard, 512U);
  }
  EXPECT_LT(PlanDescriptors(config, wanted - 10, 4).pop3_connections_max, 20'000U);
}

TEST(DescriptorPlanTest, NeverMoreThanThereAre) {
  for (const uint64_t descriptors : {1024, 2000, 20'000, 65'536}) {
    for (const uint32_t shards : {1, 2, 16, 64}) {
      const DescriptorPlan plan = PlanDescriptors(ConfigOf(100'000, 1000), descriptors, shards);
      EXPECT_GE(plan.pop3_connections_max, 1U);
      EXPECT_GE(plan.lmtp_connections_max, 1U);
      if (uint64_t{shards} * 64 > descriptors) continue;  // Even shards alone are too many.
      EXPECT_LE(plan.pop3_connections_max + plan.lmtp_connections_max +
                    uint64_t{shards} * plan.open_files_a_shard,
                descriptors)
          << descriptors << ' ' << shards;
    }
  }
}

TEST(DescriptorPlanTest, MailComesInWhereThereAreFew) {
  const DescriptorPlan plan = PlanDescriptors(ConfigOf(20'000, 1000), 1024, 2);
  EXPECT_EQ(plan.lmtp_connections_max, plan.pop3_connections_max / 3);
  EXPECT_GT(plan.lmtp_connections_max, 50U);
}

}  // namespace
}  // namespace poplar::app
