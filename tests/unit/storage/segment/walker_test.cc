// Reading a segment back: a torn tail is dropped, damage is named, forged records do not pass.

#include "storage/segment/walker.h"

#include <gtest/gtest.h>

#include <random>

#include "tests/unit/storage/segment/segment_builder.h"

namespace poplar::storage {
namespace {

SegmentBuilder ThreeBatches() {
  SegmentBuilder builder(5, 0xfeedULL, 64 * kKiB);
  EXPECT_TRUE(builder.AddBatch({"first", std::string(5000, 'a')}));
  EXPECT_TRUE(builder.AddBatch({std::string(300, 'b'), "", std::string(9000, 'c')}));
  EXPECT_TRUE(builder.AddBatch({"last", std::string(6000, 'd')}));
  return builder;
}

TEST(WalkerTest, FindsEverything) {
  const SegmentBuilder builder = ThreeBatches();
  KeepingVisitor visitor;
  const WalkResult result = WalkSegment(builder.bytes(), builder.Options(), visitor);
  EXPECT_EQ(visitor.records, builder.Records(3));
  EXPECT_TRUE(visitor.damages.empty());
  EXPECT_EQ(result.end, builder.end());
  EXPECT_EQ(result.batches, 3U);
  EXPECT_EQ(result.next_id, 8U);
  EXPECT_FALSE(result.torn);
}

TEST(WalkerTest, BeginsWhereTheCheckpointEnds) {
  const SegmentBuilder builder = ThreeBatches();
  WalkOptions options = builder.Options();
  options.from = Lsn(5, builder.batch_offset(2));
  KeepingVisitor visitor;
  WalkSegment(builder.bytes(), options, visitor);
  EXPECT_EQ(visitor.records, builder.batches()[2]);
}

// The last batch, with any one byte of it wrong or everything behind a point missing, is gone as a
// whole: nobody was promised anything.
TEST(WalkerTest, ATornTailIsDroppedWhole) {
  const SegmentBuilder builder = ThreeBatches();
  const uint64_t begin = builder.batch_offset(2);
  const uint64_t end = begin + kBatchHeadBytes + 96 + kRecordFixedBytes + 9 + 6000;
  for (uint64_t at = begin; at < end; at += 7) {
    std::string torn = builder.bytes();
    std::fill(torn.begin() + static_cast<ptrdiff_t>(at), torn.end(), '\0');
    KeepingVisitor visitor;
    const WalkResult result = WalkSegment(torn, builder.Options(), visitor);
    ASSERT_EQ(visitor.records, builder.Records(2)) << at;
    ASSERT_TRUE(visitor.damages.empty());
    ASSERT_EQ(result.end, Lsn(5, begin));
  }
}

TEST(WalkerTest, DamageBeforeTheProvenEndIsNamedAndCostsOneRecord) {
  const SegmentBuilder builder = ThreeBatches();
  const std::vector<BuiltRecord> all = builder.Records(3);
  for (size_t lost = 0; lost < 5; ++lost) {  // Those of the first two batches.
    std::string damaged = builder.bytes();
    const size_t head_bytes = kRecordFixedBytes + all[lost].account.size();
    const bool in_head = all[lost].body.empty() || lost == 0;
    damaged[all[lost].at.offset() + (in_head ? 20 : head_bytes + 3)] ^= 0x10;
    KeepingVisitor visitor;
    WalkSegment(damaged, builder.Options(), visitor);
    std::vector<BuiltRecord> expected = all;
    expected.erase(expected.begin() + static_cast<ptrdiff_t>(lost));
    EXPECT_EQ(visitor.records, expected) << lost;
    ASSERT_EQ(visitor.damages.size(), 1U);
    if (!in_head) {
      EXPECT_EQ(visitor.damages[0].maildrop.account, all[lost].account);
    }
  }
}

TEST(WalkerTest, ADamagedBatchHeadCostsNothing) {
  const SegmentBuilder builder = ThreeBatches();
  std::string damaged = builder.bytes();
  damaged[builder.batch_offset(1) + 17] ^= 1;
  KeepingVisitor visitor;
  WalkSegment(damaged, builder.Options(), visitor);
  EXPECT_EQ(visitor.records, builder.Records(3));
  EXPECT_EQ(visitor.damages.size(), 1U);
}

// Where later segments say that the log ends, what stands behind is not part of it, and what stands
// before had been flushed.
TEST(WalkerTest, AKnownEnd) {
  const SegmentBuilder builder = ThreeBatches();
  WalkOptions options = builder.Options();
  options.end = Lsn(5, builder.batch_offset(2));
  KeepingVisitor visitor;
  EXPECT_EQ(WalkSegment(builder.bytes(), options, visitor).end, options.end);
  EXPECT_EQ(visitor.records, builder.Records(2));

  options.end = builder.end();
  std::string damaged = builder.bytes();
  damaged[builder.batch_offset(2) + kBatchHeadBytes] ^= 1;
  KeepingVisitor second;
  EXPECT_FALSE(WalkSegment(damaged, options, second).torn);
  EXPECT_EQ(second.records.size(), 6U);
  EXPECT_EQ(second.damages.size(), 1U);

  KeepingVisitor third;
  WalkSegment(std::string_view(builder.bytes()).substr(0, builder.batch_offset(1)), options, third);
  EXPECT_EQ(third.records, builder.Records(1));
  EXPECT_EQ(third.damages.size(), 1U);  // The file is cut short.
}

// Mail that holds what looks like a batch is still mail.
TEST(WalkerTest, ForgedRecordsDoNotPass) {
  SegmentBuilder forged(5, 1, 64 * kKiB);  // Another salt.
  ASSERT_TRUE(forged.AddBatch({"forged"}));
  SegmentBuilder builder(5, 2, 256 * kKiB);
  ASSERT_TRUE(builder.AddBatch({forged.bytes()}));
  std::string damaged = builder.bytes();
  damaged[kFirstBatchOffset] ^= 1;
  WalkOptions options = builder.Options();
  options.end = builder.end();
  KeepingVisitor visitor;
  WalkSegment(damaged, options, visitor);
  EXPECT_EQ(visitor.records, builder.Records(1));
}

TEST(WalkerTest, NoSingleBitFlipInventsAnything) {
  const SegmentBuilder builder = ThreeBatches();
  const std::vector<BuiltRecord> all = builder.Records(3);
  std::mt19937 random(1);
  for (int i = 0; i < 3000; ++i) {
    std::string damaged = builder.bytes();
    char& octet = damaged[random() % damaged.size()];
    octet = static_cast<char>(octet ^ (1 << (random() % 8)));
    KeepingVisitor visitor;
    WalkSegment(damaged, builder.Options(), visitor);
    size_t next = 0;
    for (const BuiltRecord& record : visitor.records) {
      while (next < all.size() && !(all[next] == record)) ++next;
      ASSERT_LT(next++, all.size()) << "a record that nobody wrote, or out of order";
    }
    ASSERT_GE(visitor.records.size(), 4U);
  }
}

}  // namespace
}  // namespace poplar::storage
