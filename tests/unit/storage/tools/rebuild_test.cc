#include "storage/tools/rebuild.h"

#include <cstring>
#include <filesystem>
#include <fstream>

#include "storage/engine/stats.h"
#include "storage/format/checksum.h"
#include "storage/format/segment_format.h"
#include "storage/tools/verify.h"
#include "tests/support/faulty_env.h"
#include "tests/unit/storage/store_fixture.h"

namespace poplar::storage {
namespace {

namespace fs = std::filesystem;

class RebuildTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(fixture_.Create(folder_.path(), 2).ok());
    ASSERT_TRUE(fixture_.Open(SmallStoreOptions(folder_.path())).ok());
    for (uint64_t i = 0; i < 200; ++i) {
      fixture_.MustDeliver(0, Key(Account(i)), MakeMessage(i, 300));
    }
    fixture_.MustDeliver(0, Key("box-0"), MakeMessage(901, 2 * kMiB));
    for (uint64_t box = 0; box < 5; ++box) {
      OpenResult opened = fixture_.OpenMaildrop(0, Key(Account(box)));
      ASSERT_EQ(opened.outcome, OpenOutcome::kOpen);
      ASSERT_EQ(fixture_.Commit(0, std::move(opened.maildrop), {0, 3, 4}), CommitOutcome::kDone);
    }
    ASSERT_TRUE(fixture_.Remove(0, Key("box-7")).ok());
    // Deletions and deliveries of a second run.
    ASSERT_TRUE(fixture_.Close().ok());
    ASSERT_TRUE(fixture_.Open(SmallStoreOptions(folder_.path())).ok());
    fixture_.MustDeliver(0, Key("box-7"), MakeMessage(777, 300));
    OpenResult opened = fixture_.OpenMaildrop(0, Key("box-9"));
    ASSERT_EQ(opened.outcome, OpenOutcome::kOpen);
    ASSERT_EQ(fixture_.Commit(0, std::move(opened.maildrop), {1}), CommitOutcome::kDone);
    Remember();
    ASSERT_TRUE(fixture_.Close().ok());
  }

  static std::string Account(uint64_t i) { return "box-" + std::to_string(i % 10); }

  void Remember() {
    for (uint64_t box = 0; box < 10; ++box) {
      lists_.push_back(fixture_.List(0, Key(Account(box))));
      totals_.push_back(*fixture_.Totals(0, Key(Account(box))));
    }
  }
  void ExpectTheSame() {
    ASSERT_TRUE(fixture_.Open(SmallStoreOptions(folder_.path())).ok());
    for (uint64_t box = 0; box < 10; ++box) {
      EXPECT_EQ(fixture_.List(0, Key(Account(box))), lists_[box]) << box;
      const auto totals = fixture_.Totals(0, Key(Account(box)));
      ASSERT_TRUE(totals.ok());
      EXPECT_EQ(totals->messages, totals_[box].messages);
      EXPECT_EQ(totals->octets, totals_[box].octets);
      EXPECT_EQ(totals->wire_bytes, totals_[box].wire_bytes);
    }
    EXPECT_EQ(fixture_.Metric("poplar_store_damages_total"), 0);
    ASSERT_TRUE(fixture_.Close().ok());
  }

  RebuildOptions Options() {
    RebuildOptions options;
    options.path = folder_.path();
    options.index_map_bytes = kGiB;
    return options;
  }
  uint64_t Damages() {
    VerifyOptions options;
    options.path = folder_.path();
    const auto report = VerifyStore(options);
    EXPECT_TRUE(report.ok()) << report.status();
    return report.ok() ? report->damages : ~uint64_t{0};
  }

  TemporaryFolder folder_;
  StoreFixture fixture_{1};
  std::vector<std::vector<Listed>> lists_;
  std::vector<MaildropTotals> totals_;
};

TEST_F(RebuildTest, MakesTheSameIndexFromTheLogAlone) {
  RebuildOptions options = Options();
  uint64_t read = 0, total = 0;
  options.on_progress = [&](uint32_t, uint64_t bytes_read, uint64_t bytes_total) {
    read = bytes_read;
    total = bytes_total;
  };
  StatsOptions stats;
  stats.path = folder_.path();
  const auto before = ReadStoreStats(stats);
  ASSERT_TRUE(before.ok()) << before.status();
  const auto rebuilt = RebuildIndexes(options);
  ASSERT_TRUE(rebuilt.ok()) << rebuilt.status();
  ASSERT_EQ(rebuilt->size(), 2U);
  uint64_t messages = 0;
  for (const RebuiltIndex& index : *rebuilt) {
    const PartitionStats& was = before->partitions[index.partition];
    EXPECT_EQ(index.after.messages, was.index.messages);
    EXPECT_EQ(index.after.maildrops, was.index.maildrops);
    EXPECT_EQ(index.after.octets, was.index.octets);
    EXPECT_EQ(index.after.blobs, was.index.blobs);
    messages += index.after.messages;
    EXPECT_EQ(index.damages, 0U);
    EXPECT_TRUE(fs::exists(index.aside + "/data.mdb"));
  }
  EXPECT_EQ(messages, 201U - 15U - 20U + 1U - 1U);  // Deleted; removed and new; deleted.
  EXPECT_GT(total, 0U);
  EXPECT_EQ(read, total);
  EXPECT_EQ(Damages(), 0U);
  ExpectTheSame();
}

