// Compaction: the space of deleted mail comes back, and nothing else is to be seen of it.

#include <algorithm>
#include <atomic>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <thread>

#include "storage/segment/log_survey.h"
#include "storage/tools/verify.h"
#include "tests/support/faulty_env.h"
#include "tests/unit/storage/store_fixture.h"

namespace poplar::storage {
namespace {

constexpr uint64_t kMessageBytes = 30'000;

std::string User(uint64_t i) { return "user" + std::to_string(i); }

StoreOptions Options(const std::string& path) {
  StoreOptions options = SmallStoreOptions(path);
  options.segment_bytes = options.first_segment_bytes = kMiB;
  options.checkpoint_interval_ms = 20;
  options.compact_bytes_per_second = 0;
  return options;
}

class CompactionTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(fixture_.Create(folder_.path(), 1).ok());
    Open();
  }
  void Open() {
    StoreOptions options = Options(folder_.path());
    options.env = &env_;
    ASSERT_TRUE(fixture_.Open(options).ok());
  }
  void Reopen() {
    ASSERT_TRUE(fixture_.Close().ok());
    Open();
  }
  // So that everything is read from the segments.
  void ReopenWithoutIndex() {
    ASSERT_TRUE(fixture_.Close().ok());
    std::filesystem::remove_all(folder_.path() + "/p000/index");
    std::filesystem::create_directory(folder_.path() + "/p000/index");
    Open();
  }

  // `each` messages a user, one after the other, so that every segment holds mail of all.
  void Fill(uint64_t users, uint64_t each) {
    for (uint64_t i = 0; i < each; ++i) {
      for (uint64_t u = 0; u < users; ++u) {
        fixture_.MustDeliver(u % 2, Key(User(u)), MakeMessage(next_++, kMessageBytes));
      }
    }
  }
  // All but every `kept`th.
  void DeleteMost(const std::string& user, uint32_t kept) {
    OpenResult opened = fixture_.OpenMaildrop(1, Key(user));
    ASSERT_EQ(opened.outcome, OpenOutcome::kOpen);
    std::vector<uint32_t> deleted;
    for (uint32_t i = 0; i < opened.maildrop->count(); ++i) {
      if (kept == 0 || i % kept != 0) deleted.push_back(i);
    }
    ASSERT_EQ(fixture_.Commit(1, std::move(opened.maildrop), deleted), CommitOutcome::kDone);
  }
  // From the next start on, the first segment's middle.
  void MakeUnreadable() {
    ASSERT_TRUE(fixture_.Close().ok());
    env_.unreadable = "/00000001.seg";
    env_.unreadable_from = 300'000;
    env_.unreadable_to = 304'096;
  }
  uint64_t SegmentsOnDisk() const {
    const std::filesystem::directory_iterator files(folder_.path() + "/p000/log");
    return static_cast<uint64_t>(std::count_if(begin(files), end(files), [](const auto& file) {
      return file.path().extension() == ".seg";
    }));
  }
  bool OnDisk(uint32_t segment) const {
    return std::filesystem::exists(SegmentPath(folder_.path() + "/p000/log", segment));
  }
  std::vector<std::vector<Listed>> Lists(uint64_t users) {
    std::vector<std::vector<Listed>> lists;
    lists.reserve(users);
    for (uint64_t u = 0; u < users; ++u) lists.push_back(fixture_.List(0, Key(User(u))));
    return lists;
  }

  FaultyEnv env_;
  TemporaryFolder folder_;
  StoreFixture fixture_{2};
  uint64_t next_ = 1;
};

TEST_F(CompactionTest, SpaceComesBackAndMailStays) {
  Fill(4, 100);
  const uint64_t before = SegmentsOnDisk();
  EXPECT_GE(before, 12U);
  for (uint64_t u = 0; u < 4; ++u) DeleteMost(User(u), 10);
  const auto expected = Lists(4);
  EXPECT_TRUE(Eventually([&] { return SegmentsOnDisk() <= 5; })) << SegmentsOnDisk();
  EXPECT_FALSE(OnDisk(1));
  EXPECT_GE(fixture_.Metric("poplar_store_moved_messages_total"), 30);
  EXPECT_EQ(Lists(4), expected);
  Reopen();
  EXPECT_EQ(Lists(4), expected);
  EXPECT_EQ(fixture_.Metric("poplar_store_damages_total"), 0);
  ReopenWithoutIndex();
  EXPECT_EQ(Lists(4), expected);
  EXPECT_EQ(fixture_.Metric("poplar_store_damages_total"), 0);
}

