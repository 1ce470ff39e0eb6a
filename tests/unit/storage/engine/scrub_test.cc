#include "storage/engine/scrub.h"

#include <fcntl.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <thread>

#include "storage/format/ids.h"
#include "storage/index/key_value.h"
#include "tests/unit/storage/store_fixture.h"

namespace poplar::storage {
namespace {

// A store whose mail stands in segments that are sealed: of a run before.
// Its messages fill their blocks, so that compaction has nothing to gain and leaves them there.
class ScrubTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(fixture_.Create(folder_.path(), 1).ok());
    ASSERT_TRUE(fixture_.Open(SmallStoreOptions(folder_.path())).ok());
    for (uint64_t i = 0; i < 40; ++i) fixture_.MustDeliver(0, Key(Box(i)), MakeMessage(i, 8000));
    fixture_.MustDeliver(0, Key("box-0"), MakeMessage(900, 2 * kMiB));
    fixture_.MustDeliver(0, Key("box-1"), MakeMessage(901, 2 * kMiB));
    ASSERT_TRUE(fixture_.Close().ok());
    Open(0);
  }

  static std::string Box(uint64_t i) { return "box-" + std::to_string(i % 4); }

  void Open(uint64_t bytes_per_s) {
    StoreOptions options = SmallStoreOptions(folder_.path());
    options.scrub_bytes_per_s = bytes_per_s;
    options.scrub_interval_ms = 0;
    options.policies = &board_;
    ASSERT_TRUE(fixture_.Open(options).ok());
    // In the segment in use, which is left alone.
    for (uint64_t i = 0; i < 4; ++i) fixture_.MustDeliver(0, Key(Box(i)), MakeMessage(i));
  }

