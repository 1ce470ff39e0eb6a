#include "storage/engine/snapshot.h"

#include <atomic>
#include <filesystem>
#include <set>
#include <thread>

#include "storage/engine/layout.h"
#include "storage/tools/verify.h"
#include "tests/support/faulty_env.h"
#include "tests/unit/storage/store_fixture.h"

namespace poplar::storage {
namespace {

namespace fs = std::filesystem;

const std::atomic<bool> kGoOn{false};

uint64_t DamagesOf(const std::string& path) {
  VerifyOptions options;
  options.path = path;
  const auto report = VerifyStore(options);
  EXPECT_TRUE(report.ok()) << report.status();
  return report.ok() ? report->damages : ~uint64_t{0};
}

// Stands still but for who sleeps.
class StandingClock final : public base::Clock {
 public:
  explicit StandingClock(int64_t wall_us) : wall_us_(wall_us) {}
  uint64_t MonotonicUs() const override { return base::SystemClock().MonotonicUs(); }
  int64_t WallUs() const override { return wall_us_; }
  void SleepUs(uint64_t us) const override { wall_us_ += static_cast<int64_t>(us); }

 private:
  mutable std::atomic<int64_t> wall_us_;
};

class SnapshotTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(fixture_.Create(Store(), 3).ok());
    ASSERT_TRUE(fixture_.Open(SmallStoreOptions(Store())).ok());
    for (uint64_t i = 0; i < 60; ++i) fixture_.MustDeliver(0, Key(Box(i)), MakeMessage(i, 2000));
    fixture_.MustDeliver(0, Key("box-0"), MakeMessage(900, 2 * kMiB));
    fixture_.MustDeliver(0, Key("box-1"), MakeMessage(901, 2 * kMiB));
  }

  std::string Store() const { return folder_.path() + "/store"; }
  std::string Copy() const { return folder_.path() + "/copy"; }
  static std::string Box(uint64_t i) { return "box-" + std::to_string(i % 6); }

  void Delete(const std::string& box, const std::vector<uint32_t>& positions) {
    OpenResult opened = fixture_.OpenMaildrop(0, Key(box));
    ASSERT_EQ(opened.outcome, OpenOutcome::kOpen);
    ASSERT_EQ(fixture_.Commit(0, std::move(opened.maildrop), positions), CommitOutcome::kDone);
  }
  std::vector<std::vector<Listed>> ListAll(StoreFixture& fixture) {
    std::vector<std::vector<Listed>> lists;
    for (uint64_t box = 0; box < 6; ++box) lists.push_back(fixture.List(0, Key(Box(box))));
    return lists;
  }

  TemporaryFolder folder_;
  StoreFixture fixture_{2};
};

