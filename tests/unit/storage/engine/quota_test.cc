// Quotas of maildrops and tenants: what is stored stays within them, and is counted exactly.

#include "storage/format/ids.h"
#include "storage/index/key_value.h"
#include "tests/unit/storage/engine/policy_fixture.h"

namespace poplar::storage {
namespace {

using QuotaTest = PolicyTest;

uint64_t OctetsOf(const std::string& wire) { return FactsOf(wire).octets; }

TEST_F(QuotaTest, OfAMaildropInMessages) {
  const Quota quota{0, 2};
  EXPECT_EQ(HasRoom(Key("alice"), quota, 0), Room::kEnough);
  EXPECT_EQ(Deliver(Key("alice"), MakeMessage(1), quota), DeliveryOutcome::kStored);
  EXPECT_EQ(Deliver(Key("alice"), MakeMessage(2), quota), DeliveryOutcome::kStored);
  EXPECT_EQ(HasRoom(Key("alice"), quota, 0), Room::kOverQuota);
  EXPECT_EQ(Deliver(Key("alice"), MakeMessage(3), quota), DeliveryOutcome::kOverQuota);
  EXPECT_EQ(Deliver(Key("bob"), MakeMessage(4), quota), DeliveryOutcome::kStored);
  EXPECT_EQ(fixture_.Totals(0, Key("alice"))->messages, 2U);
  EXPECT_EQ(fixture_.Metric("poplar_store_over_quota_total"), 1);
  ASSERT_EQ(Session(Key("alice"), {0}), CommitOutcome::kDone);
  EXPECT_EQ(Deliver(Key("alice"), MakeMessage(5), quota), DeliveryOutcome::kStored);
}

TEST_F(QuotaTest, OfAMaildropInOctetsToTheLast) {
  const std::string wire = MakeMessage(1, 500);
  const Quota quota{2 * OctetsOf(wire), 0};
  EXPECT_EQ(Deliver(Key("alice"), wire, quota), DeliveryOutcome::kStored);
  EXPECT_EQ(HasRoom(Key("alice"), quota, OctetsOf(wire)), Room::kEnough);
  EXPECT_EQ(HasRoom(Key("alice"), quota, OctetsOf(wire) + 1), Room::kOverQuota);
  EXPECT_EQ(Deliver(Key("alice"), wire, quota), DeliveryOutcome::kStored);
  EXPECT_EQ(Deliver(Key("alice"), MakeMessage(2, 100), quota), DeliveryOutcome::kOverQuota);
  Reopen();
  EXPECT_EQ(Deliver(Key("alice"), MakeMessage(2, 100), quota), DeliveryOutcome::kOverQuota);
}

TEST_F(QuotaTest, OfATenantOverAllItsMaildrops) {
  SetPolicy({.name = "one", .quota = {0, 5}});
  for (uint64_t i = 0; i < 5; ++i) {
    EXPECT_EQ(Deliver(Key("user" + std::to_string(i)), MakeMessage(i), {}),
              DeliveryOutcome::kStored);
  }
  EXPECT_EQ(Deliver(Key("user9"), MakeMessage(9), {}), DeliveryOutcome::kOverTenantQuota);
  EXPECT_EQ(HasRoom(Key("user9"), {}, 0), Room::kOverTenantQuota);
  EXPECT_EQ(Deliver(Key("user9", 2), MakeMessage(9), {}), DeliveryOutcome::kStored);
  SetPolicy({.name = "one", .quota = {0, 6}});  // Without a restart.
  EXPECT_EQ(Deliver(Key("user9"), MakeMessage(9), {}), DeliveryOutcome::kStored);
  EXPECT_EQ(Deliver(Key("user9"), MakeMessage(10), {}), DeliveryOutcome::kOverTenantQuota);
  // Whose quota it is has the operator's metrics and log apart.
  EXPECT_EQ(fixture_.Metric("poplar_store_over_quota_total"), 2);
}

TEST_F(QuotaTest, AMaildropWhoseListIsDamagedGetsMailByItsTenantsQuota) {
  TenantPolicy policy;
  policy.quota.messages = 4;
  SetPolicy(policy);
  const Quota quota{.messages = 2};
  for (const char* who : {"alice", "bob"}) {
    EXPECT_EQ(Deliver(Key(who), MakeMessage(1), quota), DeliveryOutcome::kStored);
  }
  ASSERT_TRUE(fixture_.Close().ok());
  for (const char* partition : {"/p000/index", "/p001/index"}) {
    const auto index = Lmdb().Open(folder_.path() + partition, kGiB);
    ASSERT_TRUE(index.ok()) << index.status();
    auto change = (*index)->Begin(KeyValueStore::Access::kChange);
    ASSERT_TRUE(change.ok()) << change.status();
    const std::string key = EncodeMaildropKey(Key("alice"));
    if (!(*change)->Get(Database::kMaildrops, key).ok()) continue;
    ASSERT_TRUE((*change)->Put(Database::kMaildrops, key, "none").ok());
    ASSERT_TRUE((*change)->Commit().ok());
  }
  Open();
  EXPECT_NE(fixture_.OpenMaildrop(1, Key("alice")).outcome, OpenOutcome::kOpen);
  EXPECT_EQ(HasRoom(Key("alice"), quota, 100), Room::kEnough);
  EXPECT_EQ(Deliver(Key("alice"), MakeMessage(2), quota), DeliveryOutcome::kStored);
  EXPECT_EQ(Deliver(Key("alice"), MakeMessage(3), quota), DeliveryOutcome::kStored)
      << "nobody knows that she has more than two";
  EXPECT_EQ(HasRoom(Key("alice"), quota, 100), Room::kOverTenantQuota);
  EXPECT_EQ(Deliver(Key("alice"), MakeMessage(4), quota), DeliveryOutcome::kOverTenantQuota);
  // The next start makes the index anew from the log, and all of it is there.
  Reopen();
  EXPECT_EQ(fixture_.List(0, Key("alice")).size(), 3U);
  EXPECT_EQ(HasRoom(Key("alice"), quota, 100), Room::kOverTenantQuota);
}

TEST_F(QuotaTest, DeliveriesAtOnceDoNotExceedIt) {
  constexpr uint64_t kAtOnce = 40;
  SetPolicy({.name = "one", .quota = {0, 25}});
  const Quota quota{0, 7};
  std::vector<std::thread> threads;
  std::atomic<uint64_t> stored{0};
  for (uint32_t shard : {0U, 1U}) {
    threads.emplace_back([&, shard] {
      std::vector<MaildropKey> keys;
      for (uint64_t i = 0; i < kAtOnce; ++i) keys.push_back(Key("user" + std::to_string(i % 2)));
      // One transaction with every recipient: all are under way at once.
      const auto outcomes = fixture_.Run<std::vector<DeliveryOutcome>>(
          shard, [&](ShardStore* store) -> io::Task<std::vector<DeliveryOutcome>> {
            struct Run {
              static io::Task<std::vector<DeliveryOutcome>> Go(ShardStore* on,
                                                               std::vector<MaildropKey> to,
                                                               Quota each) {
                DeliveryRequest request;
                for (MaildropKey& key : to) request.recipients.push_back({std::move(key), each});
                const auto delivery = on->BeginDelivery(std::move(request));
                const std::string wire = MakeMessage(1);
                io::Completion<Status> written;
                delivery->Write(wire, written);
                const Status status = co_await written;
                if (!status.ok()) co_return std::vector<DeliveryOutcome>();
                io::Completion<std::vector<DeliveryOutcome>> done;
                delivery->Commit(FactsOf(wire), done);
                co_return co_await done;
              }
            };
            return Run::Go(store, keys, quota);
          });
      for (const DeliveryOutcome outcome : outcomes) stored += outcome == DeliveryOutcome::kStored;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(stored, 14U);
  EXPECT_EQ(fixture_.Totals(0, Key("user0"))->messages, 7U);
  EXPECT_EQ(fixture_.Totals(0, Key("user1"))->messages, 7U);
  EXPECT_EQ(fixture_.store().TotalsOf(TenantId(1)).messages, 14U);
}

TEST_F(QuotaTest, WhatATenantHasIsExactAfterEveryStart) {
  SetPolicy({.name = "one", .quota = {kGiB, 0}, .keep_deleted_days = 10});
  TenantTotals expected;
  for (uint64_t i = 0; i < 30; ++i) {
    const std::string wire = MakeMessage(i, 100 + i * 10);
    ASSERT_EQ(Deliver(Key("user" + std::to_string(i % 4)), wire, {}), DeliveryOutcome::kStored);
    ++expected.messages;
    expected.octets += OctetsOf(wire);
  }
  ASSERT_EQ(Session(Key("user1"), {0, 2}), CommitOutcome::kDone);
  expected.messages -= 2;
  expected.kept_messages = 2;
  for (const uint64_t i : {1, 9}) {
    expected.octets -= OctetsOf(MakeMessage(i, 100 + i * 10));
    expected.kept_octets += OctetsOf(MakeMessage(i, 100 + i * 10));
  }
  EXPECT_EQ(fixture_.store().TotalsOf(TenantId(1)), expected);
  Reopen();
  EXPECT_EQ(fixture_.store().TotalsOf(TenantId(1)), expected);
  ReopenWithoutIndexes();
  EXPECT_EQ(fixture_.store().TotalsOf(TenantId(1)), expected);
  EXPECT_EQ(fixture_.store().TotalsOf(TenantId(2)), TenantTotals());
  ASSERT_TRUE(fixture_.Remove(0, Key("user1")).ok());
  Reopen();
  EXPECT_EQ(fixture_.store().TotalsOf(TenantId(1)).kept_messages, 0U);
  EXPECT_EQ(fixture_.store().TotalsOf(TenantId(1)).messages, 22U);
}

}  // namespace
}  // namespace poplar::storage
