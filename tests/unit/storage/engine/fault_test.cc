// A disk that fails or is full: each answer says so, nothing half-done is found later, and the
// store goes on.

#include "tests/support/faulty_env.h"
#include "tests/unit/storage/store_fixture.h"

namespace poplar::storage {
namespace {

class FaultTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(fixture_.Create(folder_.path(), 1).ok());
    options_ = SmallStoreOptions(folder_.path());
    options_.env = &env_;
    options_.reserve_bytes = 1;
    ASSERT_TRUE(fixture_.Open(options_).ok());
  }
  void TearDown() override {
    if (!fixture_.open()) return;
    EXPECT_TRUE(fixture_.Close().ok());
  }
  DeliveryOutcome Deliver(uint64_t seed, size_t bytes = 2000) {
    return fixture_.Deliver(0, {Key("alice")}, MakeMessage(seed, bytes))[0];
  }
  void ExpectListed(StoreFixture& fixture, const std::vector<uint64_t>& seeds) {
    const std::vector<Listed> list = fixture.List(0, Key("alice"));
    ASSERT_EQ(list.size(), seeds.size());
    for (size_t i = 0; i < seeds.size(); ++i) EXPECT_EQ(list[i].wire, MakeMessage(seeds[i], 2000));
  }

  FaultyEnv env_;
  TemporaryFolder folder_;
  StoreFixture fixture_{1};
  StoreOptions options_;
};

TEST_F(FaultTest, AFailedFlushFailsItsBatchOnly) {
  EXPECT_EQ(Deliver(1), DeliveryOutcome::kStored);
  env_.failing_flushes = 1;
  EXPECT_EQ(Deliver(2), DeliveryOutcome::kTemporary);
  EXPECT_EQ(Deliver(3), DeliveryOutcome::kStored);
  env_.failing_writes = 1;
  EXPECT_EQ(Deliver(4), DeliveryOutcome::kTemporary);
  EXPECT_EQ(Deliver(5), DeliveryOutcome::kStored);
  ExpectListed(fixture_, {1, 3, 5});
  EXPECT_EQ(fixture_.Metric("poplar_store_failed_batches_total"), 2);
  // The batch whose flush failed stands whole in its segment; the next segment says that it does
  // not count.
  TemporaryFolder crashed;
  CopyOpenStore(folder_.path(), crashed.path());
  StoreFixture after(1);
  ASSERT_TRUE(after.Open(SmallStoreOptions(crashed.path())).ok());
  ExpectListed(after, {1, 3, 5});
  EXPECT_EQ(after.Metric("poplar_store_damages_total"), 0);
}

TEST_F(FaultTest, ACommitWhoseFlushFailsIsUnknownAndDeletesNothing) {
  EXPECT_EQ(Deliver(1), DeliveryOutcome::kStored);
  OpenResult opened = fixture_.OpenMaildrop(0, Key("alice"));
  ASSERT_EQ(opened.outcome, OpenOutcome::kOpen);
  env_.failing_flushes = 1;
  EXPECT_EQ(fixture_.Commit(0, std::move(opened.maildrop), {0}), CommitOutcome::kUnknown);
  ExpectListed(fixture_, {1});  // And the lease is free.
}

