// A full disk whose space something else holds: what is kept back is left for deletions.

#include <memory>

#include "tests/sim/store_fixture.h"

namespace poplar::sim {
namespace {

using storage::CommitOutcome;
using storage::DeliveryOutcome;

class SimFullDiskTest : public SimStoreTest {
 protected:
  static constexpr uint64_t kReserveBytes = 512 * kKiB;

  void SetUp() override {
    SimStoreTest::SetUp();
    ASSERT_TRUE(world_.Close().ok());
    options_.reserve_bytes = kReserveBytes;
    options_.checkpoint_interval_ms = 1'000;
    capacity_bytes_ = world_.disk().used_bytes() + kReserveBytes + 20 * options_.segment_bytes;
    world_.disk().set_capacity(capacity_bytes_);
    ASSERT_TRUE(Open().ok());
  }
  void TearDown() override {
    world_.disk().set_capacity(UINT64_MAX);
    SimStoreTest::TearDown();
  }

  void Fill() {
    while (Deliver(TwoBlocks()) == DeliveryOutcome::kStored) ++messages_;
    ASSERT_GT(messages_, 100U);
  }
  // But for one segment's worth: the index grows.
  void ExpectReserve(uint64_t bytes) {
    EXPECT_GE(capacity_bytes_ - world_.disk().used_bytes() + options_.segment_bytes, bytes);
  }
  // Of what is there.
  void DeleteEach(uint32_t nth) {
    ASSERT_EQ(Delete([nth](uint32_t position) { return position % nth == 0; }),
              CommitOutcome::kDone);
  }
  std::unique_ptr<storage::OpenResult> BeginSession() {
    auto session = std::make_unique<storage::OpenResult>();
    const auto open = [](storage::ShardStore* store, storage::MaildropKey key,
                         storage::OpenResult* result) -> io::Task<void> {
      io::Completion<storage::OpenResult> opened;
      store->OpenToRead(std::move(key), opened);
      *result = co_await opened;
    };
    Begin(open(&world_.StoreOn(ShardIndex(0)), key_, session.get()));
    Settle();
    EXPECT_EQ(session->outcome, storage::OpenOutcome::kOpen);
    return session;
  }
  void EndSession(storage::OpenResult& session) {
    world_.shards().RunOn(ShardIndex(0), [&](io::Shard&) { session.maildrop.reset(); });
  }
  storage::CommitOutcome DeleteOne(uint32_t which) {
    return Delete([which](uint32_t position) { return position == which; });
  }
  // Until the disk is full.
  void ReopenWithoutCompaction() {
    ASSERT_TRUE(world_.Close().ok());
    options_.compact_by_itself = false;
    ASSERT_TRUE(Open().ok());
  }
  // With something else; checkpoints still find room.
  void FillDisk() {
    world_.disk().set_capacity(world_.disk().used_bytes() + options_.segment_bytes / 2);
  }
  void PassTime(uint64_t seconds) {
    const uint64_t until_us = world_.clock().MonotonicUs() + seconds * 1'000'000;
    world_.StepUntil("time", [&] { return world_.clock().MonotonicUs() >= until_us; });
  }
  void ExpectRoomAgain() {
    for (int i = 0; Deliver(TwoBlocks()) != DeliveryOutcome::kStored; ++i) {
      ASSERT_LT(i, 100) << "a disk that was emptied takes no mail";
      PassTime(1);
    }
  }

  uint64_t capacity_bytes_ = 0;
  uint64_t messages_ = 0;
};

TEST_F(SimFullDiskTest, WhatASnapshotHoldsIsNotMoved) {
  Fill();
  PassTime(3);  // Whoever looked for links found none.
  ASSERT_TRUE(world_.Snapshot("/snapshot").ok());
  for (const uint32_t nth : {2U, 3U}) {
    DeleteEach(nth);
    PassTime(60);
    ExpectReserve(kReserveBytes);
  }
  EXPECT_GT(Metric("poplar_store_snapshot_held_bytes"), 10 * options_.segment_bytes);
  // A start finds what it needs.
  EndBy(&SimDisk::Kill);
  ASSERT_TRUE(Open().ok());
  DeleteEach(2);
  ASSERT_TRUE(storage::RemoveTree(world_.disk(), "/snapshot").ok());
  ExpectRoomAgain();
  EXPECT_EQ(Metric("poplar_store_snapshot_held_bytes"), 0U);
}

// Of the first dead segment deletions must be carried on, and there is no room for a single octet.
TEST_F(SimFullDiskTest, WhatCannotBeCarriedHoldsUpNoOther) {
  ReopenWithoutCompaction();
  const std::string small = Message(100);
  const auto deliver = [this](uint32_t count, const std::string& wire) {
    for (uint32_t i = 0; i < count; ++i) ASSERT_EQ(Deliver(wire), DeliveryOutcome::kStored);
  };
  deliver(5, TwoBlocks());  // These stay, and so does their segment.
  deliver(4, small);
  for (int i = 0; i < 4; ++i) ASSERT_EQ(DeleteOne(5), CommitOutcome::kDone);
  deliver(12, TwoBlocks());  // Behind the deletions, and in the next segment.
  deliver(60, small);
  ASSERT_EQ(Delete([](uint32_t position) { return position >= 5 && position < 17; }),
            CommitOutcome::kDone);
  PassTime(3);
  ASSERT_TRUE(world_.Snapshot("/snapshot").ok());  // Nothing goes before all is full.
  FillDisk();
  uint32_t deleted = 0;
  while (DeleteOne(5) == CommitOutcome::kDone) ASSERT_LT(++deleted, 60U);
  const uint64_t unlinked = Metric("poplar_store_unlinked_segments_total");
  ASSERT_TRUE(storage::RemoveTree(world_.disk(), "/snapshot").ok());
  FillDisk();
  PassTime(60);
  EXPECT_GT(Metric("poplar_store_unlinked_segments_total"), unlinked);
}

// Nothing that was emptied goes while the session is there.
TEST_F(SimFullDiskTest, WhatASessionHoldsCostsLittle) {
  Fill();
  const auto session = BeginSession();
  for (const uint32_t nth : {2U, 3U}) {
    DeleteEach(nth);
    PassTime(60);
    ExpectReserve(kReserveBytes - options_.segment_bytes);
  }
  EndSession(*session);
  ExpectRoomAgain();
}

// What came after the session began is not its own, and what is dead needs no room to go.
TEST_F(SimFullDiskTest, WhatASessionHoldsHoldsUpNoOther) {
  const auto all = [](uint32_t) { return true; };
  for (int i = 0; i < 40; ++i) ASSERT_EQ(Deliver(TwoBlocks()), DeliveryOutcome::kStored);
  const auto session = BeginSession();
  ASSERT_EQ(Delete(all), CommitOutcome::kDone);
  world_.StepUntil("compaction",
                   [this] { return Metric("poplar_store_compacted_segments_total") > 3; });
  EXPECT_EQ(Metric("poplar_store_unlinked_segments_total"), 0U);
  while (Deliver(TwoBlocks()) == DeliveryOutcome::kStored) {
  }
  ASSERT_EQ(Delete(all), CommitOutcome::kDone);
  PassTime(60);
  EXPECT_GT(Metric("poplar_store_unlinked_segments_total"), 5U);
  ExpectRoomAgain();
  EndSession(*session);
}

}  // namespace
}  // namespace poplar::sim
