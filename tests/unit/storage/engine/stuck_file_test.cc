// Files that do not go, cannot be read or are missing cost what they hold, and hold up nothing
// else.

#include <filesystem>
#include <string>
#include <vector>

#include "storage/tools/verify.h"
#include "tests/support/faulty_env.h"
#include "tests/unit/storage/store_fixture.h"

namespace poplar::storage {
namespace {

namespace fs = std::filesystem;

constexpr size_t kLargeBytes = 2 * kMiB;

class StuckFileTest : public testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(fixture_.Create(folder_.path(), 1).ok()); }
  void TearDown() override {
    // While its disk is there.
    const Status closed = fixture_.open() ? fixture_.Close() : OkStatus();
    EXPECT_TRUE(closed.ok()) << closed;
  }

  StoreOptions Options() {
    StoreOptions options = SmallStoreOptions(folder_.path());
    options.env = &env_;
    return options;
  }
  void Open() { ASSERT_TRUE(fixture_.Open(Options()).ok()); }
  void Reopen() {
    ASSERT_TRUE(fixture_.Close().ok());
    Open();
  }
  void DeliverLarge(const std::string& user, uint64_t count) {
    for (uint64_t i = 0; i < count; ++i) {
      fixture_.MustDeliver(0, Key(user), MakeMessage(next_++, kLargeBytes));
    }
  }
  void DeleteAll(const std::string& user) {
    OpenResult opened = fixture_.OpenMaildrop(0, Key(user));
    ASSERT_EQ(opened.outcome, OpenOutcome::kOpen);
    std::vector<uint32_t> all;
    for (uint32_t i = 0; i < opened.maildrop->count(); ++i) all.push_back(i);
    ASSERT_EQ(fixture_.Commit(0, std::move(opened.maildrop), all), CommitOutcome::kDone);
  }
  std::vector<fs::path> Blobs() const {
    std::vector<fs::path> blobs;
    for (const auto& entry : fs::recursive_directory_iterator(folder_.path() + "/p000/blobs")) {
      if (entry.is_regular_file()) blobs.push_back(entry.path());
    }
    return blobs;
  }
  std::string LogPath(const std::string& name) const {
    return folder_.path() + "/p000/log/" + name;
  }

  TemporaryFolder folder_;
  FaultyEnv env_;
  StoreFixture fixture_{1};
  uint64_t next_ = 1;
};

TEST_F(StuckFileTest, ABlobThatStaysKeepsNoOtherAndNoCheckpoint) {
  Open();
  DeliverLarge("alice", 3);
  ASSERT_TRUE(fixture_.Close().ok());
  ASSERT_EQ(Blobs().size(), 3U);
  env_.stuck = Blobs()[0].filename().string();
  StoreOptions options = Options();
  options.checkpoint_interval_ms = 20;
  ASSERT_TRUE(fixture_.Open(options).ok());
  DeleteAll("alice");
  EXPECT_TRUE(Eventually([&] { return Blobs().size() == 1; }));
  EXPECT_TRUE(Eventually([&] { return fixture_.Metric("poplar_store_damages_total") == 1; }));
  const double before = fixture_.Metric("poplar_store_checkpoints_total");
  fixture_.MustDeliver(0, Key("bob"), MakeMessage(next_++));
  EXPECT_TRUE(
      Eventually([&] { return fixture_.Metric("poplar_store_checkpoints_total") > before; }));
  Reopen();
  EXPECT_TRUE(fixture_.List(0, Key("alice")).empty());
  EXPECT_EQ(fixture_.List(0, Key("bob")).size(), 1U);
}

TEST_F(StuckFileTest, ABlobThatStaysKeepsNoStoreFromClosingAndStarting) {
  Open();
  DeliverLarge("alice", 2);
  ASSERT_TRUE(fixture_.Close().ok());
  env_.stuck = Blobs()[0].filename().string();
  Open();
  TemporaryFolder crashed;
  DeleteAll("alice");
  CopyOpenStore(folder_.path(), crashed.path());
  ASSERT_TRUE(fixture_.Close().ok());
  EXPECT_EQ(Blobs().size(), 1U);
  StoreOptions options = SmallStoreOptions(crashed.path());
  options.env = &env_;
  ASSERT_TRUE(fixture_.Open(options).ok());
  EXPECT_TRUE(fixture_.List(0, Key("alice")).empty());
  EXPECT_TRUE(fixture_.Close().ok());  // While its folder is there.
}

