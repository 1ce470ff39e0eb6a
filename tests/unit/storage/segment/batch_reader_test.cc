// Reading a segment piece by piece gives what a walk over the whole of it gives, or an error.

#include "storage/segment/batch_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>

#include "tests/unit/storage/segment/segment_builder.h"

namespace poplar::storage {
namespace {

using ::testing::HasSubstr;

// A file in memory, to be read.
class BytesFile final : public File {
 public:
  explicit BytesFile(std::string bytes) : bytes_(std::move(bytes)) {}

  StatusOr<size_t> ReadAt(std::span<char> into, uint64_t offset) const override {
    const size_t got = offset < bytes_.size() ? bytes_.copy(into.data(), into.size(), offset) : 0;
    return got;
  }
  Status WriteAt(std::string_view, uint64_t) override { return OkStatus(); }
  Status SyncData() override { return OkStatus(); }
  StatusOr<uint64_t> Bytes() const override { return bytes_.size(); }
  ssize_t TryRead(std::span<const iovec>, uint64_t) const override { return -EAGAIN; }
  void StartRead(io::Reactor&, DiskOp&, std::span<char>, uint64_t) const override {}
  void StartWrite(io::Reactor&, DiskOp&, std::span<const iovec>, uint64_t) override {}
  void StartSyncData(io::Reactor&, DiskOp&) override {}
  int descriptor() const override { return -1; }

 private:
  const std::string bytes_;
};

constexpr uint32_t kNumber = 9;
constexpr uint64_t kSalt = 0x7a11ULL;

SegmentBuilder Built() {
  SegmentBuilder builder(kNumber, kSalt, 2 * kMiB);
  for (size_t batch = 0; batch < 40; ++batch) {
    std::vector<std::string> bodies(1 + batch % 3, std::string(100 + batch * 377, 'a'));
    if (batch == 17) bodies.emplace_back(300'000, 'b');  // More than a piece.
    EXPECT_TRUE(builder.AddBatch(bodies));
  }
  return builder;
}

// What comes until the end or the first error, which goes to `status`.
std::vector<BuiltRecord> ReadAll(const SegmentBuilder& builder, std::string bytes,
                                 uint64_t piece_bytes, Status& status) {
  BatchReader reader(std::make_unique<BytesFile>(std::move(bytes)), kNumber, kSalt,
                     builder.end().offset());
  std::vector<BuiltRecord> all;
  std::vector<PlacedRecord> records;
  while (!reader.at_end()) {
    status = reader.Next(piece_bytes, records);
    if (!status.ok()) break;
    EXPECT_FALSE(records.empty());
    for (const PlacedRecord& placed : records) {
      all.push_back({placed.record.id, std::string(placed.record.account),
                     std::string(placed.record.body), placed.at});
    }
  }
  return all;
}

TEST(BatchReaderTest, PiecesOfAnySizeGiveEverythingInOrder) {
  const SegmentBuilder builder = Built();
  const std::vector<BuiltRecord> expected = builder.Records(builder.batches().size());
  for (const uint64_t piece_bytes : {uint64_t{1}, uint64_t{4096}, uint64_t{50'000}, kMiB, kGiB}) {
    Status status;
    EXPECT_EQ(ReadAll(builder, builder.bytes(), piece_bytes, status), expected) << piece_bytes;
    EXPECT_TRUE(status.ok()) << status;
  }
}

TEST(BatchReaderTest, AnyDamageIsAnError) {
  const SegmentBuilder builder = Built();
  const uint64_t batch = builder.batch_offset(5);
  const struct {
    uint64_t offset;
    const char* what;
  } changes[] = {{batch + 20, "head of a batch"},
                 {batch + kBatchHeadBytes + 20, "head of a record"},
                 {batch + kBatchHeadBytes + 150, "body of a record"}};
  for (const auto& change : changes) {
    std::string bytes = builder.bytes();
    bytes[change.offset] ^= 1;
    Status status;
    const std::vector<BuiltRecord> got = ReadAll(builder, bytes, 4096, status);
    EXPECT_EQ(status.code(), StatusCode::kDataLoss);
    EXPECT_THAT(std::string(Message(status)), HasSubstr(change.what));
    EXPECT_EQ(got, builder.Records(5));
  }
  Status status;
  ReadAll(builder, builder.bytes().substr(0, batch + 100), kMiB, status);
  EXPECT_EQ(status.code(), StatusCode::kDataLoss);
  EXPECT_THAT(std::string(Message(status)), HasSubstr("cut short"));
}

// What stands behind the place where the log left the segment was never acknowledged.
TEST(BatchReaderTest, StopsWhereTheLogLeftTheSegment) {
  const SegmentBuilder builder = Built();
  BatchReader reader(std::make_unique<BytesFile>(builder.bytes()), kNumber, kSalt,
                     builder.batch_offset(3));
  std::vector<PlacedRecord> records;
  ASSERT_TRUE(reader.Next(kMiB, records).ok());
  EXPECT_TRUE(reader.at_end());
  EXPECT_EQ(records.size(), builder.Records(3).size());
}

}  // namespace
}  // namespace poplar::storage
