// The log on a full disk: who may use what is left of what is laid out.

#include "storage/segment/log.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <semaphore>
#include <string>
#include <utility>

#include "core/base/clock.h"
#include "core/base/units.h"
#include "core/io/offload_pool.h"
#include "core/io/shard.h"
#include "tests/support/faulty_env.h"

namespace poplar::storage {
namespace {

class LogTest : public testing::Test, private Log::Listener {
 protected:
  static constexpr uint64_t kSegmentBytes = 64 * kKiB;

  void SetUp() override {
    directory_ = std::filesystem::temp_directory_path() / "poplar-XXXXXX";
    ASSERT_NE(::mkdtemp(directory_.data()), nullptr);
    io::ShardSetOptions one;
    one.count = 1;
    one.pin = false;
    auto started = io::ShardSet::Start(one);
    ASSERT_TRUE(started.ok()) << started.status();
    shards_ = std::move(*started);
    io::OffloadPoolOptions disk;
    disk.name = "disk";
    disk.threads = 1;
    disk_ = std::make_unique<io::OffloadPool>(disk);
    LogStart start;
    start.active = LayOut(1);
    start.reserve = LayOut(2);
    start.next_segment = 3;
    env_.full = true;
    LogOptions options;
    options.env = &env_;
    options.directory = directory_;
    options.segment_bytes = kSegmentBytes;
    options.clock = &base::SystemClock();
    OnShard([&](io::Shard& shard) {
      log_ = std::make_unique<Log>(options, std::move(start), shard.reactor(), *disk_,
                                   static_cast<Log::Listener&>(*this));
    });
  }
  void TearDown() override {
    OnShard([&](io::Shard&) { log_->BeginClose(); });
    for (bool idle = false; !idle;) OnShard([&](io::Shard&) { idle = log_->idle(); });
    OnShard([&](io::Shard&) { log_.reset(); });
    disk_.reset();
    shards_.reset();
    std::filesystem::remove_all(directory_);
  }

  AppendOutcome Append(LogRoom room) {
    struct OneBlock final : LogAppend {
      void Appended(AppendOutcome how, Lsn) override {
        outcome = how;
        done.release();
      }
      AppendOutcome outcome = AppendOutcome::kUnknown;
      std::binary_semaphore done{0};
    } append;
    const std::string body(3'000, 'x');
    append.record.kind = RecordKind::kExpunge;
    append.record.account = "alice";
    append.record.body = body;
    append.record.body_bytes = static_cast<uint32_t>(body.size());
    append.room = room;
    OnShard([&](io::Shard&) { log_->Append(append); });
    append.done.acquire();
    return append.outcome;
  }
  uint64_t RoomBytes() {
    uint64_t bytes = 0;
    OnShard([&](io::Shard&) { bytes = log_->room_bytes(); });
    return bytes;
  }
  uint64_t MarginBytes() const { return log_->margin_bytes(); }

 private:
  OpenSegment LayOut(uint32_t number) {
    SegmentLayout layout;
    layout.env = &env_;
    layout.directory = directory_;
    layout.head.number = number;
    layout.head.bytes = kSegmentBytes;
    const std::atomic<bool> hurry{true};
    return LayOutSegment(layout, hurry).value();
  }
  template <class Step>
  void OnShard(const Step& step) {
    shards_->RunOn(ShardIndex(0), [&](io::Shard& shard) { step(shard); });
  }
  void SegmentBegun(const SegmentHead&) override {}
  void SegmentEnded(uint32_t, uint32_t) override {}

  FaultyEnv env_;
  std::string directory_;
  std::unique_ptr<io::ShardSet> shards_;
  std::unique_ptr<io::OffloadPool> disk_;
  std::unique_ptr<Log> log_;
};

TEST_F(LogTest, WhatIsMovedLeavesAMarginToDeletions) {
  while (Append(LogRoom::kOrdinary) == AppendOutcome::kDurable) {
  }
  EXPECT_GE(RoomBytes(), kSegmentBytes - kFirstBatchOffset);  // The reserve.
  while (Append(LogRoom::kReserve) == AppendOutcome::kDurable) {
  }
  EXPECT_GE(RoomBytes(), MarginBytes());
  EXPECT_LT(RoomBytes(), MarginBytes() + kBlockBytes);
  EXPECT_EQ(Append(LogRoom::kReserve), AppendOutcome::kFull);
  while (Append(LogRoom::kLast) == AppendOutcome::kDurable) {
  }
  EXPECT_LT(RoomBytes(), kBlockBytes);
}

}  // namespace
}  // namespace poplar::storage