TEST_F(CompactionTest, ASnapshotKeepsItsSegments) {
  Fill(2, 60);
  for (uint64_t u = 0; u < 2; ++u) DeleteMost(User(u), 10);
  OpenResult opened = fixture_.OpenMaildrop(1, Key(User(0)));
  ASSERT_EQ(opened.outcome, OpenOutcome::kOpen);
  const StatusOr<std::string> first = fixture_.ReadBody(1, *opened.maildrop, 0);
  ASSERT_TRUE(first.ok());
  // Emptied, but for who holds the old snapshot.
  EXPECT_TRUE(
      Eventually([&] { return fixture_.Metric("poplar_store_compacted_segments_total") >= 3; }));
  std::this_thread::sleep_for(std::chrono::milliseconds(600));
  EXPECT_TRUE(OnDisk(1));
  for (uint32_t i = 0; i < opened.maildrop->count(); ++i) {
    const StatusOr<std::string> body = fixture_.ReadBody(1, *opened.maildrop, i);
    ASSERT_TRUE(body.ok()) << body.status();
    EXPECT_EQ(*body == *first, i == 0);
  }
  ASSERT_EQ(fixture_.Commit(1, std::move(opened.maildrop), {}), CommitOutcome::kDone);
  EXPECT_TRUE(Eventually([&] { return !OnDisk(1); }));
}

