#include "storage/engine/stats.h"

#include <atomic>

#include "tests/unit/storage/store_fixture.h"

namespace poplar::storage {
namespace {

class StatsTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(fixture_.Create(folder_.path(), 2).ok());
    ASSERT_TRUE(fixture_.Open(SmallStoreOptions(folder_.path())).ok());
    for (uint64_t i = 0; i < 20; ++i) {
      fixture_.MustDeliver(0, Key(i % 2 == 0 ? "alice" : "bob"), MakeMessage(i, 2000));
    }
    fixture_.MustDeliver(0, Key("alice"), MakeMessage(20, 2 * kMiB));
    OpenResult opened = fixture_.OpenMaildrop(0, Key("bob"));
    ASSERT_EQ(opened.outcome, OpenOutcome::kOpen);
    ASSERT_EQ(fixture_.Commit(0, std::move(opened.maildrop), {0, 1}), CommitOutcome::kDone);
  }

  void ExpectCounts(const StoreStats& stats) {
    const PartitionStats total = stats.Total();
    EXPECT_EQ(stats.partitions.size(), 2U);
    EXPECT_EQ(total.index.maildrops, 2U);
    EXPECT_EQ(total.index.messages, 19U);
    EXPECT_EQ(total.index.blobs, 1U);
    EXPECT_GT(total.index.octets, 2 * kMiB);
    EXPECT_GT(total.index.file_bytes, 0U);
    ExpectSegments(total);
  }
  // 18 records of about 2000 octets, and one that names a blob.
  void ExpectSegments(const PartitionStats& total) {
    EXPECT_GE(total.segments, 1U);
    EXPECT_GT(total.live_bytes, 18 * 1900U);
    EXPECT_LT(total.live_bytes, 18 * 2300U);
    EXPECT_EQ(total.segment_bytes, total.segments * 2 * kMiB);
    // A segment is written as far as its batches go, each of whole blocks: three or four messages
    // fill two or three, one alone fills one.
    EXPECT_GT(total.written_bytes, total.live_bytes);
    EXPECT_LT(total.written_bytes, total.segment_bytes / 4);
    EXPECT_GT(total.dead_share(), 0.05);
    EXPECT_LT(total.dead_share(), 0.75);
  }

  TemporaryFolder folder_;
  StoreFixture fixture_{2};
};

TEST_F(StatsTest, OfAnOpenStore) {
  const auto stats = fixture_.store().Stats();
  ASSERT_TRUE(stats.ok()) << stats.status();
  EXPECT_TRUE(stats->open);
  ExpectSegments(stats->Total());  // Messages as of the last checkpoint.
  EXPECT_EQ(ReadStoreStats({.path = folder_.path()}).status().code(),
            StatusCode::kFailedPrecondition);
}

TEST_F(StatsTest, OfAStoreThatNobodyServes) {
  ASSERT_TRUE(fixture_.Close().ok());
  const auto before = ContentsOf(folder_.path());
  const auto stats = ReadStoreStats({.path = folder_.path()});
  ASSERT_TRUE(stats.ok()) << stats.status();
  EXPECT_FALSE(stats->open);
  ExpectCounts(*stats);
  EXPECT_TRUE(ContentsOf(folder_.path()) == before);
  // An open one after a checkpoint says the same.
  ASSERT_TRUE(fixture_.Open(SmallStoreOptions(folder_.path())).ok());
  const auto open = fixture_.store().Stats();
  ASSERT_TRUE(open.ok());
  EXPECT_EQ(open->Total().index.messages, 19U);
  EXPECT_EQ(open->Total().live_bytes, stats->Total().live_bytes);
  EXPECT_TRUE(Eventually([&] { return fixture_.Metric("poplar_store_log_laid_out_bytes") > 0; }));
}

TEST_F(StatsTest, WhatStandsBehindTheCheckpointIsTold) {
  const auto open = fixture_.store().Stats();
  ASSERT_TRUE(open.ok());
  const uint64_t behind_bytes = open->Total().log_behind_bytes;
  EXPECT_GT(behind_bytes, 18 * 2000U);
  const std::atomic<bool> go_on{false};
  const TemporaryFolder copies;
  const std::string copy = copies.path() + "/copy";
  ASSERT_TRUE(fixture_.store().Snapshot(copy, go_on).ok());
  ASSERT_TRUE(fixture_.Close().ok());
  const auto stats = ReadStoreStats({.path = copy});
  ASSERT_TRUE(stats.ok()) << stats.status();
  EXPECT_LT(stats->Total().index.messages, 19U);
  EXPECT_EQ(stats->Total().log_behind_bytes, behind_bytes);
  const auto closed = ReadStoreStats({.path = folder_.path()});
  ASSERT_TRUE(closed.ok());
  EXPECT_EQ(closed->Total().log_behind_bytes, 0U);
}

TEST_F(StatsTest, OfAStoreThatNeverServed) {
  TemporaryFolder fresh;
  ASSERT_TRUE(fixture_.Create(fresh.path(), 3).ok());
  const auto stats = ReadStoreStats({.path = fresh.path()});
  ASSERT_TRUE(stats.ok()) << stats.status();
  EXPECT_EQ(stats->partitions.size(), 3U);
  EXPECT_EQ(stats->Total().segments, 0U);
  EXPECT_EQ(stats->Total().dead_share(), 0);
  EXPECT_EQ(ReadStoreStats({.path = fresh.path() + "/nothing"}).status().code(),
            StatusCode::kNotFound);
}

}  // namespace
}  // namespace poplar::storage