  // Until all that is sealed was read from beginning to end at least once more.
  void Pass() {
    const double before = fixture_.Metric("poplar_store_scrub_passes_total");
    fixture_.store().SetScrubRate(kGiB);
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    // The pass under way, and one more.
    while (fixture_.Metric("poplar_store_scrub_passes_total") < before + 2) {
      ASSERT_LT(std::chrono::steady_clock::now(), deadline);
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    fixture_.store().SetScrubRate(0);
  }
  double Damages() { return fixture_.Metric("poplar_store_scrub_damages_total"); }

  void Delete(const std::string& box, uint32_t position) {
    OpenResult opened = fixture_.OpenMaildrop(0, Key(box));
    ASSERT_EQ(opened.outcome, OpenOutcome::kOpen);
    ASSERT_EQ(fixture_.Commit(0, std::move(opened.maildrop), {position}), CommitOutcome::kDone);
  }

  void Flip(const std::string& text, int offset = 0) {
    for (const auto& [name, bytes] : ContentsOf(folder_.path())) {
      if (!name.ends_with(".seg") && !name.ends_with(".blob")) continue;
      const size_t at = bytes.find(text);
      if (at == std::string::npos) continue;
      std::fstream file(folder_.path() + "/" + name,
                        std::ios::binary | std::ios::in | std::ios::out);
      file.seekp(static_cast<std::streamoff>(at) + offset);
      file.put(static_cast<char>(bytes[at + offset] ^ 0x40));
      return;
    }
    FAIL() << "not found";
  }

  TemporaryFolder folder_;
  PolicyBoard board_;
  StoreFixture fixture_{1};
};

TEST_F(ScrubTest, ReadsEverythingAndFindsNothingInASoundStore) {
  Pass();
  EXPECT_EQ(Damages(), 0);
  // 40 messages and two blobs.
  EXPECT_GE(fixture_.Metric("poplar_store_scrubbed_bytes_total"), 40 * 4500 + 2 * 2 * kMiB);
}

TEST_F(ScrubTest, OffUntilItHasARate) {
  EXPECT_EQ(fixture_.Metric("poplar_store_scrubbed_bytes_total"), 0);
  ASSERT_TRUE(fixture_.Close().ok());
  Open(kGiB);
  Pass();
  EXPECT_GT(fixture_.Metric("poplar_store_scrubbed_bytes_total"), 0);
}

TEST_F(ScrubTest, NamesADamagedMessageOnce) {
  Flip(MakeMessage(20, 8000), 300);
  Pass();
  EXPECT_EQ(Damages(), 1);
  EXPECT_EQ(fixture_.Metric("poplar_store_damages_total"), 1);
  Pass();
  EXPECT_EQ(Damages(), 1);
}

TEST_F(ScrubTest, NamesADamagedHeadAndADamagedBlob) {
  Flip(MakeMessage(21, 8000), -30);  // In the head of its record.
  Flip(MakeMessage(901, 2 * kMiB), 2'000'000);
  Pass();
  EXPECT_EQ(Damages(), 2);
}

TEST_F(ScrubTest, NamesAMissingBlob) {
  for (const auto& [name, bytes] : ContentsOf(folder_.path())) {
    if (bytes == MakeMessage(900, 2 * kMiB)) std::filesystem::remove(folder_.path() + "/" + name);
  }
  Pass();
  EXPECT_EQ(Damages(), 1);
}

TEST_F(ScrubTest, WhatNobodyNeedsIsNoLoss) {
  // The first message of box-0, and its blob, which goes at once.
  Delete("box-0", 10);
  Delete("box-0", 0);
  Flip(MakeMessage(0, 8000), 300);
  Pass();
  EXPECT_EQ(Damages(), 0);
}

TEST_F(ScrubTest, WhatIsDeletedAndKeptIsStillNeeded) {
  auto policies = std::make_shared<TenantPolicies>();
  policies->by_tenant[1] = {.name = "one", .keep_deleted_days = 10};
  board_.Publish(std::move(policies));
  Delete("box-1", 10);  // The blob.
  Delete("box-0", 0);
  Flip(MakeMessage(901, 2 * kMiB), 2'000'000);
  Flip(MakeMessage(0, 8000), 300);
  Pass();
  EXPECT_EQ(Damages(), 2);
  Pass();
  EXPECT_EQ(Damages(), 2);
}

// As if the index had never had it: to whoever opens it, it is new and empty.
TEST_F(ScrubTest, NamesAMaildropThatIsGoneFromTheIndex) {
  Delete("box-1", 0);  // What is gone by right is not missed.
  ASSERT_TRUE(fixture_.Close().ok());
  {
    const auto index = Lmdb().Open(folder_.path() + "/p000/index", kGiB);
    ASSERT_TRUE(index.ok()) << index.status();
    auto change = (*index)->Begin(KeyValueStore::Access::kChange);
    ASSERT_TRUE(change.ok()) << change.status();
    const std::string key = EncodeMaildropKey(Key("box-2"));
    std::vector<std::string> chunks;
    const auto take = [&](std::string_view number, std::string_view /*value*/) {
      chunks.push_back(key + std::string(number));
      return OkStatus();
    };
    ASSERT_TRUE((*change)->ForEach(Database::kChunks, key, take).ok());
    ASSERT_FALSE(chunks.empty());
    for (const std::string& chunk : chunks) {
      ASSERT_TRUE((*change)->Delete(Database::kChunks, chunk).ok());
    }
    ASSERT_TRUE((*change)->Delete(Database::kMaildrops, key).ok());
    ASSERT_TRUE((*change)->Commit().ok());
  }
  Open(0);
  EXPECT_EQ(fixture_.List(0, Key("box-2")).size(), 1U);  // What Open delivers.
  Pass();
  EXPECT_EQ(Damages(), 1);
  EXPECT_TRUE(Eventually([&] { return fixture_.Metric("poplar_store_index_unsound") == 1; }));
  Pass();
  EXPECT_EQ(Damages(), 1);
  // The next start makes the index anew.
  ASSERT_TRUE(fixture_.Close().ok());
  Open(0);
  EXPECT_EQ(fixture_.List(0, Key("box-2")).size(), 13U);
  Pass();
  EXPECT_EQ(Damages(), 0);
}

// What a crash left behind the log's end was promised to nobody.
TEST_F(ScrubTest, ATornTailIsNoDamage) {
  TemporaryFolder crashed;
  CopyOpenStore(folder_.path(), crashed.path());
  ASSERT_TRUE(fixture_.Close().ok());
  // Half of what the second run wrote last.
  for (const auto& [name, bytes] : ContentsOf(crashed.path())) {
    const size_t last = bytes.rfind("PBT1");
    if (!name.ends_with(".seg") || last == std::string::npos || name.ends_with("1.seg")) continue;
    std::fstream file(crashed.path() + "/" + name, std::ios::binary | std::ios::in | std::ios::out);
    file.seekp(static_cast<std::streamoff>(last) + 80);
    file << std::string(60, '\0');
  }
  std::filesystem::remove_all(folder_.path());
  std::filesystem::copy(crashed.path(), folder_.path(), std::filesystem::copy_options::recursive);
  Open(0);
  Pass();
  EXPECT_EQ(Damages(), 0);
  EXPECT_EQ(fixture_.Metric("poplar_store_damages_total"), 0);
}

// Reading once leaves the page cache as it was.
TEST(ReadOnce, KeepsWhatWasCachedAndNothingElse) {
  TemporaryFolder folder;
  const std::string path = folder.path() + "/file";
  std::string bytes;
  while (bytes.size() < kMiB) bytes += "0123456789abcdef";
  auto file = SystemEnv().CreateFile(path);
  ASSERT_TRUE(file.ok());
  ASSERT_TRUE((*file)->WriteAt(bytes, 0).ok());
  ASSERT_TRUE((*file)->SyncData().ok());
  const auto resident = [&](uint64_t offset) {
    char octet = 0;
    const iovec piece{&octet, 1};
    return (*file)->TryRead({&piece, 1}, offset) == 1;
  };
  if (!resident(0)) GTEST_SKIP() << "this file system does not tell what is in memory";
  std::string read(kMiB, '\0');
  EXPECT_EQ((*file)->ReadOnceAt(read, 0).value(), kMiB);
  EXPECT_EQ(read, bytes);
  EXPECT_TRUE(resident(0));
  ASSERT_EQ(::posix_fadvise((*file)->descriptor(), 0, 0, POSIX_FADV_DONTNEED), 0);
  if (resident(0)) GTEST_SKIP() << "this file system keeps what it has";
  read.assign(kMiB, '\0');
  EXPECT_EQ((*file)->ReadOnceAt(read, 0).value(), kMiB);
  EXPECT_EQ(read, bytes);
  // The kernel keeps a page that it is just moving about itself.
  constexpr int kMovingMax = 4;
  int kept = 0;
  for (uint64_t offset = 0; offset < kMiB; offset += 64 * kKiB) kept += resident(offset) ? 1 : 0;
  EXPECT_LE(kept, kMovingMax);
  // At the end of the file.
  EXPECT_EQ((*file)->ReadOnceAt(read, kMiB - 100).value(), 100U);
}

}  // namespace
}  // namespace poplar::storage
