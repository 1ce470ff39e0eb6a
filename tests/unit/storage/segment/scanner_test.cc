#include "storage/segment/scanner.h"

#include <gtest/gtest.h>

#include <random>
#include <set>

#include "tests/unit/storage/segment/segment_builder.h"

namespace poplar::storage {
namespace {

constexpr uint32_t kNumber = 9;
constexpr uint64_t kSalt = 0x5a17;

class CountingVisitor final : public LogVisitor {
 public:
  void OnRecord(const Record& record, Lsn /*at*/) override {
    EXPECT_EQ(record.account, "account-" + std::to_string(record.id.value()));
    sound.insert(record.id.value());
  }
  void OnDamage(const Damage& damage) override { damages.push_back(damage); }

  std::set<uint64_t> sound;
  std::vector<Damage> damages;
};

// Bodies of 0 to 3 pieces' length.
SegmentBuilder MakeSegment(size_t batches) {
  SegmentBuilder builder(kNumber, kSalt, kMiB);
  uint64_t seed = 1;
  for (size_t i = 0; i < batches; ++i) {
    std::vector<std::string> bodies;
    for (size_t k = 0; k <= i % 4; ++k) {
      bodies.push_back(std::string(seed * 7919 % 9000, static_cast<char>('a' + seed % 26)));
      ++seed;
    }
    EXPECT_TRUE(builder.AddBatch(bodies));
  }
  return builder;
}

CountingVisitor Scan(const std::string& bytes, uint64_t end, uint64_t piece_bytes) {
  CountingVisitor visitor;
  SegmentScanner scanner(kNumber, kSalt, end);
  while (!scanner.done()) {
    const uint64_t offset = scanner.offset();
    scanner.Feed(std::string_view(bytes).substr(offset, std::min(piece_bytes, end - offset)),
                 visitor);
    EXPECT_GT(scanner.offset(), offset);
    if (scanner.offset() == offset) break;
  }
  return visitor;
}

TEST(SegmentScanner, MeetsEveryRecordWhateverThePieces) {
  const SegmentBuilder builder = MakeSegment(20);
  const uint64_t end = builder.end().offset();
  for (const uint64_t piece : {SegmentScanner::kPieceBytesMin, SegmentScanner::kPieceBytesMin + 1,
                               uint64_t{4096}, uint64_t{10'007}, uint64_t{kMiB}}) {
    const CountingVisitor visitor = Scan(builder.bytes(), end, piece);
    EXPECT_EQ(visitor.damages.size(), 0U) << piece;
    EXPECT_EQ(visitor.sound.size(), builder.Records(20).size()) << piece;
  }
}

// One wrong octet costs at most the record that it is in, and never passes for sound.
TEST(SegmentScanner, NamesEveryDamage) {
  const SegmentBuilder builder = MakeSegment(12);
  const uint64_t end = builder.end().offset();
  const std::vector<BuiltRecord> records = builder.Records(12);
  std::mt19937_64 random(7);
  for (int round = 0; round < 400; ++round) {
    std::string bytes = builder.bytes();
    const uint64_t at = kFirstBatchOffset + random() % (end - kFirstBatchOffset);
    bytes[at] = static_cast<char>(bytes[at] ^ (1 << (random() % 8)));
    // What stands there: a batch's head, a record, or padding that means nothing.
    const BuiltRecord* hit = nullptr;
    for (const BuiltRecord& record : records) {
      const uint64_t begin = record.at.offset();
      const uint64_t length = kRecordFixedBytes + record.account.size() + record.body.size();
      if (at >= begin && at < begin + length) hit = &record;
    }
    bool batch_head = false;
    for (size_t i = 0; i < 12; ++i) {
      batch_head = batch_head || (at >= builder.batch_offset(i) &&
                                  at < builder.batch_offset(i) + kBatchHeadBytes);
    }
    const CountingVisitor visitor = Scan(bytes, end, 4096 + round);
    EXPECT_EQ(visitor.sound.size(), records.size() - (hit != nullptr ? 1 : 0)) << at;
    EXPECT_TRUE(hit == nullptr || !visitor.sound.contains(hit->id.value())) << at;
    EXPECT_EQ(visitor.damages.size(), hit != nullptr || batch_head ? 1U : 0U) << at;
    for (const Damage& damage : visitor.damages) {
      EXPECT_LE(damage.at.offset(), at);
      EXPECT_GT(damage.at.offset() + damage.bytes, at);
      EXPECT_TRUE(damage.maildrop.account.empty() || damage.id == hit->id);
    }
  }
}

TEST(SegmentScanner, ALostBatchIsNamedAndTheNextOnesAreRead) {
  const SegmentBuilder builder = MakeSegment(8);
  std::string bytes = builder.bytes();
  const uint64_t from = builder.batch_offset(3), to = builder.batch_offset(4);
  for (const char fill : {'\0', 'x'}) {
    bytes.replace(from, to - from, to - from, fill);
    const CountingVisitor visitor = Scan(bytes, builder.end().offset(), 5000);
    EXPECT_EQ(visitor.sound.size(), builder.Records(8).size() - builder.batches()[3].size());
    ASSERT_EQ(visitor.damages.size(), 1U);
    EXPECT_EQ(visitor.damages[0].at, Lsn(kNumber, from));
    EXPECT_EQ(visitor.damages[0].bytes, to - from);
    EXPECT_EQ(visitor.damages[0].what, "no batch can be read here");
  }
}

TEST(SegmentScanner, EndsWhereTheLogLeftTheSegment) {
  const SegmentBuilder builder = MakeSegment(8);
  const CountingVisitor visitor = Scan(builder.bytes(), builder.batch_offset(5), 5000);
  EXPECT_EQ(visitor.sound.size(), builder.Records(5).size());
  EXPECT_EQ(visitor.damages.size(), 0U);
  EXPECT_TRUE(SegmentScanner(kNumber, kSalt, kFirstBatchOffset).done());
  EXPECT_EQ(Scan(std::string(kMiB, '\0'), kMiB, 5000).damages.size(), 1U);
}

}  // namespace
}  // namespace poplar::storage