TEST_F(RebuildTest, OnePartitionAndWithoutTheOldIndex) {
  RebuildOptions options = Options();
  options.partition = 1;
  options.discard_old = true;
  const auto rebuilt = RebuildIndexes(options);
  ASSERT_TRUE(rebuilt.ok()) << rebuilt.status();
  ASSERT_EQ(rebuilt->size(), 1U);
  EXPECT_EQ((*rebuilt)[0].partition, 1U);
  EXPECT_EQ((*rebuilt)[0].aside, "");
  size_t entries = 0;
  for (const auto& entry : fs::directory_iterator(folder_.path() + "/p001")) {
    (void)entry;
    ++entries;
  }
  EXPECT_EQ(entries, 3U);  // log, blobs, index.
  ExpectTheSame();
  options.partition = 2;
  EXPECT_EQ(RebuildIndexes(options).status().code(), StatusCode::kInvalidArgument);
}

TEST_F(RebuildTest, AnIndexThatCannotBeReadIsMadeAnew) {
  fs::resize_file(folder_.path() + "/p000/index/data.mdb", 5000);
  const auto rebuilt = RebuildIndexes(Options());
  ASSERT_TRUE(rebuilt.ok()) << rebuilt.status();
  ExpectTheSame();
}

// A crash between the two renames of a rebuild.
TEST_F(RebuildTest, AStoreWithoutAnIndexOpens) {
  fs::rename(folder_.path() + "/p000/index", folder_.path() + "/p000/index.old-0");
  ExpectTheSame();
}

TEST_F(RebuildTest, WhatFailsLeavesTheOldIndex) {
  // A segment of a later version: this build must not touch it.
  fs::path segment;
  for (const auto& entry : fs::directory_iterator(folder_.path() + "/p000/log")) {
    segment = entry.path();
  }
  SegmentHead head;
  std::string block = EncodeSegmentHead(head);
  block[16] = 2;
  const uint64_t sum = Checksum(std::string_view(block).substr(8));
  std::memcpy(block.data(), &sum, sizeof sum);
  std::fstream(segment, std::ios::in | std::ios::out | std::ios::binary) << block;
  const auto before = ContentsOf(folder_.path() + "/p000");
  RebuildOptions options = Options();
  options.partition = 0;
  const auto rebuilt = RebuildIndexes(options);
  EXPECT_EQ(rebuilt.status().code(), StatusCode::kFailedPrecondition) << rebuilt.status();
  EXPECT_TRUE(ContentsOf(folder_.path() + "/p000") == before);
}

TEST_F(RebuildTest, WhatFailsHalfWayPutsTheOldIndexBack) {
  FaultyEnv env;
  env.failing_directory_flushes = 1;  // The old one is aside by then.
  RebuildOptions options = Options();
  options.env = &env;
  const auto before = ContentsOf(folder_.path());
  EXPECT_EQ(RebuildIndexes(options).status().code(), StatusCode::kUnavailable);
  const auto after = ContentsOf(folder_.path());
  EXPECT_TRUE(after == before);
  ExpectTheSame();
}

// What a lost record named stays for whoever can mend the log.
TEST_F(RebuildTest, BlobsOutliveDamagedRecords) {
  ASSERT_TRUE(fixture_.Open(SmallStoreOptions(folder_.path())).ok());
  fixture_.MustDeliver(0, Key("zoe"), MakeMessage(5, 2 * kMiB));
  ASSERT_TRUE(fixture_.Close().ok());
  std::string blob;
  fs::path segment;
  size_t at = 0;
  for (const auto& [name, bytes] : ContentsOf(folder_.path())) {
    if (name.ends_with(".blob") && bytes == MakeMessage(5, 2 * kMiB)) blob = name;
    if (const size_t found = bytes.find("zoe"); name.ends_with(".seg") && found != bytes.npos) {
      segment = folder_.path() + "/" + name;
      at = found;
    }
  }
  ASSERT_NE(blob, "");
  std::fstream file(segment, std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(static_cast<std::streamoff>(at));
  file.put('j');
  file.close();
  // Something behind it proves that it had been flushed.
  ASSERT_TRUE(fixture_.Open(SmallStoreOptions(folder_.path())).ok());
  fixture_.MustDeliver(0, Key("zoe"), MakeMessage(6));
  ASSERT_TRUE(fixture_.Close().ok());
  const auto rebuilt = RebuildIndexes(Options());
  ASSERT_TRUE(rebuilt.ok()) << rebuilt.status();
  EXPECT_EQ((*rebuilt)[0].damages + (*rebuilt)[1].damages, 1U);
  EXPECT_TRUE(fs::exists(folder_.path() + "/" + blob));
}

}  // namespace
}  // namespace poplar::storage
