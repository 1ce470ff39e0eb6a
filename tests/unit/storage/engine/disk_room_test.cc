// What is granted of a disk and not yet written counts, whoever asks.

#include "storage/env/disk_room.h"

#include <atomic>
#include <thread>
#include <vector>

#include "tests/support/faulty_env.h"
#include "tests/unit/storage/store_fixture.h"

namespace poplar::storage {
namespace {

class Disk final : public FaultyEnv {
 public:
  explicit Disk(uint64_t free) : free_bytes(free) {}
  StatusOr<uint64_t> FreeBytes(const std::string& /*path*/) override { return free_bytes.load(); }

  std::atomic<uint64_t> free_bytes;
};

TEST(DiskRoomTest, WhatIsGrantedIsNobodyElses) {
  Disk disk(1'000);
  DiskRoom room;
  EXPECT_TRUE(room.Grant(disk, "", 300, 500).ok());
  EXPECT_EQ(room.Grant(disk, "", 300, 201).code(), StatusCode::kResourceExhausted);
  EXPECT_EQ(room.granted_bytes(), 500U) << "a refusal takes nothing";
  EXPECT_TRUE(room.Grant(disk, "", 300, 200).ok());
  // Written: the disk has less, and so has what is granted.
  disk.free_bytes = 600;
  room.GiveBack(400);
  EXPECT_EQ(room.Grant(disk, "", 300, 1).code(), StatusCode::kResourceExhausted);
  room.GiveBack(100);
  EXPECT_TRUE(room.Grant(disk, "", 300, 100).ok());
}

TEST(DiskRoomTest, ManyAtOnceStayAboveTheFloor) {
  Disk disk(100'000);
  DiskRoom room;
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      while (room.Grant(disk, "", 50'000, 7).ok()) {
        disk.free_bytes -= 7;
        room.GiveBack(7);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_GE(disk.free_bytes, 50'000U);
  EXPECT_LT(disk.free_bytes, 51'000U);
  EXPECT_EQ(room.granted_bytes(), 0U);
}

// Each partition can lay out anew what its deletions used.
TEST(ReserveTest, IsASegmentForEachPartitionAndOneMore) {
  StoreOptions options;
  EXPECT_EQ(ReserveBytes(options, 3), 256 * kMiB);
  EXPECT_EQ(ReserveBytes(options, 16), 17 * 64 * kMiB);
  options.segment_bytes = kGiB;
  EXPECT_EQ(ReserveBytes(options, 1), 2 * kGiB);
  options.reserve_bytes = 0;
  EXPECT_EQ(ReserveBytes(options, 16), 0U);
}

TEST(ReserveTest, TheStoreGoesByItsOwnPartitions) {
  TemporaryFolder folder;
  StoreFixture fixture(1);
  ASSERT_TRUE(fixture.Create(folder.path(), 3).ok());
  StoreOptions options = SmallStoreOptions(folder.path());
  options.reserve_bytes = 1;
  ASSERT_TRUE(fixture.Open(options).ok());
  EXPECT_EQ(fixture.Metric("poplar_store_reserve_bytes"), 4.0 * options.segment_bytes);
  EXPECT_TRUE(fixture.Close().ok());
}

}  // namespace
}  // namespace poplar::storage
