// Sessions: exclusive leases, snapshots that never change, deletions that are all or nothing.

#include <set>

#include "tests/unit/storage/store_fixture.h"

namespace poplar::storage {
namespace {

class SessionTest : public testing::TestWithParam<uint32_t> {
 protected:
  void SetUp() override {
    ASSERT_TRUE(fixture_.Create(folder_.path(), 2).ok());
    ASSERT_TRUE(fixture_.Open(SmallStoreOptions(folder_.path())).ok());
    for (uint64_t i = 0; i < 100; ++i) fixture_.MustDeliver(0, Key("alice"), MakeMessage(i));
  }
  uint32_t Last() const { return GetParam() - 1; }

  TemporaryFolder folder_;
  StoreFixture fixture_{GetParam()};
};

TEST_P(SessionTest, OneSessionAMaildrop) {
  OpenResult first = fixture_.OpenMaildrop(0, Key("alice"), SessionId(41));
  ASSERT_EQ(first.outcome, OpenOutcome::kOpen);
  const OpenResult second = fixture_.OpenMaildrop(Last(), Key("alice"), SessionId(42));
  EXPECT_EQ(second.outcome, OpenOutcome::kInUse);
  EXPECT_EQ(second.held_by.session, SessionId(41));
  EXPECT_EQ(second.held_by.shard, ShardIndex(0));
  fixture_.MustDeliver(Last(), Key("alice"), MakeMessage(7));  // Never blocked by a lease.
  EXPECT_EQ(fixture_.Commit(0, std::move(first.maildrop), {}), CommitOutcome::kDone);
  OpenResult third = fixture_.OpenMaildrop(Last(), Key("alice"), SessionId(43));
  EXPECT_EQ(third.outcome, OpenOutcome::kOpen);
  fixture_.On(Last(), [&] { third.maildrop.reset(); });  // Gives the lease back without a commit.
  for (int i = 0; i < 1000; ++i) {
    OpenResult fourth = fixture_.OpenMaildrop(0, Key("alice"));
    if (fourth.outcome != OpenOutcome::kOpen) continue;
    EXPECT_EQ(fixture_.Commit(0, std::move(fourth.maildrop), {}), CommitOutcome::kDone);
    return;
  }
  FAIL() << "the lease never came back";
}

TEST_P(SessionTest, ASnapshotNeverChanges) {
  OpenResult opened = fixture_.OpenMaildrop(Last(), Key("alice"));
  ASSERT_EQ(opened.outcome, OpenOutcome::kOpen);
  for (uint64_t i = 0; i < 50; ++i) fixture_.MustDeliver(0, Key("alice"), MakeMessage(1000 + i));
  EXPECT_EQ(opened.maildrop->count(), 100U);
  std::set<std::string> uidls;
  uint64_t octets = 0;
  for (uint32_t i = 0; i < 100; ++i) {
    const MessageInfo info = opened.maildrop->Info(MessagePosition(i));
    uidls.insert(std::string(info.uidl));
    octets += info.octets;
    EXPECT_EQ(info.octets + 3, info.wire_bytes);
    EXPECT_EQ(info.received_us, 1'700'000'000'000'000);
    const StatusOr<std::string> wire = fixture_.ReadBody(Last(), *opened.maildrop, i);
    ASSERT_TRUE(wire.ok()) << wire.status();
    EXPECT_EQ(*wire, MakeMessage(i));
  }
  EXPECT_EQ(uidls.size(), 100U);
  EXPECT_EQ(octets, opened.maildrop->octets());
  EXPECT_EQ(fixture_.Commit(Last(), std::move(opened.maildrop), {}), CommitOutcome::kDone);
  EXPECT_EQ(fixture_.List(0, Key("alice")).size(), 150U);
}

TEST_P(SessionTest, DeletesWhatItSaysAndNothingElse) {
  const std::vector<Listed> before = fixture_.List(0, Key("alice"));
  OpenResult opened = fixture_.OpenMaildrop(Last(), Key("alice"));
  ASSERT_EQ(opened.outcome, OpenOutcome::kOpen);
  fixture_.MustDeliver(0, Key("alice"), MakeMessage(5000));
  std::unique_ptr<io::Body> kept_open;
  fixture_.On(Last(), [&] { kept_open = opened.maildrop->OpenBody(MessagePosition(0)); });
  std::vector<uint32_t> deleted;
  std::vector<Listed> expected;
  for (uint32_t i = 0; i < 100; ++i) {
    if (i % 3 == 0 || (i >= 40 && i < 80)) {
      deleted.push_back(i);
    } else {
      expected.push_back(before[i]);
    }
  }
  EXPECT_EQ(fixture_.Commit(Last(), std::move(opened.maildrop), deleted), CommitOutcome::kDone);
  // A body that was open stays readable.
  const auto wire = fixture_.Run<StatusOr<std::string>>(
      Last(), [&](ShardStore*) { return ReadTask(kept_open.get()); });
  ASSERT_TRUE(wire.ok()) << wire.status();
  EXPECT_EQ(*wire, before[0].wire);
  fixture_.On(Last(), [&] { kept_open.reset(); });

  std::vector<Listed> after = fixture_.List(0, Key("alice"));
  ASSERT_EQ(after.size(), expected.size() + 1);
  EXPECT_EQ(after.back().wire, MakeMessage(5000));
  after.pop_back();
  EXPECT_EQ(after, expected);
  const auto totals = fixture_.Totals(Last(), Key("alice"));
  ASSERT_TRUE(totals.ok());
  EXPECT_EQ(totals->messages, expected.size() + 1);
}

TEST_P(SessionTest, RepeatingACommitDoesNoHarm) {
  OpenResult opened = fixture_.OpenMaildrop(0, Key("alice"));
  ASSERT_EQ(opened.outcome, OpenOutcome::kOpen);
  const std::vector<MessagePosition> both{MessagePosition(1), MessagePosition(1)};
  EXPECT_EQ(fixture_.Run<CommitOutcome>(
                0, [&](ShardStore*) { return CommitTask(opened.maildrop.get(), both); }),
            CommitOutcome::kDone);
  EXPECT_EQ(fixture_.Run<CommitOutcome>(
                0, [&](ShardStore*) { return CommitTask(opened.maildrop.get(), both); }),
            CommitOutcome::kRefused);
  fixture_.On(0, [&] { opened.maildrop.reset(); });
  EXPECT_EQ(fixture_.List(0, Key("alice")).size(), 99U);
}

TEST_P(SessionTest, RemovalEndsTheLeaseAndEverythingBefore) {
  const std::vector<Listed> before = fixture_.List(0, Key("alice"));
  OpenResult opened = fixture_.OpenMaildrop(Last(), Key("alice"));
  ASSERT_EQ(opened.outcome, OpenOutcome::kOpen);
  EXPECT_FALSE(opened.maildrop->lease_lost());
  EXPECT_TRUE(fixture_.Remove(0, Key("alice")).ok());
  EXPECT_TRUE(opened.maildrop->lease_lost());
  fixture_.MustDeliver(0, Key("alice"), MakeMessage(9));  // The same key, made again.
  EXPECT_EQ(fixture_.Commit(Last(), std::move(opened.maildrop), {0}), CommitOutcome::kRefused);
  const std::vector<Listed> after = fixture_.List(0, Key("alice"));
  ASSERT_EQ(after.size(), 1U);
  for (const Listed& old : before) EXPECT_NE(old.uidl, after[0].uidl);
  EXPECT_EQ(fixture_.Metric("poplar_store_leases"), 0);
}

INSTANTIATE_TEST_SUITE_P(Shards, SessionTest, testing::Values(1, 3));

}  // namespace
}  // namespace poplar::storage