TEST_F(FaultTest, AFullDiskRefusesMailAndStillDeletes) {
  uint64_t stored = 0;
  while (stored < 4) stored += Deliver(stored) == DeliveryOutcome::kStored ? 1 : 0;
  env_.full = true;
  DeliveryOutcome outcome = DeliveryOutcome::kStored;
  for (int i = 0; i < 50 && outcome == DeliveryOutcome::kStored; ++i) {
    outcome = fixture_.Deliver(0, {Key("bob")}, MakeMessage(i, 500 * kKiB))[0];
  }
  EXPECT_EQ(outcome, DeliveryOutcome::kFull);
  // Until the segment in use holds nothing more at all: deletions must take the reserve.
  outcome = DeliveryOutcome::kStored;
  for (int i = 0; i < 1000 && outcome == DeliveryOutcome::kStored; ++i) {
    outcome = fixture_.Deliver(0, {Key("bob")}, MakeMessage(i, 3500))[0];
  }
  EXPECT_EQ(outcome, DeliveryOutcome::kFull);
  EXPECT_EQ(Deliver(9, 2 * kMiB), DeliveryOutcome::kFull);  // A blob.
  ExpectListed(fixture_, {0, 1, 2, 3});
  OpenResult opened = fixture_.OpenMaildrop(0, Key("alice"));
  ASSERT_EQ(opened.outcome, OpenOutcome::kOpen);
  EXPECT_EQ(fixture_.Commit(0, std::move(opened.maildrop), {0, 1}), CommitOutcome::kDone);
  EXPECT_TRUE(fixture_.Remove(0, Key("bob")).ok());
  ExpectListed(fixture_, {2, 3});

  env_.full = false;
  outcome = DeliveryOutcome::kFull;
  for (int i = 0; i < 500 && outcome != DeliveryOutcome::kStored; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
    outcome = Deliver(4);
  }
  EXPECT_EQ(outcome, DeliveryOutcome::kStored);
  ExpectListed(fixture_, {2, 3, 4});
}

TEST_F(FaultTest, ALinkThatFailsFailsItsRecipientOnly) {
  env_.failing_links = 1;
  const auto outcomes =
      fixture_.Deliver(0, {Key("alice"), Key("bob")}, MakeMessage(1, 2 * kMiB), 100'000);
  EXPECT_EQ(outcomes,
            (std::vector<DeliveryOutcome>{DeliveryOutcome::kTemporary, DeliveryOutcome::kStored}));
  EXPECT_TRUE(fixture_.List(0, Key("alice")).empty());
  EXPECT_EQ(fixture_.List(0, Key("bob")).size(), 1U);
}

// Everybody who logs in reads the index here: it is all that is left of a list after a checkpoint.
TEST_F(FaultTest, AnIndexThatCouldNotBeWrittenIsOpenedAgain) {
  ASSERT_TRUE(fixture_.Close().ok());
  options_.checkpoint_interval_ms = 20;
  options_.list_cache_bytes = 0;
  ASSERT_TRUE(fixture_.Open(options_).ok());
  const auto user = [](uint64_t i) { return Key("user" + std::to_string(i % 5)); };
  for (uint64_t i = 0; i < 20; ++i) fixture_.MustDeliver(0, user(i), MakeMessage(i));
  ASSERT_TRUE(Eventually([&] {
    return fixture_.Metric("poplar_store_pending_changes") == 0 &&
           fixture_.Metric("poplar_store_list_cache_bytes") == 0;
  }));
  BreakIndexHead(folder_.path() + "/p000/index");
  for (uint64_t i = 20; i < 40; ++i) fixture_.MustDeliver(0, user(i), MakeMessage(i));
  ASSERT_TRUE(
      Eventually([&] { return fixture_.Metric("poplar_store_checkpoint_failures_total") >= 1; }));
  for (const bool reopened : {false, true}) {
    for (uint64_t u = 0; u < 5; ++u) {
      const std::vector<Listed> list = fixture_.List(0, user(u));
      ASSERT_EQ(list.size(), 8U) << reopened;
      for (uint64_t i = 0; i < 8; ++i) EXPECT_EQ(list[i].wire, MakeMessage(u + 5 * i));
    }
    if (reopened) break;
    EXPECT_TRUE(
        Eventually([&] { return fixture_.Metric("poplar_store_index_reopened_total") == 1; }));
    EXPECT_EQ(fixture_.Metric("poplar_store_index_unsound"), 0);
    EXPECT_TRUE(fixture_.Close().ok());
    ASSERT_TRUE(fixture_.Open(options_).ok());
    EXPECT_EQ(fixture_.Metric("poplar_store_damages_total"), 0);
  }
}

}  // namespace
}  // namespace poplar::storage
