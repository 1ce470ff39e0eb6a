// The simulated disk itself: it keeps what it must, and forgets what it may.

#include "tests/sim/sim_disk.h"

#include <gtest/gtest.h>

#include <set>

#include "tests/sim/sim_index.h"

namespace poplar::sim {
namespace {

using storage::Database;
using storage::File;
using storage::KeyValueStore;

class SimDiskTest : public ::testing::Test {
 protected:
  static constexpr int kTries = 60;  // Enough that each outcome of a coin is seen.

  std::unique_ptr<File> Create(const std::string& path) {
    auto file = disk_.CreateFile(path);
    EXPECT_TRUE(file.ok()) << file.status();
    return file.ok() ? std::move(*file) : nullptr;
  }

  void WriteFlushed(const std::string& path, std::string_view bytes) {
    const auto file = Create(path);
    ASSERT_TRUE(file->WriteAt(bytes, 0).ok());
    ASSERT_TRUE(file->SyncData().ok());
    ASSERT_TRUE(disk_.SyncDirectory("/").ok());
  }

  void CutAndRestart() {
    disk_.PowerCut();
    disk_.Restart();
  }

  Dice dice_{7};
  Trace trace_{false};
  SimDisk disk_{{.short_results = false, .cold_cache = false}, &dice_, &trace_};
};

TEST_F(SimDiskTest, KeepsWhatWasFlushed) {
  WriteFlushed("/a", std::string(5000, 'x'));
  CutAndRestart();
  ASSERT_NE(disk_.Content("/a"), nullptr);
  EXPECT_EQ(*disk_.Content("/a"), std::string(5000, 'x'));
}

TEST_F(SimDiskTest, ForgetsSectorsThatWereNotFlushedEachByItself) {
  std::set<std::string> seen;
  for (int i = 0; i < kTries; ++i) {
    WriteFlushed("/a", std::string(1024, 'o'));
    {
      const auto file = Create("/b");  // Something else is flushed meanwhile.
      ASSERT_TRUE(file->SyncData().ok());
    }
    {
      const auto file = disk_.OpenToRead("/a");
      ASSERT_TRUE((*file)->WriteAt(std::string(1024, 'n'), 0).ok());
    }
    CutAndRestart();
    const std::string& now = *disk_.Content("/a");
    ASSERT_EQ(now.size(), 1024U);
    ASSERT_EQ(now.substr(0, 512), std::string(512, now[0]));
    ASSERT_EQ(now.substr(512), std::string(512, now[512]));
    seen.insert({now[0], now[512]});
    disk_.Drop("/a");
  }
  EXPECT_EQ(seen, (std::set<std::string>{"oo", "on", "no", "nn"}));
}

TEST_F(SimDiskTest, ForgetsNamesUntilTheirDirectoryIsFlushed) {
  std::set<bool> made, went;
  for (int i = 0; i < kTries; ++i) {
    WriteFlushed("/old", "old");
    Create("/new").reset();
    ASSERT_TRUE(disk_.Unlink("/old").ok());
    CutAndRestart();
    made.insert(disk_.Content("/new") != nullptr);
    went.insert(disk_.Content("/old") == nullptr);
    for (const std::string& name : disk_.Names("/")) disk_.Drop("/" + name);
  }
  EXPECT_EQ(made.size(), 2U);
  EXPECT_EQ(went.size(), 2U);
}

TEST_F(SimDiskTest, RenamesWholeOrNotAtAll) {
  for (int i = 0; i < kTries; ++i) {
    WriteFlushed("/a", "bytes");
    ASSERT_TRUE(disk_.Rename("/a", "/b").ok());
    CutAndRestart();
    EXPECT_NE(disk_.Content("/a") == nullptr, disk_.Content("/b") == nullptr);
    for (const std::string& name : disk_.Names("/")) disk_.Drop("/" + name);
  }
}

TEST_F(SimDiskTest, AKilledProcessLosesNothingThatItWrote) {
  {
    const auto file = Create("/a");
    ASSERT_TRUE(file->WriteAt("bytes", 0).ok());
  }
  disk_.Kill();
  EXPECT_EQ(disk_.OpenToRead("/a").status().code(), StatusCode::kUnavailable);
  disk_.Restart();
  ASSERT_NE(disk_.Content("/a"), nullptr);
  EXPECT_EQ(*disk_.Content("/a"), "bytes");
}

TEST_F(SimDiskTest, AFlushThatFailedIsNotMadeGoodByTheNext) {
  int lost = 0;
  for (int i = 0; i < kTries; ++i) {
    WriteFlushed("/a", std::string(512, 'o'));
    {
      const auto file = disk_.OpenToRead("/a");
      ASSERT_TRUE((*file)->WriteAt(std::string(512, 'n'), 0).ok());
      disk_.Fail({.calls = Bit(DiskCall::kSync)});
      EXPECT_FALSE((*file)->SyncData().ok());
      EXPECT_TRUE((*file)->SyncData().ok());
    }
    CutAndRestart();
    lost += (*disk_.Content("/a"))[0] == 'o' ? 1 : 0;
    disk_.Drop("/a");
  }
  EXPECT_GT(lost, 0);
  EXPECT_LT(lost, kTries);
}

TEST_F(SimDiskTest, FailsTheCallThatItWasToldTo) {
  const uint64_t before = disk_.faults();
  disk_.Fail({.calls = Bit(DiskCall::kCreate), .after = 1});
  EXPECT_TRUE(disk_.SyncDirectory("/").ok());
  EXPECT_TRUE(disk_.CreateFile("/a").ok());
  EXPECT_FALSE(disk_.CreateFile("/b").ok());
  EXPECT_TRUE(disk_.CreateFile("/b").ok());
  disk_.Fail({.calls = Bit(DiskCall::kUnlink), .for_good = true});
  EXPECT_FALSE(disk_.Unlink("/a").ok());
  EXPECT_FALSE(disk_.Unlink("/a").ok());
  disk_.Heal();
  EXPECT_TRUE(disk_.Unlink("/a").ok());
  EXPECT_EQ(disk_.faults() - before, 3U);
}

TEST_F(SimDiskTest, FillsUpAndIsEmptiedByUnlinking) {
  disk_.set_capacity(8 * 4096);
  WriteFlushed("/a", std::string(6 * 4096, 'x'));
  ASSERT_TRUE(disk_.Link("/a", "/a2").ok());
  EXPECT_EQ(*disk_.FreeBytes("/"), 2U * 4096);  // The link takes none.
  const auto file = Create("/b");
  EXPECT_EQ(file->WriteAt(std::string(3 * 4096, 'y'), 0).code(), StatusCode::kResourceExhausted);
  EXPECT_EQ(disk_.CreateFile("/c").status().code(), StatusCode::kResourceExhausted);
  ASSERT_TRUE(disk_.Unlink("/a").ok());
  EXPECT_EQ(*disk_.FreeBytes("/"), 0U);  // The other name keeps it,
  {
    const auto open = disk_.OpenToRead("/a2");
    ASSERT_TRUE(disk_.Unlink("/a2").ok());
    EXPECT_EQ(*disk_.FreeBytes("/"), 0U);  // then who has it open.
  }
  EXPECT_EQ(*disk_.FreeBytes("/"), 6U * 4096);
}

TEST_F(SimDiskTest, GoesInTheMiddleOfACall) {
  std::set<std::string> found;
  for (int i = 0; i < kTries; ++i) {
    WriteFlushed("/a", "old");
    {
      const auto file = disk_.OpenToRead("/a");
      ASSERT_TRUE((*file)->WriteAt("new", 0).ok());
      disk_.CutAfter(1);
      EXPECT_FALSE((*file)->SyncData().ok());
    }
    EXPECT_TRUE(disk_.off());
    disk_.Restart();
    found.insert(*disk_.Content("/a"));
    disk_.Drop("/a");
  }
  EXPECT_EQ(found, (std::set<std::string>{"old", "new"}));
}

TEST_F(SimDiskTest, IsLeftInTheMiddleOfACall) {
  std::set<bool> linked;
  for (int i = 0; i < kTries; ++i) {
    WriteFlushed("/a", "bytes");
    disk_.KillAfter(1);
    EXPECT_FALSE(disk_.Link("/a", "/b").ok());
    disk_.Restart();
    EXPECT_EQ(*disk_.Content("/a"), "bytes");
    linked.insert(disk_.Content("/b") != nullptr);
    for (const std::string& name : disk_.Names("/")) disk_.Drop("/" + name);
  }
  EXPECT_EQ(linked.size(), 2U);
}

// The model of the index's engine.
class SimIndexTest : public SimDiskTest {
 protected:
  std::unique_ptr<KeyValueStore> Open() {
    auto store = engine_.Open("/index", 0);
    EXPECT_TRUE(store.ok()) << store.status();
    return store.ok() ? std::move(*store) : nullptr;
  }
  Status Put(KeyValueStore& store, std::string_view key, std::string_view value) {
    const auto transaction = store.Begin(KeyValueStore::Access::kChange);
    if (!transaction.ok()) return transaction.status();
    EXPECT_TRUE((*transaction)->Put(Database::kMeta, key, value).ok());
    return (*transaction)->Commit();
  }
  std::string Get(KeyValueStore& store, std::string_view key) {
    const auto transaction = store.Begin(KeyValueStore::Access::kRead);
    const auto value = (*transaction)->Get(Database::kMeta, key);
    return value.ok() ? std::string(*value) : "-";
  }
  void SetUp() override { ASSERT_TRUE(disk_.MakeDirectory("/index").ok()); }

