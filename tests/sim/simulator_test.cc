// A seed replays exactly: whatever a life does, it does again.

#include "tests/sim/simulator.h"

#include <gtest/gtest.h>

#include <set>

#include "core/base/log.h"

namespace poplar::sim {
namespace {

class SimulatorTest : public ::testing::Test {
 protected:
  void SetUp() override { base::StartLog({.level = base::LogLevel::kNone}); }
  void TearDown() override { base::StopLog(); }
};

TEST_F(SimulatorTest, ASeedReplaysExactly) {
  std::set<uint64_t> hashes;
  for (const uint64_t seed : {8, 11, 24, 101}) {  // 8 and 24 damage the disk.
    const SimulatorResult first = Simulator({.seed = seed}).Run();
    const SimulatorResult again = Simulator({.seed = seed}).Run();
    EXPECT_EQ(first.trace_hash, again.trace_hash) << seed;
    EXPECT_EQ(first.steps, again.steps) << seed;
    EXPECT_GT(first.steps, 1000U);
    hashes.insert(first.trace_hash);
  }
  EXPECT_EQ(hashes.size(), 4U);
}

// So a failure names both (main.cc, Simulator::Broken).
TEST_F(SimulatorTest, WithoutLeapsASeedIsAnotherLifeThatReplaysAsExactly) {
  constexpr uint64_t kSeed = 4;
  const SimulatorResult first = Simulator({.seed = kSeed, .leaps = false}).Run();
  const SimulatorResult again = Simulator({.seed = kSeed, .leaps = false}).Run();
  EXPECT_EQ(first.trace_hash, again.trace_hash);
  EXPECT_NE(first.trace_hash, Simulator({.seed = kSeed}).Run().trace_hash);
}

// What a few lives together do: a simulator that meets nothing finds nothing.
TEST_F(SimulatorTest, LivesMeetWhatTheyAreMeantTo) {
  constexpr uint64_t kLives = 60;
  SimulatorResult sum;
  for (uint64_t seed = 1; seed <= kLives; ++seed) {
    const SimulatorResult life = Simulator({.seed = seed}).Run();
    sum.runs += life.runs;
    sum.cuts += life.cuts;
    sum.faults += life.faults;
    sum.damages += life.damages;
    sum.lost_indexes += life.lost_indexes;
    sum.snapshots += life.snapshots;
    sum.expired += life.expired;
    sum.purged += life.purged;
    sum.scrub_finds += life.scrub_finds;
    sum.damaged_lists += life.damaged_lists;
    sum.clients.over_quota += life.clients.over_quota;
    sum.clients.restored += life.clients.restored;
    sum.clients.imported += life.clients.imported;
    sum.clients.already_there += life.clients.already_there;
    sum.clients.stored += life.clients.stored;
    sum.clients.refused += life.clients.refused;
    sum.clients.in_use += life.clients.in_use;
    sum.clients.bodies += life.clients.bodies;
    sum.clients.commits += life.clients.commits;
    sum.clients.doubtful_commits += life.clients.doubtful_commits;
    sum.clients.removals += life.clients.removals;
  }
  EXPECT_GT(sum.runs, kLives);
  for (const uint64_t count : {sum.cuts,
                               sum.faults,
                               sum.damages,
                               sum.lost_indexes,
                               sum.snapshots,
                               sum.expired,
                               sum.purged,
                               sum.scrub_finds,
                               sum.damaged_lists,

                               sum.clients.over_quota,
                               sum.clients.restored,
                               sum.clients.imported,
                               sum.clients.already_there,
                               sum.clients.stored,
                               sum.clients.refused,
                               sum.clients.in_use,
                               sum.clients.bodies,
                               sum.clients.commits,
                               sum.clients.doubtful_commits,
                               sum.clients.removals}) {
    EXPECT_GT(count, 0U);
  }
}

}  // namespace
}  // namespace poplar::sim
