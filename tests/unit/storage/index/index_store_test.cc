// An index whose commit failed so that LMDB serves nobody any more: it is opened again, and what
// cannot be opened again says so.

#include "storage/index/index_store.h"

#include <filesystem>
#include <fstream>

#include "storage/index/index.h"
#include "storage/index/index_copy.h"
#include "tests/unit/storage/store_fixture.h"

namespace poplar::storage {
namespace {

namespace fs = std::filesystem;

class IndexStoreTest : public testing::Test {
 protected:
  void SetUp() override {
    fs::create_directory(Directory());
    auto opened = Index::Open({Directory(), 64 * kMiB});
    ASSERT_TRUE(opened.ok()) << opened.status();
    index_ = std::move(*opened);
    ASSERT_TRUE(Write(1).ok());
  }

  std::string Directory() const { return folder_.path() + "/index"; }

  // The `n`th message of everybody, and the checkpoint behind it.
  Status Write(uint64_t n) {
    Checkpoint checkpoint;
    checkpoint.meta.emplace();
    checkpoint.meta->checkpoint = Lsn(1, static_cast<uint32_t>(n * kBlockBytes));
    for (const std::string& key : {alice_, bob_}) {
      MaildropChange change;
      change.key = key;
      MessageEntry entry;
      entry.id = MessageId(n);
      change.appended.entries.push_back(entry);
      checkpoint.maildrops.push_back(std::move(change));
    }
    return index_->Write(checkpoint);
  }
  void WriteInVain(uint64_t n) {
    BreakIndexHead(Directory());
    EXPECT_EQ(Write(n).code(), StatusCode::kUnavailable);
  }
  StatusCode LoadCode() { return index_->Load(alice_).status().code(); }
  void ExpectMessages(uint32_t count) {
    for (const std::string& key : {alice_, bob_}) {
      const auto list = index_->Load(key);
      ASSERT_TRUE(list.ok()) << list.status();
      EXPECT_EQ((*list)->count(), count);
    }
  }

  const std::string alice_ = EncodeMaildropKey(Key("alice"));
  const std::string bob_ = EncodeMaildropKey(Key("bob"));
  const TemporaryFolder folder_;
  std::unique_ptr<Index> index_;
};

TEST_F(IndexStoreTest, AReaderFindsItOpenAgain) {
  for (uint64_t n = 2; n < 5; ++n) {
    WriteInVain(n);
    ExpectMessages(static_cast<uint32_t>(n - 1));
    EXPECT_EQ(index_->reopenings(), n - 1);
    EXPECT_TRUE(Write(n).ok());
    ExpectMessages(static_cast<uint32_t>(n));
  }
  EXPECT_FALSE(index_->unsound());
  index_.reset();
  auto opened = Index::Open({Directory(), 64 * kMiB});
  ASSERT_TRUE(opened.ok()) << opened.status();
  index_ = std::move(*opened);
  ExpectMessages(4);
}

TEST_F(IndexStoreTest, AWriterFindsItOpenAgain) {
  WriteInVain(2);
  EXPECT_TRUE(Write(2).ok());
  EXPECT_EQ(index_->reopenings(), 1U);
  ExpectMessages(2);
}

// LMDB may not have a file open twice, so nobody may be left in it; whoever would stay long goes.
TEST_F(IndexStoreTest, WaitsForWhoStillReads) {
  auto copy = IndexCopy::Begin(*index_);
  ASSERT_TRUE(copy.ok()) << copy.status();
  WriteInVain(2);
  EXPECT_EQ(LoadCode(), StatusCode::kUnavailable);
  EXPECT_EQ(index_->reopenings(), 0U);
  const TemporaryFolder target;
  const std::atomic<bool> never{false};
  EXPECT_EQ((*copy)->WriteTo({target.path(), 64 * kMiB}, never).code(), StatusCode::kUnavailable);
  copy->reset();
  ExpectMessages(1);
  EXPECT_EQ(index_->reopenings(), 1U);
}

TEST_F(IndexStoreTest, IsTriedUntilTheDiskLetsIt) {
  WriteInVain(2);
  fs::rename(Directory(), folder_.path() + "/away");
  EXPECT_EQ(LoadCode(), StatusCode::kUnavailable);
  EXPECT_EQ(Write(2).code(), StatusCode::kUnavailable);
  fs::rename(folder_.path() + "/away", Directory());
  ExpectMessages(1);
  EXPECT_EQ(index_->reopenings(), 1U);
  EXPECT_FALSE(index_->unsound());
}

TEST_F(IndexStoreTest, IsLostWhereItIsNotSoundAnyMore) {
  WriteInVain(2);
  std::ofstream(Directory() + "/data.mdb", std::ios::in | std::ios::binary)
      << std::string(8192, 'x');
  EXPECT_EQ(LoadCode(), StatusCode::kDataLoss);
  EXPECT_TRUE(index_->unsound());
  EXPECT_EQ(index_->reopenings(), 0U);
  EXPECT_EQ(Write(2).code(), StatusCode::kDataLoss);
}

// Begun anew it would hide everybody's mail.
TEST_F(IndexStoreTest, IsLostWhereItsFileIsGone) {
  WriteInVain(2);
  fs::remove(Directory() + "/data.mdb");
  EXPECT_EQ(LoadCode(), StatusCode::kDataLoss);
  EXPECT_TRUE(index_->unsound());
  EXPECT_EQ(LoadCode(), StatusCode::kDataLoss);
}

}  // namespace
}  // namespace poplar::storage
