// Deleted mail that is kept, and brought back; mail that expires.

#include <algorithm>
#include <array>
#include <fstream>
#include <iterator>
#include <numeric>

#include "storage/format/superblock.h"
#include "storage/tools/verify.h"
#include "tests/unit/storage/engine/policy_fixture.h"

namespace poplar::storage {
namespace {

class KeptTest : public PolicyTest {
 protected:
  void SetUp() override {
    SetPolicy({.name = "one", .keep_deleted_days = 10});
    PolicyTest::SetUp();
  }
  StoreOptions Options() override {
    StoreOptions options = PolicyTest::Options();
    options.blob_bytes_min = 20'000;
    options.segment_bytes = options.first_segment_bytes = kMiB;
    options.compact_bytes_per_second = 0;
    return options;
  }
  void Fill(const std::string& user, uint64_t messages, size_t bytes = 200) {
    for (uint64_t i = 0; i < messages; ++i) {
      fixture_.MustDeliver(0, Key(user), MakeMessage(i, bytes));
    }
  }
  Superblock ReadSuperblock() const {
    std::ifstream file(folder_.path() + "/superblock", std::ios::binary);
    const std::string block{std::istreambuf_iterator<char>(file), {}};
    return DecodeSuperblock(block).value();
  }
  // Two in each partition, in the order of their keys: a store places maildrops by a seed of its
  // own.
  std::vector<std::string> SpreadUsers() {
    const Superblock superblock = ReadSuperblock();
    std::vector<std::string> users;
    std::array<int, 2> in_partition{};
    for (int i = 0; users.size() < 4; ++i) {
      std::string user = "user" + std::to_string(i);
      int& placed = in_partition.at(PlacePartition(superblock, Key(user)));
      if (placed == 2) continue;
      ++placed;
      users.push_back(std::move(user));
    }
    return users;
  }
  uint64_t Damages() {
    VerifyOptions options;
    options.path = folder_.path();
    const auto report = VerifyStore(options);
    return report.ok() ? report->damages : UINT64_MAX;
  }
};

TEST_F(KeptTest, WhatASessionDeletedIsListedAndInNoTotals) {
  Fill("alice", 4);
  const std::vector<Listed> before = fixture_.List(0, Key("alice"));
  ASSERT_EQ(Session(Key("alice"), {1, 3}, {}, SessionId(77)), CommitOutcome::kDone);
  EXPECT_EQ(fixture_.List(0, Key("alice")), (std::vector<Listed>{before[0], before[2]}));
  const std::vector<KeptMessage> kept = Kept(Key("alice"));
  ASSERT_EQ(kept.size(), 2U);
  EXPECT_EQ(kept[0].uidl, before[1].uidl);
  EXPECT_EQ(kept[1].uidl, before[3].uidl);
  EXPECT_EQ(kept[0].deleted_by, SessionId(77));
  EXPECT_EQ(kept[0].octets, before[1].wire.size() - 3);
  EXPECT_EQ(kept[0].received_us, 1'700'000'000'000'000);
  EXPECT_LE(kept[0].deleted_us, clock_.WallUs());
  const auto totals = fixture_.Totals(0, Key("alice"));
  EXPECT_EQ(totals->messages, 2U);
  EXPECT_EQ(totals->kept_messages, 2U);
}

TEST_F(KeptTest, OneComesBackAsANewMessage) {
  Fill("alice", 3);
  const std::vector<Listed> before = fixture_.List(0, Key("alice"));
  ASSERT_EQ(Session(Key("alice"), {0, 1}), CommitOutcome::kDone);
  UndeleteRequest request;
  request.uidl = before[1].uidl;
  EXPECT_EQ(Undelete(Key("alice"), request), 1U);
  EXPECT_EQ(Undelete(Key("alice"), request), 0U);  // Once.
  const std::vector<Listed> after = fixture_.List(1, Key("alice"));
  ASSERT_EQ(after.size(), 2U);
  EXPECT_EQ(after[0], before[2]);
  EXPECT_EQ(after[1].wire, before[1].wire);
  for (const Listed& old : before) EXPECT_NE(after[1].uidl, old.uidl);
  ASSERT_EQ(Kept(Key("alice")).size(), 1U);
  EXPECT_EQ(Kept(Key("alice"))[0].uidl, before[0].uidl);
  OpenResult opened = fixture_.OpenMaildrop(0, Key("alice"));
  EXPECT_EQ(opened.maildrop->Info(MessagePosition(1)).received_us, 1'700'000'000'000'000);
  fixture_.On(0, [&] { opened.maildrop.reset(); });
}

TEST_F(KeptTest, OneSessionsDeletionsComeBackOrAllSinceATime) {
  Fill("alice", 6);
  ASSERT_EQ(Session(Key("alice"), {0, 1}, {}, SessionId(5)), CommitOutcome::kDone);
  clock_.AddDays(2);
  const int64_t then_us = clock_.WallUs();
  ASSERT_EQ(Session(Key("alice"), {0}, {}, SessionId(6)), CommitOutcome::kDone);
  ASSERT_EQ(Session(Key("alice"), {0}, {}, SessionId(5)), CommitOutcome::kDone);
  UndeleteRequest of_session;
  of_session.session = SessionId(6);
  EXPECT_EQ(Undelete(Key("alice"), of_session), 1U);
  UndeleteRequest since;
  since.since_us = then_us;
  EXPECT_EQ(Undelete(Key("alice"), since), 1U);
  EXPECT_EQ(Undelete(Key("alice"), {}), 2U);
  EXPECT_EQ(fixture_.List(0, Key("alice")).size(), 6U);
  EXPECT_TRUE(Kept(Key("alice")).empty());
}

TEST_F(KeptTest, BlobsAreKeptAndComeBackToo) {
  const std::string wire = MakeMessage(1, 100'000);
  fixture_.MustDeliver(0, Key("alice"), wire);
  ASSERT_EQ(Session(Key("alice"), {0}), CommitOutcome::kDone);
  Reopen();
  EXPECT_EQ(Undelete(Key("alice"), {}), 1U);
  Reopen();
  const std::vector<Listed> list = fixture_.List(0, Key("alice"));
  ASSERT_EQ(list.size(), 1U);
  EXPECT_EQ(list[0].wire, wire);
  ASSERT_TRUE(fixture_.Close().ok());
  EXPECT_EQ(Damages(), 0U);
}

// The log says what is kept until the index is made anew.
TEST_F(KeptTest, ADamagedListOfKeptMailKeepsNobodyFromDeleting) {
  Fill("alice", 3);
  fixture_.MustDeliver(0, Key("alice"), MakeMessage(1, 100'000));
  const std::vector<Listed> before = fixture_.List(0, Key("alice"));
  ASSERT_EQ(Session(Key("alice"), {0}), CommitOutcome::kDone);
  ASSERT_TRUE(fixture_.Close().ok());
  DamageKeptTotals(folder_.path(), PlacePartition(ReadSuperblock(), Key("alice")), Key("alice"));
  Open();
  ASSERT_EQ(Session(Key("alice"), {0}), CommitOutcome::kDone);
  ASSERT_EQ(Session(Key("alice"), {1}), CommitOutcome::kDone);  // Of a file of its own.
  const auto totals = fixture_.Totals(0, Key("alice"));
  ASSERT_TRUE(totals.ok()) << totals.status();
  EXPECT_EQ(totals->messages, 1U);
  EXPECT_EQ(totals->kept_why.code(), StatusCode::kDataLoss);
  EXPECT_EQ(fixture_.List(0, Key("alice")), std::vector<Listed>{before[2]});
  EXPECT_EQ(fixture_.store().TotalsOf(TenantId(1)).messages, 1U);
  EXPECT_EQ(fixture_.store().TotalsOf(TenantId(1)).kept_messages, 3U);
  Reopen();
  EXPECT_EQ(Kept(Key("alice")).size(), 3U);
  EXPECT_EQ(Undelete(Key("alice"), {}), 3U);
  std::vector<std::string> wires;
  for (const Listed& listed : fixture_.List(0, Key("alice"))) wires.push_back(listed.wire);
  std::sort(wires.begin(), wires.end());
  std::vector<std::string> expected;
  for (const Listed& listed : before) expected.push_back(listed.wire);
  std::sort(expected.begin(), expected.end());
  EXPECT_EQ(wires, expected);
  ASSERT_TRUE(fixture_.Close().ok());
  EXPECT_EQ(Damages(), 0U);
}

TEST_F(KeptTest, StartsAndRebuildsAndCompactionLeaveItKept) {
  const std::vector<std::string> others = SpreadUsers();
  std::vector<uint32_t> all;
  for (uint32_t i = 0; i < 12; ++i) {
    Fill("alice", 1, 15'000 + i);
    for (const std::string& user : others) Fill(user, 8, 15'000);
  }
  all.resize(96);
  std::iota(all.begin(), all.end(), 0U);
  const std::vector<Listed> before = fixture_.List(0, Key("alice"));
  ASSERT_EQ(Session(Key("alice"), {3, 7}), CommitOutcome::kDone);
  ASSERT_EQ(Session(Key(others[0]), all), CommitOutcome::kDone);
  UndeleteRequest first;
  first.uidl = before[3].uidl;
  EXPECT_EQ(Undelete(Key("alice"), first), 1U);
  // Theirs is removed for good, so that segments are worth emptying.
  for (const std::string& user : others) ASSERT_TRUE(fixture_.Remove(0, Key(user)).ok());
  const auto seen = fixture_.List(0, Key("alice"));
  EXPECT_TRUE(
      Eventually([&] { return fixture_.Metric("poplar_store_moved_messages_total") >= 6; }));
  for (int round = 0; round < 2; ++round) {
    EXPECT_EQ(fixture_.List(0, Key("alice")), seen);
    ASSERT_EQ(Kept(Key("alice")).size(), 1U) << round;
    EXPECT_EQ(Kept(Key("alice"))[0].uidl, before[7].uidl);
    EXPECT_TRUE(Kept(Key(others[0])).empty());
    ReopenWithoutIndexes();
    EXPECT_EQ(fixture_.Metric("poplar_store_damages_total"), 0);
  }
  UndeleteRequest rest;
  EXPECT_EQ(Undelete(Key("alice"), rest), 1U);
  EXPECT_EQ(fixture_.List(0, Key("alice")).back().wire, before[7].wire);
  ReopenWithoutIndexes();
  EXPECT_TRUE(Kept(Key("alice")).empty());
  ASSERT_TRUE(fixture_.Close().ok());
  EXPECT_EQ(Damages(), 0U);
}

TEST_F(KeptTest, GoesWhenItsDaysAreOverAndNotBefore) {
  Fill("alice", 2);
  ASSERT_EQ(Session(Key("alice"), {0}), CommitOutcome::kDone);
  clock_.AddDays(9);
  SetPolicy({.name = "one", .keep_deleted_days = 10});  // Asks for a pass.
  const double passes = fixture_.Metric("poplar_store_expiry_passes_total");
  EXPECT_TRUE(Eventually(
      [&] { return fixture_.Metric("poplar_store_expiry_passes_total") >= passes + 1; }));
  EXPECT_EQ(Kept(Key("alice")).size(), 1U);
  clock_.AddDays(2);
  EXPECT_TRUE(Eventually([&] { return Kept(Key("alice")).empty(); }));
  EXPECT_EQ(fixture_.Metric("poplar_store_purged_total"), 1);
  EXPECT_EQ(fixture_.List(0, Key("alice")).size(), 1U);
  ReopenWithoutIndexes();
  EXPECT_TRUE(Kept(Key("alice")).empty());
  EXPECT_EQ(fixture_.List(0, Key("alice")).size(), 1U);
}

// The index knows of nothing that was deleted: no checkpoint came since.
class UncheckpointedKeptTest : public KeptTest {
 protected:
  StoreOptions Options() override {
    StoreOptions options = KeptTest::Options();
    options.checkpoint_interval_ms = options.expiry_interval_ms = 3'600'000;
    return options;
  }
};

TEST_F(UncheckpointedKeptTest, GoesAtOnceWhenThePolicyEnds) {
  Fill("alice", 2);
  ASSERT_EQ(Session(Key("alice"), {0}), CommitOutcome::kDone);
  ASSERT_EQ(Kept(Key("alice")).size(), 1U);
  SetPolicy({.name = "one"});
  EXPECT_TRUE(Eventually([&] { return Kept(Key("alice")).empty(); }));
  EXPECT_EQ(fixture_.List(0, Key("alice")).size(), 1U);
}

TEST_F(UncheckpointedKeptTest, StaysWhenTheTenantIsNotListedAnyMore) {
  Fill("alice", 2);
  ASSERT_EQ(Session(Key("alice"), {0}), CommitOutcome::kDone);
  auto policies = std::make_shared<TenantPolicies>();
  policies->by_tenant[2] = {.name = "two", .expire_days = 1};  // Asks for a pass.
  const double passes = fixture_.Metric("poplar_store_expiry_passes_total");
  board_.Publish(std::move(policies));
  EXPECT_TRUE(Eventually(
      [&] { return fixture_.Metric("poplar_store_expiry_passes_total") == passes + 2; }));
  EXPECT_EQ(Kept(Key("alice")).size(), 1U);
}

TEST_F(KeptTest, OldMailExpiresAndIsKeptAsIfItHadBeenDeleted) {
  Fill("alice", 2);
  Reopen();  // A pass goes by the index.
  SetPolicy({.name = "one", .keep_deleted_days = 10, .expire_days = 30});
  clock_.AddDays(30);
  Fill("alice", 1);
  clock_.AddDays(2);
  EXPECT_TRUE(Eventually([&] { return fixture_.Totals(0, Key("alice"))->messages == 1; }));
  const std::vector<KeptMessage> kept = Kept(Key("alice"));
  ASSERT_EQ(kept.size(), 2U);
  EXPECT_EQ(kept[0].deleted_by, SessionId(0));
  // Brought back, it counts as having arrived now.
  EXPECT_EQ(Undelete(Key("alice"), {}), 2U);
  clock_.AddDays(1);
  const double passes = fixture_.Metric("poplar_store_expiry_passes_total");
  EXPECT_TRUE(Eventually(
      [&] { return fixture_.Metric("poplar_store_expiry_passes_total") >= passes + 1; }));
  EXPECT_EQ(fixture_.Totals(0, Key("alice"))->messages, 3U);
}

TEST_F(KeptTest, ADamagedListKeepsNoOtherFromExpiring) {
  const std::vector<std::string> users = SpreadUsers();
  for (const std::string& user : users) {
    Fill(user, 2);
    ASSERT_EQ(Session(Key(user), {0}), CommitOutcome::kDone);
  }
  ASSERT_TRUE(fixture_.Close().ok());
  const MaildropKey damaged = Key(users[0]);  // One of its partition stands behind it.
  DamageTotals(folder_.path(), PlacePartition(ReadSuperblock(), damaged), damaged);
  Open();
  SetPolicy({.name = "one", .keep_deleted_days = 10, .expire_days = 30});
  clock_.AddDays(32);
  for (size_t i = 1; i < users.size(); ++i) {
    EXPECT_TRUE(Eventually([&] { return fixture_.Totals(0, Key(users[i]))->messages == 0; })) << i;
  }
  // What was deleted first, the damaged one's too, is behind it in the order of keys.
  EXPECT_TRUE(Eventually([&] { return fixture_.Metric("poplar_store_purged_total") == 4; }));
  // It is tried again and again.
  const double failures = fixture_.Metric("poplar_store_expiry_failures_total");
  EXPECT_GE(failures, 1);
  EXPECT_TRUE(
      Eventually([&] { return fixture_.Metric("poplar_store_expiry_failures_total") > failures; }));
  EXPECT_EQ(fixture_.Metric("poplar_store_index_unsound"), 1);
  // The next start makes the index anew.
  Reopen();
  EXPECT_TRUE(Eventually([&] { return fixture_.Totals(0, damaged)->messages == 0; }));
}

TEST_F(KeptTest, MailExpiresWhereItsListOfKeptMailIsDamaged) {
  Fill("alice", 3);
  ASSERT_EQ(Session(Key("alice"), {0}), CommitOutcome::kDone);
  ASSERT_TRUE(fixture_.Close().ok());
  DamageKeptTotals(folder_.path(), PlacePartition(ReadSuperblock(), Key("alice")), Key("alice"));
  Open();
  SetPolicy({.name = "one", .keep_deleted_days = 50, .expire_days = 30});
  clock_.AddDays(32);
  EXPECT_TRUE(Eventually([&] { return fixture_.store().TotalsOf(TenantId(1)).messages == 0; }));
  Reopen();
  EXPECT_EQ(Kept(Key("alice")).size(), 3U);
}

// Neither what the index has nor what it has not seen yet.
TEST_F(KeptTest, ATenantThatIsNotListedKeepsWhatItKept) {
  constexpr uint64_t kOther = 2;  // Its lists stand behind those of the first, in each partition.
  const TenantPolicy policy{.name = "some", .keep_deleted_days = 10};
  const auto publish = [&](const std::vector<uint64_t>& tenants) {
    auto policies = std::make_shared<TenantPolicies>();
    for (const uint64_t tenant : tenants) policies->by_tenant[tenant] = policy;
    board_.Publish(std::move(policies));
  };
  publish({1, kOther});
  const std::vector<std::string> users = SpreadUsers();
  std::vector<MaildropKey> others;
  others.reserve(16);
  for (int i = 0; i < 16; ++i) others.push_back(Key("other" + std::to_string(i), kOther));
  for (const MaildropKey& key : others) {
    fixture_.MustDeliver(0, key, MakeMessage(1));
    ASSERT_EQ(Session(key, {0}), CommitOutcome::kDone);
  }
  for (const std::string& user : users) {
    Fill(user, 2);
    ASSERT_EQ(Session(Key(user), {0}), CommitOutcome::kDone);
  }
  Reopen();
  publish({kOther});
  clock_.AddDays(20);
  for (const MaildropKey& key : others) {
    EXPECT_TRUE(Eventually([&] { return Kept(key).empty(); }));
  }
  for (const std::string& user : users) EXPECT_EQ(Kept(Key(user)).size(), 1U);
  publish({1, kOther});
  for (const std::string& user : users) {
    EXPECT_TRUE(Eventually([&] { return Kept(Key(user)).empty(); }));
    EXPECT_EQ(fixture_.List(0, Key(user)).size(), 1U);
  }
}

TEST_F(KeptTest, ASessionKeepsItsMaildropFromExpiring) {
  Fill("alice", 1);
  Reopen();
  OpenResult opened = fixture_.OpenMaildrop(0, Key("alice"));
  SetPolicy({.name = "one", .expire_days = 1});
  clock_.AddDays(5);
  const double passes = fixture_.Metric("poplar_store_expiry_passes_total");
  EXPECT_TRUE(Eventually(
      [&] { return fixture_.Metric("poplar_store_expiry_passes_total") >= passes + 3; }));
  EXPECT_EQ(fixture_.Totals(1, Key("alice"))->messages, 1U);
  fixture_.On(0, [&] { opened.maildrop.reset(); });
  EXPECT_TRUE(Eventually([&] { return fixture_.Totals(1, Key("alice"))->messages == 0; }));
}

TEST_F(KeptTest, WhatWasFetchedGoesAfterItsDays) {
  SetPolicy({.name = "one", .expire_read_days = 3});
  Fill("alice", 3);
  ASSERT_EQ(Session(Key("alice"), {}, {1}), CommitOutcome::kDone);
  Reopen();
  clock_.AddDays(5);
  EXPECT_TRUE(Eventually([&] { return fixture_.Totals(0, Key("alice"))->messages == 2; }));
  clock_.AddDays(5);
  const double passes = fixture_.Metric("poplar_store_expiry_passes_total");
  EXPECT_TRUE(Eventually(
      [&] { return fixture_.Metric("poplar_store_expiry_passes_total") >= passes + 1; }));
  EXPECT_EQ(fixture_.Totals(0, Key("alice"))->messages, 2U);
}

TEST_F(KeptTest, WhatWasFetchedGoesWithItsSession) {
  SetPolicy({.name = "one", .expire_read_days = 0});
  Fill("alice", 3);
  ASSERT_EQ(Session(Key("alice"), {0}, {0, 2}), CommitOutcome::kDone);
  EXPECT_EQ(fixture_.Totals(0, Key("alice"))->messages, 1U);
}

TEST_F(KeptTest, ARemovedMaildropKeepsNothing) {
  Fill("alice", 2);
  ASSERT_EQ(Session(Key("alice"), {0}), CommitOutcome::kDone);
  ASSERT_TRUE(fixture_.Remove(1, Key("alice")).ok());
  EXPECT_TRUE(Kept(Key("alice")).empty());
  EXPECT_EQ(Undelete(Key("alice"), {}), 0U);
  ReopenWithoutIndexes();
  EXPECT_TRUE(Kept(Key("alice")).empty());
}

}  // namespace
}  // namespace poplar::storage
