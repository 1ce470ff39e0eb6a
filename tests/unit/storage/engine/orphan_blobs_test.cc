// Blobs that no record names go at the start after the crash that left them, and nothing else does:
// without a look at the blobs of earlier runs.

#include "storage/engine/orphan_blobs.h"

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <fstream>

#include "storage/blob/blob_writer.h"
#include "storage/format/bytes.h"
#include "storage/format/ids.h"
#include "storage/tools/rebuild.h"
#include "storage/tools/verify.h"
#include "tests/unit/storage/counting_index.h"
#include "tests/unit/storage/store_fixture.h"

namespace poplar::storage {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kMany = 60;
constexpr uint64_t kFew = 4;

class OrphanBlobsTest : public testing::Test {
 protected:
  // A run with many blobs, and one with a few of which the second is deleted.
  void SetUp() override {
    ASSERT_TRUE(fixture_.Create(Store(), 1).ok());
    ASSERT_TRUE(Open(Store()).ok());
    Deliver(kMany);
    ASSERT_TRUE(fixture_.Close().ok());
    ASSERT_TRUE(Open(Store()).ok());
    Deliver(kFew);
    OpenResult opened = fixture_.OpenMaildrop(0, Key("large"));
    ASSERT_EQ(opened.outcome, OpenOutcome::kOpen);
    ASSERT_EQ(fixture_.Commit(0, std::move(opened.maildrop), {static_cast<uint32_t>(kMany) + 1}),
              CommitOutcome::kDone);
    mail_ = fixture_.List(0, Key("large"));
    ASSERT_EQ(mail_.size(), kMany + kFew - 1);
    ASSERT_TRUE(Eventually([&] { return Blobs(Store()) == mail_.size(); }));
  }

  std::string Store() const { return folder_.path() + "/store"; }
  std::string Crashed() const { return folder_.path() + "/crashed"; }