  SimIndexEngine engine_{&disk_, &dice_};
};

TEST_F(SimIndexTest, ACommitThatAnsweredIsDurable) {
  {
    const auto store = Open();
    ASSERT_TRUE(Put(*store, "a", "1").ok());
    const auto reader = store->Begin(KeyValueStore::Access::kRead);
    ASSERT_TRUE(Put(*store, "a", "2").ok());
    EXPECT_EQ(*(*reader)->Get(Database::kMeta, "a"), "1");
    EXPECT_EQ((*reader)->LastBefore(Database::kMeta, "b")->first, "a");
    EXPECT_FALSE((*reader)->LastBefore(Database::kMeta, "a").ok());
    ASSERT_TRUE(disk_.SyncDirectory("/").ok());
    ASSERT_TRUE(disk_.SyncDirectory("/index").ok());
  }
  CutAndRestart();
  EXPECT_EQ(Get(*Open(), "a"), "2");
}

TEST_F(SimIndexTest, ACommitThatFailedMayBeFound) {
  std::set<std::string> found;
  for (int i = 0; i < kTries; ++i) {
    {
      const auto store = Open();
      ASSERT_TRUE(Put(*store, "a", "old").ok());
      disk_.Fail({.calls = Bit(DiskCall::kSync)});
      EXPECT_FALSE(Put(*store, "a", "new").ok());
    }
    found.insert(Get(*Open(), "a"));
  }
  EXPECT_EQ(found, (std::set<std::string>{"old", "new"}));
  EXPECT_GT(engine_.panics(), 0U);
}

TEST_F(SimIndexTest, GoesWithItsFile) {
  ASSERT_TRUE(Put(*Open(), "a", "1").ok());
  ASSERT_TRUE(disk_.Rename("/index", "/aside").ok());
  ASSERT_TRUE(disk_.MakeDirectory("/index").ok());
  EXPECT_EQ(Get(*Open(), "a"), "-");
  disk_.Damage("/aside/data.mdb", 0, "x");
  EXPECT_EQ(engine_.Open("/aside", 0).status().code(), StatusCode::kDataLoss);
}

}  // namespace
}  // namespace poplar::sim