// The deletions stand in segments that go before the ones with what they deleted.
TEST_F(CompactionTest, ARebuildBringsNothingBack) {
  Fill(2, 30);
  // Its segment holds too little that is dead to be emptied, so the deletions are needed for good.
  fixture_.MustDeliver(0, Key("stays"), MakeMessage(next_++, 930'000));
  Fill(2, 30);
  DeleteMost(User(0), 0);
  ASSERT_TRUE(fixture_.Remove(0, Key(User(1))).ok());
  // What follows is deleted, so that the segment with the deletions above holds little that lives.
  for (int round = 0; round < 3; ++round) {
    Fill(1, 60);
    DeleteMost(User(0), 0);
  }
  fixture_.MustDeliver(0, Key(User(1)), MakeMessage(4711));
  const auto expected = Lists(2);
  EXPECT_EQ(expected[0].size(), 0U);
  EXPECT_EQ(expected[1].size(), 1U);
  EXPECT_TRUE(Eventually([&] { return SegmentsOnDisk() <= 6; })) << SegmentsOnDisk();
  // The segment with the deletions may be the last of those that go.
  EXPECT_TRUE(
      Eventually([&] { return fixture_.Metric("poplar_store_carried_records_total") >= 1; }));
  ReopenWithoutIndex();
  EXPECT_EQ(Lists(2), expected);
  EXPECT_EQ(fixture_.List(0, Key("stays")).size(), 1U);
  EXPECT_EQ(fixture_.Metric("poplar_store_damages_total"), 0);
}

TEST_F(CompactionTest, BlobsKeepTheirNames) {
  const std::string large = MakeMessage(1, 1'200'000);
  fixture_.MustDeliver(0, Key(User(0)), large);
  Fill(1, 80);
  OpenResult opened = fixture_.OpenMaildrop(0, Key(User(0)));
  std::vector<uint32_t> small;
  for (uint32_t i = 1; i < opened.maildrop->count(); ++i) small.push_back(i);
  ASSERT_EQ(fixture_.Commit(0, std::move(opened.maildrop), small), CommitOutcome::kDone);
  const auto expected = Lists(1);
  ASSERT_EQ(expected[0].size(), 1U);
  EXPECT_TRUE(Eventually([&] { return !OnDisk(1); }));
  EXPECT_EQ(Lists(1), expected);
  ReopenWithoutIndex();
  EXPECT_EQ(Lists(1), expected);
  DeleteMost(User(0), 0);
  EXPECT_TRUE(Eventually([&] {
    const std::filesystem::recursive_directory_iterator files(folder_.path() + "/p000/blobs");
    return std::none_of(begin(files), end(files),
                        [](const auto& file) { return file.is_regular_file(); });
  }));
}

TEST_F(CompactionTest, ADamagedSegmentStaysAsItIs) {
  Fill(2, 60);
  ASSERT_TRUE(fixture_.Close().ok());
  {
    std::fstream file(SegmentPath(folder_.path() + "/p000/log", 1),
                      std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(210'000);
    file << "not what was written";
  }
  Open();
  for (uint64_t u = 0; u < 2; ++u) DeleteMost(User(u), 20);
  EXPECT_TRUE(Eventually([&] {
    return fixture_.Metric("poplar_store_compaction_failures_total") >= 1 && !OnDisk(2);
  }));
  EXPECT_TRUE(OnDisk(1));
  EXPECT_GE(fixture_.Metric("poplar_store_damages_total"), 1);
  fixture_.MustDeliver(0, Key(User(0)), MakeMessage(1));
}

// It is tried first, as the others have no more to gain.
TEST_F(CompactionTest, ASegmentThatCannotBeReadHoldsUpNoOther) {
  Fill(1, 120);
  MakeUnreadable();
  Open();
  DeleteMost(User(0), 0);
  EXPECT_TRUE(Eventually([&] { return !OnDisk(2) && !OnDisk(3); }));
  EXPECT_TRUE(OnDisk(1));
  EXPECT_GE(fixture_.Metric("poplar_store_compaction_failures_total"), 1);
  EXPECT_EQ(fixture_.Metric("poplar_store_damages_total"), 0);
}

// As an operator asks for it: with a budget under which nothing would end, and no checkpoint soon.
class ThoroughCompactionTest : public CompactionTest {
 protected:
  void SetUp() override {
    ASSERT_TRUE(fixture_.Create(folder_.path(), 1).ok());
    OpenSlow();
  }
  void OpenSlow() {
    StoreOptions options = Options(folder_.path());
    options.checkpoint_interval_ms = 3'600'000;
    options.compact_bytes_per_second = 1;
    options.env = &env_;
    ASSERT_TRUE(fixture_.Open(options).ok());
  }
  CompactionState Compact() {
    fixture_.store().BeginCompaction();
    EXPECT_TRUE(Eventually([&] { return !fixture_.store().Compaction().running; }));
    return fixture_.store().Compaction();
  }
};

TEST_F(ThoroughCompactionTest, GainsWhatCanBeGained) {
  Fill(2, 100);
  for (uint64_t u = 0; u < 2; ++u) DeleteMost(User(u), 3);
  const auto expected = Lists(2);
  const CompactionState before = fixture_.store().Compaction();
  EXPECT_FALSE(before.running);
  EXPECT_EQ(before.unlinked, 0U);
  const CompactionState after = Compact();
  EXPECT_GE(after.emptied, 4U);
  EXPECT_EQ(after.unlinked, after.emptied);
  EXPECT_EQ(after.failures, 0U);
  EXPECT_EQ(after.kept, 0U);
  EXPECT_LT(after.log_bytes, before.log_bytes);
  // But for the segment in use.
  EXPECT_LE(after.log_bytes, after.live_bytes * 100 / 80 + kMiB);
  EXPECT_FALSE(OnDisk(1));
  EXPECT_EQ(Lists(2), expected);
  ReopenWithoutIndex();
  EXPECT_EQ(Lists(2), expected);
}

TEST_F(ThoroughCompactionTest, PassesOverADamagedSegment) {
  Fill(2, 100);
  ASSERT_TRUE(fixture_.Close().ok());
  {
    std::fstream file(SegmentPath(folder_.path() + "/p000/log", 1),
                      std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(210'000);
    file << "not what was written";
  }
  OpenSlow();
  for (uint64_t u = 0; u < 2; ++u) DeleteMost(User(u), 3);
  const CompactionState after = Compact();
  EXPECT_EQ(after.kept, 1U);
  EXPECT_GE(after.failures, 1U);
  EXPECT_GE(after.emptied, 3U);
  EXPECT_EQ(after.unlinked, after.emptied);
  EXPECT_TRUE(OnDisk(1));
  EXPECT_FALSE(OnDisk(2));
}

TEST_F(ThoroughCompactionTest, PassesOverASegmentThatCannotBeRead) {
  Fill(1, 120);
  MakeUnreadable();
  OpenSlow();
  DeleteMost(User(0), 0);
  const CompactionState after = Compact();
  EXPECT_EQ(after.kept, 1U);
  EXPECT_EQ(after.failures, 1U);
  EXPECT_GE(after.emptied, 2U);
  EXPECT_EQ(after.unlinked, after.emptied);
  EXPECT_TRUE(OnDisk(1));
  EXPECT_FALSE(OnDisk(2));
  // The disk gives it again.
  ASSERT_TRUE(fixture_.Close().ok());
  env_.unreadable.clear();
  OpenSlow();
  EXPECT_EQ(Compact().kept, 0U);
  EXPECT_FALSE(OnDisk(1));
}

// Which of a maildrop's records live is not known: they stay where they are, as if all did. The
// segment is sound.
TEST_F(ThoroughCompactionTest, ADamagedListHoldsUpASegmentAndDamagesNone) {
  constexpr uint64_t kDamaged = 2;
  Fill(3, 70);
  ASSERT_TRUE(fixture_.Close().ok());
  DamageTotals(folder_.path(), 0, Key(User(kDamaged)));
  OpenSlow();
  for (uint64_t u = 0; u < kDamaged; ++u) DeleteMost(User(u), 0);
  // Each time that somebody asks.
  uint64_t failures = 0;
  for (int round = 0; round < 2; ++round) {
    const CompactionState after = Compact();
    EXPECT_EQ(after.kept, 0U);
    EXPECT_EQ(after.emptied, 0U);
    EXPECT_GE(after.failures, failures + 4);  // All with a third of theirs.
    failures = after.failures;
    EXPECT_TRUE(OnDisk(1));
  }
  EXPECT_EQ(fixture_.Metric("poplar_store_damages_total"), 1);  // The list.
  // The next start makes the index anew.
  ASSERT_TRUE(fixture_.Close().ok());
  OpenSlow();
  const CompactionState after = Compact();
  EXPECT_EQ(after.failures, 0U);
  EXPECT_GE(after.emptied, 4U);
  EXPECT_FALSE(OnDisk(1));
  EXPECT_EQ(fixture_.List(0, Key(User(kDamaged))).size(), 70U);
}

TEST_F(ThoroughCompactionTest, EndsWhereASessionStillSeesASegment) {
  Fill(1, 100);
  DeleteMost(User(0), 3);
  OpenResult opened = fixture_.OpenMaildrop(1, Key(User(0)));
  ASSERT_EQ(opened.outcome, OpenOutcome::kOpen);
  const CompactionState held = Compact();
  EXPECT_GE(held.emptied, 1U);
  EXPECT_EQ(held.unlinked, 0U);
  EXPECT_TRUE(OnDisk(1));
  ASSERT_EQ(fixture_.Commit(1, std::move(opened.maildrop), {}), CommitOutcome::kDone);
  EXPECT_TRUE(Eventually([&] { return !OnDisk(1); }));
}

TEST_F(ThoroughCompactionTest, ASnapshotMeanwhileIsWhole) {
  Fill(2, 100);
  for (uint64_t u = 0; u < 2; ++u) DeleteMost(User(u), 3);
  const auto expected = Lists(2);
  TemporaryFolder copies;
  const std::atomic<bool> go_on{false};
  constexpr uint32_t kCopies = 6;
  fixture_.store().BeginCompaction();
  for (uint32_t i = 0; i < kCopies; ++i) {
    const auto report = fixture_.store().Snapshot(copies.path() + "/" + std::to_string(i), go_on);
    ASSERT_TRUE(report.ok()) << report.status();
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
  }
  EXPECT_TRUE(Eventually([&] { return !fixture_.store().Compaction().running; }));
  ASSERT_TRUE(fixture_.Close().ok());
  for (uint32_t i = 0; i < kCopies; ++i) {
    const std::string copy = copies.path() + "/" + std::to_string(i);
    VerifyOptions verify;
    verify.path = copy;
    const auto report = VerifyStore(verify);
    ASSERT_TRUE(report.ok()) << report.status();
    EXPECT_EQ(report->damages, 0U);
    // Made from the log alone it brings nothing back, and loses nothing.
    std::filesystem::remove_all(copy + "/p000/index");
    ASSERT_TRUE(fixture_.Open(Options(copy)).ok());
    EXPECT_EQ(Lists(2), expected) << i;
    EXPECT_EQ(fixture_.Metric("poplar_store_damages_total"), 0);
    ASSERT_TRUE(fixture_.Close().ok());
  }
}

}  // namespace
}  // namespace poplar::storage