  Status Open(const std::string& path) {
    StoreOptions options = SmallStoreOptions(path);
    options.blob_bytes_min = 4 * kKiB;
    options.index_engine = &index_;
    return fixture_.Open(options);
  }
  void Deliver(uint64_t count) {
    for (uint64_t i = 0; i < count; ++i) {
      fixture_.MustDeliver(0, Key("large"), MakeMessage(next_++, 6'000));
    }
  }

  // As a crash now would leave it.
  void Crash() {
    CopyOpenStore(Store(), Crashed());
    ASSERT_TRUE(fixture_.Close().ok());
  }
  // The folders of blobs, the oldest first.
  static std::vector<std::string> Runs(const std::string& store) {
    std::vector<std::string> runs;
    for (const auto& entry : fs::directory_iterator(store + "/p000/blobs")) {
      runs.push_back(entry.path());
    }
    std::ranges::sort(runs);
    return runs;
  }
  static std::string PathIn(const std::string& run, uint32_t number) {
    return run + BlobName(BlobId(number)).substr(8);
  }
  // A link whose record never got into the log.
  static std::string Leave(const std::string& run, uint32_t number) {
    std::string path = PathIn(run, number);
    EXPECT_FALSE(fs::exists(path)) << path;
    std::ofstream(path) << "Subject: nobody's\r\n\r\n.\r\n";
    EXPECT_TRUE(fs::exists(path));
    return path;
  }
  static size_t Blobs(const std::string& store) {
    size_t count = 0;
    for (const auto& entry : fs::recursive_directory_iterator(store + "/p000/blobs")) {
      count += entry.is_regular_file() ? 1 : 0;
    }
    return count;
  }
  void ExpectAllMail() {
    EXPECT_TRUE(fixture_.List(0, Key("large")) == mail_);
    EXPECT_EQ(fixture_.Metric("poplar_store_damages_total"), 0);
  }

  TemporaryFolder folder_;
  CountingIndexEngine index_;
  StoreFixture fixture_{1};
  std::vector<Listed> mail_;
  uint64_t next_ = 1;
};

TEST_F(OrphanBlobsTest, AStartReadsNothingOfEarlierRuns) {
  for (const bool crash : {false, true}) {
    std::string store = Store();
    if (crash) {
      ASSERT_TRUE(Open(store).ok());
      Deliver(kFew);
      mail_ = fixture_.List(0, Key("large"));
      Crash();
      store = Crashed();
    } else {
      ASSERT_TRUE(fixture_.Close().ok());
    }
    index_.TakeReads(Database::kBlobs);
    ASSERT_TRUE(Open(store).ok());
    EXPECT_LE(index_.TakeReads(Database::kBlobs), kFew + 1);  // And the one in front of them.
    ExpectAllMail();
    ASSERT_TRUE(fixture_.Close().ok());
    // Nothing arrived in that run.
    index_.TakeReads(Database::kBlobs);
    ASSERT_TRUE(Open(store).ok());
    EXPECT_EQ(index_.TakeReads(Database::kBlobs), 0U);
    ExpectAllMail();
    ASSERT_TRUE(fixture_.Close().ok());
  }
}

TEST_F(OrphanBlobsTest, WhatACrashLeftGoes) {
  Crash();
  ASSERT_EQ(Runs(Crashed()).size(), 2U);
  // In front of those that are named, between them where one was deleted, and behind them.
  std::vector<std::string> left;
  uint32_t freed = 1;
  while (fs::exists(PathIn(Runs(Crashed())[1], freed))) ++freed;
  ASSERT_LE(freed, kFew);
  for (const uint32_t number : {0U, freed, 1'000U}) {
    left.push_back(Leave(Runs(Crashed())[1], number));
  }
  // No start has found any there since.
  const std::string of_earlier = Leave(Runs(Crashed())[0], 1'000);
  const std::string foreign = Runs(Crashed())[1] + "/00000002.blob.old";
  fs::copy_file(of_earlier, foreign);
  ASSERT_TRUE(Open(Crashed()).ok());
  for (const std::string& path : left) EXPECT_FALSE(fs::exists(path)) << path;
  EXPECT_TRUE(fs::exists(of_earlier));
  EXPECT_TRUE(fs::exists(foreign));
  EXPECT_EQ(Blobs(Crashed()), mail_.size() + 2);
  ExpectAllMail();
}

// Mail that came after the last checkpoint, which a start finds in the log.
TEST_F(OrphanBlobsTest, WhatOnlyTheLogNamesStays) {
  ASSERT_TRUE(fixture_.Close().ok());
  ASSERT_TRUE(Open(Store()).ok());
  Deliver(kFew);
  mail_ = fixture_.List(0, Key("large"));
  Crash();
  const std::string left = Leave(Runs(Crashed()).back(), 500);
  ASSERT_TRUE(Open(Crashed()).ok());
  EXPECT_FALSE(fs::exists(left));
  EXPECT_EQ(Blobs(Crashed()), mail_.size());
  ExpectAllMail();
}

TEST_F(OrphanBlobsTest, AnIndexThatIsMadeAnewKeepsThemAll) {
  Crash();
  const std::string left = Leave(Runs(Crashed())[1], 1'000);
  RebuildOptions rebuild;
  rebuild.path = Crashed();
  rebuild.index_map_bytes = kGiB;
  const auto rebuilt = RebuildIndexes(rebuild);
  ASSERT_TRUE(rebuilt.ok()) << rebuilt.status();
  EXPECT_EQ(rebuilt->front().after.blobs, mail_.size());
  for (int start = 0; start < 2; ++start) {
    index_.TakeReads(Database::kBlobs);
    ASSERT_TRUE(Open(Crashed()).ok());
    EXPECT_EQ(index_.TakeReads(Database::kBlobs), 0U);
    EXPECT_TRUE(fs::exists(left));
    ExpectAllMail();
    ASSERT_TRUE(fixture_.Close().ok());
  }
}

TEST_F(OrphanBlobsTest, ARestoredSnapshotHasItsMail) {
  const std::atomic<bool> go_on{false};
  const std::string copy = folder_.path() + "/copy";
  ASSERT_TRUE(fixture_.store().Snapshot(copy, go_on).ok());
  Deliver(kFew);  // Of this the copy has nothing.
  ASSERT_TRUE(fixture_.Close().ok());
  fs::remove_all(Store());
  const std::string left = Leave(Runs(copy)[1], 1'000);
  for (int start = 0; start < 2; ++start) {
    ASSERT_TRUE(Open(copy).ok());
    EXPECT_FALSE(fs::exists(left));
    EXPECT_EQ(Blobs(copy), mail_.size());
    ExpectAllMail();
    ASSERT_TRUE(fixture_.Close().ok());
  }
  VerifyOptions verify;
  verify.path = copy;
  EXPECT_EQ(VerifyStore(verify)->damages, 0U);
}

// Wherever a bit of a key flips: the index is made anew, or it is none that is asked for.
TEST_F(OrphanBlobsTest, AFlippedBitInAKeyCostsNoBlob) {
  const auto epoch =
      static_cast<uint32_t>(std::stoul(fs::path(Runs(Store())[1]).filename(), nullptr, 16));
  ASSERT_TRUE(fixture_.Close().ok());
  std::ifstream in(Store() + "/p000/index/data.mdb", std::ios::binary);
  const std::string file{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  std::string wanted;
  AppendBe64(wanted, FirstIdOf(epoch));
  wanted.resize(7);
  int flips = 0;
  for (size_t at = file.find(wanted); at != std::string::npos; at = file.find(wanted, at + 1)) {
    for (size_t octet = 0; octet < 8; ++octet) {
      fs::remove_all(Crashed());
      fs::copy(Store(), Crashed(), fs::copy_options::recursive);
      std::fstream out(Crashed() + "/p000/index/data.mdb",
                       std::ios::binary | std::ios::in | std::ios::out);
      out.seekp(static_cast<std::streamoff>(at + octet));
      out.put(static_cast<char>(file[at + octet] ^ (1 << (at + octet) % 8)));
      out.close();
      ASSERT_TRUE(Open(Crashed()).ok());
      EXPECT_EQ(Blobs(Crashed()), mail_.size()) << at + octet;
      EXPECT_TRUE(fixture_.List(0, Key("large")) == mail_) << at + octet;
      ASSERT_TRUE(fixture_.Close().ok());
      ++flips;
    }
  }
  EXPECT_GE(flips, 24);
}

TEST_F(OrphanBlobsTest, AMissingFolderIsRefused) {
  ASSERT_TRUE(fixture_.Close().ok());
  fs::rename(Store() + "/p000/blobs", folder_.path() + "/elsewhere");
  const Status opened = Open(Store());
  EXPECT_EQ(opened.code(), StatusCode::kFailedPrecondition);
  EXPECT_NE(Message(opened).find("bodies of " + std::to_string(mail_.size()) + " messages"),
            std::string_view::npos)
      << opened;
}

// The index of a store that is not open, and what is put into it.
class BlobsInIndexTest : public testing::Test {
 protected:
  void SetUp() override {
    auto opened = Index::Open({folder_.path(), 64 * kMiB});
    ASSERT_TRUE(opened.ok()) << opened.status();
    index_ = std::move(*opened);
    Checkpoint checkpoint;
    for (const uint64_t id : {Id(1, 5), Id(2, 1), Id(2, 2), Id(3, 1)}) {
      checkpoint.blobs[MessageId(id)] = BlobId(id);
    }
    ASSERT_TRUE(index_->Write(checkpoint).ok());
  }

  static uint64_t Id(uint32_t epoch, uint32_t number) { return FirstIdOf(epoch) - 1 + number; }
  static std::string KeyOf(uint64_t id) {
    std::string key;
    AppendBe64(key, id);
    return key;
  }

  // Its value stands under another key, as where the key was damaged.
  void Rename(uint64_t from, uint64_t to) {
    index_.reset();
    const auto store = Lmdb().Open(folder_.path(), 64 * kMiB);
    ASSERT_TRUE(store.ok()) << store.status();
    const auto change = (*store)->Begin(KeyValueStore::Access::kChange);
    ASSERT_TRUE(change.ok()) << change.status();
    const std::string value((*change)->Get(Database::kBlobs, KeyOf(from)).value());
    ASSERT_TRUE((*change)->Delete(Database::kBlobs, KeyOf(from)).ok());
    ASSERT_TRUE((*change)->Put(Database::kBlobs, KeyOf(to), value).ok());
    ASSERT_TRUE((*change)->Commit().ok());
  }
  StatusOr<std::vector<uint64_t>> From(uint64_t first) {
    if (index_ == nullptr) index_ = std::move(*Index::Open({folder_.path(), 64 * kMiB}));
    std::vector<uint64_t> blobs;
    POP_RETURN_IF_ERROR(
        index_->VisitBlobs(MessageId(first), [&](BlobId blob) { blobs.push_back(blob.value()); }));
    return blobs;
  }

  TemporaryFolder folder_;
  std::unique_ptr<Index> index_;
};

TEST_F(BlobsInIndexTest, ThoseFromAnIdOn) {
  EXPECT_EQ(*From(0), (std::vector{Id(1, 5), Id(2, 1), Id(2, 2), Id(3, 1)}));
  EXPECT_EQ(*From(Id(1, 6)), (std::vector{Id(2, 1), Id(2, 2), Id(3, 1)}));
  EXPECT_EQ(*From(Id(2, 0)), (std::vector{Id(2, 1), Id(2, 2), Id(3, 1)}));
  EXPECT_EQ(*From(Id(2, 2)), (std::vector{Id(2, 2), Id(3, 1)}));
  EXPECT_TRUE(From(Id(3, 2))->empty());
}

// Or its blob would go for one that nobody names.
TEST_F(BlobsInIndexTest, ADamagedKeyHidesNone) {
  Rename(Id(2, 1), Id(1, 9));
  EXPECT_EQ(From(Id(2, 0)).status().code(), StatusCode::kDataLoss);
  Rename(Id(1, 9), Id(2, 1));
  ASSERT_TRUE(From(Id(2, 0)).ok());
  Rename(Id(2, 2), Id(9, 9));
  EXPECT_EQ(From(Id(2, 0)).status().code(), StatusCode::kDataLoss);
}

TEST_F(BlobsInIndexTest, WhatIsFartherBackIsNotLookedAt) {
  Rename(Id(1, 5), Id(1, 1));
  EXPECT_EQ(From(Id(2, 0)).status().code(), StatusCode::kDataLoss);  // Beside the first.
  EXPECT_EQ(*From(Id(2, 2)), (std::vector{Id(2, 2), Id(3, 1)}));
}

}  // namespace
}  // namespace poplar::storage