TEST_F(StuckFileTest, ASegmentThatStaysKeepsNoOther) {
  StoreOptions options = Options();
  options.segment_bytes = options.first_segment_bytes = kMiB;
  options.checkpoint_interval_ms = 20;
  options.compact_bytes_per_second = 0;
  env_.stuck = "/00000001.seg";
  ASSERT_TRUE(fixture_.Open(options).ok());
  for (int i = 0; i < 150; ++i) {
    fixture_.MustDeliver(0, Key("alice"), MakeMessage(next_++, 30'000));
  }
  DeleteAll("alice");
  fixture_.store().BeginCompaction();
  EXPECT_TRUE(Eventually([&] { return !fs::exists(LogPath("00000002.seg")); }));
  EXPECT_TRUE(Eventually([&] { return !fixture_.store().Compaction().running; }));
  EXPECT_TRUE(fs::exists(LogPath("00000001.seg")));
  EXPECT_EQ(fixture_.store().Compaction().failures, 1U);  // Told, and not again at each try.
}

// What the run before was in the middle of; folders stand for what cannot be unlinked.
TEST_F(StuckFileTest, LeftoversThatStayKeepNoStoreFromStarting) {
  Open();
  fixture_.MustDeliver(0, Key("alice"), MakeMessage(next_++));
  ASSERT_TRUE(fixture_.Close().ok());
  fs::create_directory(folder_.path() + "/incoming/123.tmp");
  fs::create_directory(LogPath("000000ff.tmp"));
  Open();
  DeliverLarge("alice", 1);
  Reopen();
  EXPECT_EQ(fixture_.List(0, Key("alice")).size(), 2U);
  EXPECT_TRUE(fs::exists(LogPath("000000ff.tmp")));
  EXPECT_EQ(fixture_.Metric("poplar_store_damages_total"), 1);
}

// One that was laid out and never written to.
TEST_F(StuckFileTest, AnEmptySegmentThatStaysKeepsNoStoreFromStarting) {
  Open();
  fixture_.MustDeliver(0, Key("alice"), MakeMessage(next_++));
  TemporaryFolder crashed;
  CopyOpenStore(folder_.path(), crashed.path());
  ASSERT_TRUE(fixture_.Close().ok());
  const std::string log = crashed.path() + "/p000/log/";
  ASSERT_TRUE(fs::exists(log + "00000002.seg"));
  env_.stuck = "/00000002.seg";
  StoreOptions options = SmallStoreOptions(crashed.path());
  options.env = &env_;
  for (int round = 0; round < 2; ++round) {
    ASSERT_TRUE(fixture_.Open(options).ok());
    fixture_.MustDeliver(0, Key("alice"), MakeMessage(next_++));
    ASSERT_TRUE(fixture_.Close().ok());
    fs::remove_all(crashed.path() + "/p000/index");  // So that all of the log is read.
  }
  EXPECT_TRUE(fs::exists(log + "00000002.seg"));
  ASSERT_TRUE(fixture_.Open(options).ok());
  EXPECT_EQ(fixture_.List(0, Key("alice")).size(), 3U);
  EXPECT_GE(fixture_.Metric("poplar_store_damages_total"), 1);
  ASSERT_TRUE(fixture_.Close().ok());  // While its folder is there.
}

TEST_F(StuckFileTest, BodiesStayWhereTheirRecordsAreLost) {
  Open();
  DeliverLarge("alice", 2);
  ASSERT_TRUE(fixture_.Close().ok());
  fs::rename(LogPath("00000001.seg"), folder_.path() + "/aside");
  fs::remove_all(folder_.path() + "/p000/index");
  for (int round = 0; round < 2; ++round) {
    Open();
    EXPECT_TRUE(fixture_.List(0, Key("alice")).empty());
    ASSERT_TRUE(fixture_.Close().ok());
    EXPECT_EQ(Blobs().size(), 2U);
  }
  // The segment is found after all.
  fs::rename(folder_.path() + "/aside", LogPath("00000001.seg"));
  fs::remove_all(folder_.path() + "/p000/index");
  Open();
  EXPECT_EQ(fixture_.List(0, Key("alice")).size(), 2U);
}

TEST_F(StuckFileTest, ASnapshotOfALogWithABlockThatCannotBeRead) {
  Open();
  for (int i = 0; i < 5; ++i) {
    fixture_.MustDeliver(0, Key("alice"), MakeMessage(next_++, 9'000));
  }
  ASSERT_TRUE(fixture_.Close().ok());
  env_.unreadable = "/00000001.seg";
  env_.unreadable_from = 20'480;
  env_.unreadable_to = 20'481;
  Open();
  const std::string copy = folder_.path() + "-copy";
  const auto report = fixture_.store().Snapshot(copy, {});
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_EQ(report->missing, 1U);
  StoreFixture restored(1);
  ASSERT_TRUE(restored.Open(SmallStoreOptions(copy)).ok());
  OpenResult opened = restored.OpenMaildrop(0, Key("alice"));
  ASSERT_EQ(opened.outcome, OpenOutcome::kOpen);
  size_t whole = 0;
  for (uint32_t i = 0; i < opened.maildrop->count(); ++i) {
    whole += restored.ReadBody(0, *opened.maildrop, i).ok() ? 1 : 0;
  }
  EXPECT_EQ(whole, 4U);
  restored.On(0, [&] { opened.maildrop.reset(); });
  ASSERT_TRUE(restored.Close().ok());
  fs::remove_all(copy);
}

TEST_F(StuckFileTest, VerifyGoesOnBehindASegmentThatCannotBeRead) {
  Open();
  DeliverLarge("alice", 1);
  ASSERT_TRUE(fixture_.Close().ok());
  env_.unreadable = "/00000001.seg";
  env_.unreadable_to = kSegmentBytesMax;
  VerifyOptions verify;
  verify.path = folder_.path();
  verify.env = &env_;
  const auto report = VerifyStore(verify);
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_GE(report->damages, 1U);
}

// As a copy is that leaves out what is empty.
TEST_F(StuckFileTest, EmptyFoldersThatAreMissingAreMade) {
  Open();
  fixture_.MustDeliver(0, Key("alice"), MakeMessage(next_++));
  ASSERT_TRUE(fixture_.Close().ok());
  fs::remove_all(folder_.path() + "/incoming");
  fs::remove_all(folder_.path() + "/p000/blobs");
  Open();
  DeliverLarge("alice", 1);
  Reopen();
  EXPECT_EQ(fixture_.List(0, Key("alice")).size(), 2U);
  ASSERT_TRUE(fixture_.Close().ok());
  fs::rename(folder_.path() + "/p000/blobs", folder_.path() + "/aside");
  const Status refused = fixture_.Open(Options());
  EXPECT_EQ(refused.code(), StatusCode::kFailedPrecondition) << refused;
  fs::rename(folder_.path() + "/aside", folder_.path() + "/p000/blobs");
  Open();
  EXPECT_EQ(fixture_.List(0, Key("alice")).size(), 2U);
}

}  // namespace
}  // namespace poplar::storage