TEST_F(SnapshotTest, OfAnOpenStoreIsAStore) {
  Delete("box-2", {0, 1});
  const auto before = ListAll(fixture_);
  const auto report = fixture_.store().Snapshot(Copy(), kGoOn);
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_EQ(report->blobs, 2U);
  EXPECT_GE(report->segments, 1U);
  EXPECT_FALSE(fs::exists(Copy() + ".unfinished"));
  // What happens afterwards is not in it, not even the loss of what it holds.
  Delete("box-0", {0, 1, 2, 10});
  for (uint64_t i = 0; i < 30; ++i) fixture_.MustDeliver(0, Key(Box(i)), MakeMessage(i, 90'000));
  ASSERT_TRUE(fixture_.Close().ok());
  fs::remove_all(Store());
  EXPECT_EQ(DamagesOf(Copy()), 0U);
  StoreFixture restored(1);
  ASSERT_TRUE(restored.Open(SmallStoreOptions(Copy())).ok());
  EXPECT_EQ(restored.Metric("poplar_store_damages_total"), 0);
  EXPECT_EQ(ListAll(restored), before);
  restored.MustDeliver(0, Key("box-0"), MakeMessage(5));
  EXPECT_EQ(restored.List(0, Key("box-0")).size(), before[0].size() + 1);
  ASSERT_TRUE(restored.Close().ok());
  EXPECT_EQ(DamagesOf(Copy()), 0U);
}

TEST_F(SnapshotTest, OfAStoreThatNobodyServes) {
  const auto lists = ListAll(fixture_);
  // As a crash leaves it.
  TemporaryFolder crashed;
  CopyOpenStore(Store(), crashed.path());
  const auto before = ContentsOf(crashed.path());
  const auto report =
      SnapshotClosedStore({.path = crashed.path(), .directory = Copy(), .index_map_bytes = kGiB});
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_EQ(report->blobs, 2U);
  EXPECT_TRUE(ContentsOf(crashed.path()) == before);
  EXPECT_EQ(DamagesOf(Copy()), 0U);
  StoreFixture restored(1);
  ASSERT_TRUE(restored.Open(SmallStoreOptions(Copy())).ok());
  EXPECT_EQ(ListAll(restored), lists);
  ASSERT_TRUE(restored.Close().ok());
  // The store that it was made from has lost nothing by that.
  EXPECT_EQ(DamagesOf(crashed.path()), 0U);
  EXPECT_EQ(SnapshotClosedStore({.path = Store(), .directory = Copy() + "2"}).status().code(),
            StatusCode::kFailedPrecondition);  // It is open.
}

TEST_F(SnapshotTest, OfAStoreThatNeverServed) {
  TemporaryFolder fresh;
  ASSERT_TRUE(fixture_.Create(fresh.path(), 2).ok());
  ASSERT_TRUE(SnapshotClosedStore({.path = fresh.path(), .directory = Copy()}).ok());
  StoreFixture restored(1);
  ASSERT_TRUE(restored.Open(SmallStoreOptions(Copy())).ok());
  EXPECT_EQ(restored.List(0, Key("box-0")).size(), 0U);
}

TEST_F(SnapshotTest, AFailedOneLeavesNothing) {
  FaultyEnv env;
  ASSERT_TRUE(fixture_.Close().ok());
  StoreOptions options = SmallStoreOptions(Store());
  options.env = &env;
  ASSERT_TRUE(fixture_.Open(options).ok());
  env.failing_links = 1;
  EXPECT_FALSE(fixture_.store().Snapshot(Copy(), kGoOn).ok());
  EXPECT_FALSE(fs::exists(Copy()));
  EXPECT_FALSE(fs::exists(Copy() + ".unfinished"));
  const std::atomic<bool> cancel{true};
  EXPECT_EQ(fixture_.store().Snapshot(Copy(), cancel).status().code(), StatusCode::kCancelled);
  EXPECT_FALSE(fs::exists(Copy() + ".unfinished"));
  env.full = true;
  EXPECT_EQ(fixture_.store().Snapshot(Copy(), kGoOn).status().code(),
            StatusCode::kResourceExhausted);
  EXPECT_FALSE(fs::exists(Copy() + ".unfinished"));
  env.full = false;
  // The partitions go on, and the next one succeeds.
  fixture_.MustDeliver(0, Key("box-0"), MakeMessage(5));
  ASSERT_TRUE(fixture_.store().Snapshot(Copy(), kGoOn).ok());
  EXPECT_EQ(fixture_.store().Snapshot(Copy(), kGoOn).status().code(), StatusCode::kAlreadyExists);
  fs::create_directory(Copy() + "2.unfinished");
  EXPECT_EQ(fixture_.store().Snapshot(Copy() + "2", kGoOn).status().code(),
            StatusCode::kAlreadyExists);
  EXPECT_TRUE(fs::exists(Copy() + "2.unfinished"));  // Somebody else's.
  EXPECT_EQ(fixture_.store().Snapshot(folder_.path() + "/no/where", kGoOn).status().code(),
            StatusCode::kNotFound);
  EXPECT_TRUE(fixture_.Close().ok());
}

// A store that lacks what it should have.
class LossyTest : public SnapshotTest {
 protected:
  // That of message 103, which is the last of its box; each run has segments of its own.
  void LoseASegment() {
    ASSERT_TRUE(fixture_.Close().ok());
    for (uint64_t i = 100; i < 106; ++i) {
      ASSERT_TRUE(fixture_.Open(SmallStoreOptions(Store())).ok());
      fixture_.MustDeliver(0, Key(Box(i)), MakeMessage(i, 2000));
      ASSERT_TRUE(fixture_.Close().ok());
    }
    for (const auto& entry : fs::recursive_directory_iterator(Store())) {
      if (entry.path().extension() != ".seg") continue;
      const auto bytes = ContentsOf(entry.path().parent_path())[entry.path().filename()];
      if (bytes.find(MakeMessage(103, 2000).substr(0, 300)) == std::string::npos) continue;
      lost_ = entry.path();
    }
    ASSERT_FALSE(lost_.empty());
    fs::remove(lost_);
  }
  // Everything is there but what stood in the segment.
  void CheckCopy() {
    EXPECT_GT(DamagesOf(Copy()), 0U);
    StoreFixture restored(1);
    ASSERT_TRUE(restored.Open(SmallStoreOptions(Copy())).ok());
    for (uint64_t i : {100, 101, 102, 104, 105}) {
      EXPECT_EQ(BodyOf(restored, i), MakeMessage(i, 2000));
    }
    EXPECT_EQ(BodyOf(restored, 103), "");
    restored.MustDeliver(0, Key("box-0"), MakeMessage(5));
  }

  fs::path lost_;

 private:
  // The last message of its box; empty if it cannot be read.
  static std::string BodyOf(StoreFixture& store, uint64_t i) {
    OpenResult opened = store.OpenMaildrop(0, Key(Box(i)));
    if (opened.outcome != OpenOutcome::kOpen) return "no maildrop";
    const auto body = store.ReadBody(0, *opened.maildrop, opened.maildrop->count() - 1);
    EXPECT_EQ(store.Commit(0, std::move(opened.maildrop), {}), CommitOutcome::kDone);
    return body.value_or("");
  }
};

TEST_F(LossyTest, AnOpenStoreThatLostASegment) {
  LoseASegment();
  ASSERT_TRUE(fixture_.Open(SmallStoreOptions(Store())).ok());
  const auto report = fixture_.store().Snapshot(Copy(), kGoOn);
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_EQ(report->missing, 1U);
  EXPECT_EQ(report->blobs, 2U);
  CheckCopy();
}

TEST_F(LossyTest, AStoreThatNobodyServesAndThatLostASegment) {
  LoseASegment();
  const auto report = SnapshotClosedStore({.path = Store(), .directory = Copy()});
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_EQ(report->missing, 1U);
  CheckCopy();
}

TEST_F(LossyTest, AFileThatGoesMeanwhile) {
  FaultyEnv env;
  ASSERT_TRUE(fixture_.Close().ok());
  StoreOptions options = SmallStoreOptions(Store());
  options.env = &env;
  ASSERT_TRUE(fixture_.Open(options).ok());
  env.links_to_nothing = 2;  // The first is a trial.
  const auto report = fixture_.store().Snapshot(Copy(), kGoOn);
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_EQ(report->missing, 1U);
  StoreFixture restored(1);
  ASSERT_TRUE(restored.Open(SmallStoreOptions(Copy())).ok());
  ASSERT_TRUE(fixture_.Close().ok());  // While its disk is there.
}

// The segment that is written just now, whose end is copied.
TEST_F(LossyTest, ALogWhoseLastSegmentIsLostOrCutShort) {
  const auto superblock = ReadSuperblock(SystemEnv(), Store());
  ASSERT_TRUE(superblock.ok());
  const uint32_t partition = PlacePartition(*superblock, Key("box-0"));
  const fs::path segment = PartitionDirectory(Store(), partition) + "/log/00000001.seg";
  fs::resize_file(segment, 20'000);
  auto report = fixture_.store().Snapshot(Copy(), kGoOn);
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_EQ(report->missing, 1U);
  fs::remove(segment);
  report = fixture_.store().Snapshot(Copy() + "2", kGoOn);
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_EQ(report->missing, 1U);
  StoreFixture restored(1);
  for (const char* which : {"", "2"}) {
    ASSERT_TRUE(restored.Open(SmallStoreOptions(Copy() + which)).ok());
    restored.MustDeliver(0, Key("box-0"), MakeMessage(5));
    ASSERT_TRUE(restored.Close().ok());
  }
}

TEST_F(LossyTest, AnIndexThatIsUnsoundIsLeftOut) {
  const auto lists = ListAll(fixture_);
  ASSERT_TRUE(fixture_.Close().ok());
  fs::resize_file(Store() + "/p001/index/data.mdb", 100);
  const auto report = SnapshotClosedStore({.path = Store(), .directory = Copy()});
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_EQ(report->missing, 1U);
  StoreFixture restored(1);
  ASSERT_TRUE(restored.Open(SmallStoreOptions(Copy())).ok());
  EXPECT_EQ(ListAll(restored), lists);
}

// Blobs of messages that are deleted meanwhile, checkpoints, full segments.
TEST_F(SnapshotTest, UnderLoadEverythingAcknowledgedIsThere) {
  ASSERT_TRUE(fixture_.Close().ok());
  StoreOptions options = SmallStoreOptions(Store());
  options.checkpoint_changes = 20;
  options.blob_bytes_min = 64 * kKiB;
  ASSERT_TRUE(fixture_.Open(options).ok());
  std::atomic<bool> stop{false};
  std::atomic<uint64_t> delivered{0};
  std::thread load([&] {
    // Deletes the first message as soon as there are five; every third is a blob.
    for (uint64_t i = 0; !stop; ++i) {
      const auto outcomes = fixture_.Deliver(
          1, {Key("busy")}, MakeMessage(100'000 + i, i % 3 == 0 ? 100'000 : 30'000), 64 * kKiB);
      ASSERT_EQ(outcomes[0], DeliveryOutcome::kStored);
      delivered = i + 1;
      OpenResult opened = fixture_.OpenMaildrop(1, Key("busy"));
      ASSERT_EQ(opened.outcome, OpenOutcome::kOpen);
      std::vector<uint32_t> first;
      if (opened.maildrop->count() > 5) first.push_back(0);
      ASSERT_EQ(fixture_.Commit(1, std::move(opened.maildrop), first), CommitOutcome::kDone);
    }
  });
  for (int round = 0; round < 5; ++round) {
    while (delivered < uint64_t{30} * (round + 1)) std::this_thread::yield();
    const uint64_t acknowledged = delivered;
    const std::string copy = Copy() + std::to_string(round);
    const auto report = fixture_.store().Snapshot(copy, kGoOn);
    ASSERT_TRUE(report.ok()) << report.status();
    EXPECT_EQ(DamagesOf(copy), 0U);
    StoreFixture restored(1);
    ASSERT_TRUE(restored.Open(SmallStoreOptions(copy)).ok());
    EXPECT_EQ(restored.Metric("poplar_store_damages_total"), 0);
    const std::vector<Listed> busy = restored.List(0, Key("busy"));
    ASSERT_GE(busy.size(), 4U);
    // In a row, up to the last that was acknowledged before, or one that came later.
    uint64_t last = 0;
    for (uint64_t i = acknowledged - 1; i < delivered + 1; ++i) {
      if (busy.back().wire == MakeMessage(100'000 + i, i % 3 == 0 ? 100'000 : 30'000)) last = i;
    }
    ASSERT_NE(last, 0U);
    for (size_t k = 0; k < busy.size(); ++k) {
      const uint64_t i = last - (busy.size() - 1 - k);
      EXPECT_EQ(busy[k].wire, MakeMessage(100'000 + i, i % 3 == 0 ? 100'000 : 30'000));
    }
    ASSERT_TRUE(restored.Close().ok());
    fs::remove_all(copy);
  }
  stop = true;
  load.join();
  ASSERT_TRUE(fixture_.Close().ok());
  EXPECT_EQ(DamagesOf(Store()), 0U);
}

// The store goes on after the snapshot, in the same run and in a later one; the restored one, even
// where it is opened in the same second, gives none of those UIDLs.
TEST_F(SnapshotTest, ARestoredStoreGivesNoUidlAgain) {
  ASSERT_TRUE(fixture_.store().Snapshot(Copy(), kGoOn).ok());
  std::set<std::string> given;
  const auto deliver_and_keep = [&](StoreFixture& fixture) {
    for (uint64_t i = 0; i < 12; ++i) fixture.MustDeliver(0, Key(Box(i)), MakeMessage(i));
    std::set<std::string> uidls;
    for (const auto& list : ListAll(fixture)) {
      for (const Listed& message : list) uidls.insert(message.uidl);
    }
    return uidls;
  };
  const size_t in_snapshot = 62;
  given = deliver_and_keep(fixture_);
  ASSERT_TRUE(fixture_.Close().ok());
  StoreOptions options = SmallStoreOptions(Store());
  const StandingClock clock(options.clock->WallUs() + 10'000'000);
  options.clock = &clock;
  // More runs than seconds.
  constexpr size_t kRuns = 4;
  for (size_t run = 0; run < kRuns; ++run) {
    ASSERT_TRUE(fixture_.Open(options).ok());
    given.merge(deliver_and_keep(fixture_));
    ASSERT_TRUE(fixture_.Close().ok());
  }
  EXPECT_EQ(given.size(), in_snapshot + 12 * (1 + kRuns));

  StoreFixture restored(1);
  options.path = Copy();
  ASSERT_TRUE(restored.Open(options).ok());
  std::set<std::string> again = deliver_and_keep(restored);
  EXPECT_EQ(again.size(), in_snapshot + 12);
  size_t common = 0;
  for (const std::string& uidl : again) common += given.count(uidl);
  EXPECT_EQ(common, in_snapshot);
}

}  // namespace
}  // namespace poplar::storage
