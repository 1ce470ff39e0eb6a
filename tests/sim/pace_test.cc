// What works in the background keeps within what it may take, by the clock.

#include <cmath>

#include "tests/sim/store_fixture.h"

namespace poplar::sim {
namespace {

using storage::DeliveryOutcome;

// On a disk and clock where each slice of compaction takes a second of CPU time.
class SimCompactionTest : public SimStoreTest {
 protected:
  static constexpr uint32_t kPercent = 2;
  static constexpr uint64_t kHurry = 2;  // Most is dead: it is far behind.
  static constexpr uint64_t kSliceUs = 1'000'000;

  static bool AllButTenths(uint32_t position) { return position % 10 != 0; }

  // With segments of which most is dead.
  void Reopen(uint64_t capacity_bytes) {
    ASSERT_TRUE(world_.Close().ok());
    world_.disk().set_capacity(capacity_bytes);
    world_.clock().set_slice_cpu_us(kSliceUs);
    options_.compact_cpu_percent = kPercent;
    options_.compact_bytes_per_second = 0;
    options_.checkpoint_interval_ms = 1'000;
    ASSERT_TRUE(Open().ok());
  }
  uint64_t Emptied() const { return Metric("poplar_store_compacted_segments_total"); }
};

TEST_F(SimCompactionTest, TakesNoMoreOfACoreThanItMay) {
  Reopen(UINT64_MAX);
  for (int i = 0; i < 100; ++i) ASSERT_EQ(Deliver(Message(3'000)), DeliveryOutcome::kStored);
  const uint64_t began_us = world_.clock().MonotonicUs();
  ASSERT_EQ(Delete(AllButTenths), storage::CommitOutcome::kDone);
  constexpr uint64_t kSegments = 3;
  world_.StepUntil("compaction", [this] { return Emptied() == kSegments; });
  // The rest after its last group ended in this moment.
  const auto cpu_us = static_cast<uint64_t>(
      std::llround(world_.Metric("poplar_store_compaction_cpu_seconds_total") * 1e6));
  EXPECT_GE(cpu_us, kSegments * 2 * kSliceUs);  // At least a read and a group each.
  EXPECT_GE(world_.clock().MonotonicUs() - began_us, cpu_us * 100 / (kPercent * kHurry));
}

// What it reads and what it writes: each is so much of the whole that without it less time passes.
TEST_F(SimCompactionTest, ReadsAndWritesNoMoreThanItMay) {
  constexpr uint64_t kBytesPerS = 4 * kKiB;
  ASSERT_TRUE(world_.Close().ok());
  options_.compact_cpu_percent = 0;
  options_.compact_bytes_per_second = kBytesPerS;
  options_.checkpoint_interval_ms = 1'000;
  ASSERT_TRUE(Open().ok());
  for (int i = 0; i < 100; ++i) ASSERT_EQ(Deliver(TwoBlocks()), DeliveryOutcome::kStored);
  ASSERT_EQ(Emptied(), 0U);
  const uint64_t began_us = world_.clock().MonotonicUs();
  // Little enough that it does not hurry.
  const auto fifths = [](uint32_t position) { return position % 5 == 0; };
  ASSERT_EQ(Delete(fifths), storage::CommitOutcome::kDone);
  constexpr uint64_t kSegments = 3;
  world_.StepUntil("compaction", [this] { return Emptied() == kSegments; });
  const uint64_t elapsed_us = world_.clock().MonotonicUs() - began_us;
  const uint64_t read = Metric("poplar_store_compaction_read_bytes_total");
  const uint64_t written = Metric("poplar_store_moved_bytes_total");
  EXPECT_GE(read, kSegments * 7 * 7'900);
  EXPECT_GE(written, kSegments * 5 * 7'900);
  EXPECT_GE(elapsed_us, (read + written) * 1'000'000 / kBytesPerS);
  EXPECT_LE(elapsed_us, 3 * (read + written) * 1'000'000 / (2 * kBytesPerS));
}

TEST_F(SimCompactionTest, AFullDiskIsEmptiedWithoutABudget) {
  Reopen(20 * 64 * kKiB);
  const std::string wire = Message(3'000);
  auto outcome = DeliveryOutcome::kStored;
  for (int i = 0; i < 1'000 && outcome == DeliveryOutcome::kStored; ++i) outcome = Deliver(wire);
  ASSERT_EQ(outcome, DeliveryOutcome::kFull);
  ASSERT_EQ(Delete(AllButTenths), storage::CommitOutcome::kDone);
  const uint64_t began_us = world_.clock().MonotonicUs();
  while (outcome != DeliveryOutcome::kStored) {
    // The rest that one segment asks for is longer.
    ASSERT_LT(world_.clock().MonotonicUs() - began_us, 2 * kSliceUs * 100 / (kPercent * kHurry));
    outcome = Deliver(wire);
  }
}

// But then until there is room.
TEST_F(SimCompactionTest, WorksOnlyForAFullDiskWhereItIsOff) {
  options_.compact_by_itself = false;
  Reopen(20 * 64 * kKiB);
  for (int i = 0; i < 100; ++i) ASSERT_EQ(Deliver(Message(3'000)), DeliveryOutcome::kStored);
  ASSERT_EQ(Delete(AllButTenths), storage::CommitOutcome::kDone);
  const uint64_t until_us = world_.clock().MonotonicUs() + 600'000'000;
  world_.StepUntil("ten minutes", [&] { return world_.clock().MonotonicUs() > until_us; });
  EXPECT_EQ(Emptied(), 0U);
  for (int i = 0; i < 1'000 && Emptied() == 0; ++i) (void)Deliver(Message(3'000));
  EXPECT_GT(Emptied(), 0U);
}

class SimScrubTest : public SimStoreTest {
 protected:
  static constexpr uint64_t kBytesPerS = 2 * kKiB;
  static constexpr uint64_t kCatchUpUs = 1'000'000;  // It may make up for so much.

  // What stands in the log by now is sealed.
  void Reopen() {
    ASSERT_TRUE(world_.Close().ok());
    options_.scrub_bytes_per_s = kBytesPerS;
    options_.compact_by_itself = false;  // What it empties is not read.
    ASSERT_TRUE(Open().ok());
    EXPECT_EQ(Scrubbed(), 0U);
  }
  uint64_t Scrubbed() const { return Metric("poplar_store_scrubbed_bytes_total"); }
  static uint64_t TimeFor(uint64_t bytes) { return bytes * 1'000'000 / kBytesPerS - kCatchUpUs; }
};

TEST_F(SimScrubTest, ReadsNoFasterThanItMay) {
  for (int i = 0; i < 40; ++i) ASSERT_EQ(Deliver(TwoBlocks()), DeliveryOutcome::kStored);
  ASSERT_EQ(Deliver(Message(100'000)), DeliveryOutcome::kStored);
  Reopen();
  const uint64_t began_us = world_.clock().MonotonicUs();
  world_.StepUntil("a pass", [this] { return Metric("poplar_store_scrub_passes_total") == 1; });
  EXPECT_GE(Scrubbed(), 40 * 7'900 + 100'000U);
  // The last piece is paid for when the pass has ended.
  const uint64_t paid = Scrubbed() - 100'000;
  EXPECT_GE(world_.clock().MonotonicUs() - began_us, TimeFor(paid));
}

// Many maildrops and little mail: most of what there is to read is the index.
TEST_F(SimScrubTest, RestsForTheIndexToo) {
  constexpr uint64_t kMaildrops = 200;
  for (uint64_t i = 0; i < kMaildrops; ++i) {
    key_.account = "user-" + std::to_string(i);
    ASSERT_EQ(Deliver(Message(100)), DeliveryOutcome::kStored);
  }
  Reopen();
  world_.StepUntil("the index", [this] { return Scrubbed() > 0; });
  const uint64_t index_bytes = Scrubbed();
  const uint64_t read_us = world_.clock().MonotonicUs();
  ASSERT_GE(index_bytes, kMaildrops * 48);
  ASSERT_LT(index_bytes, kMaildrops * 100);
  world_.StepUntil("the first segment", [&] { return Scrubbed() > index_bytes; });
  EXPECT_GE(world_.clock().MonotonicUs() - read_us, TimeFor(index_bytes));
}

}  // namespace
}  // namespace poplar::sim
