// The parts of the service that need no shards.

#include <gtest/gtest.h>

#include <string>
#include <utility>

#include "auth/service/expiring_map.h"
#include "auth/service/fair_key.h"
#include "auth/service/fault_log.h"
#include "auth/service/keyed_hash.h"

namespace poplar::auth {
namespace {

constexpr uint64_t kSecondUs = 1'000'000;

TEST(ExpiringMapTest, WhatIsPutInAgainTakesNoMoreRoom) {
  ExpiringMap<int, int> map({.ttl_ms = 1'000'000, .entries_max = 100});
  for (int i = 0; i < 100'000; ++i) map.Insert(i % 10, i, 0);
  EXPECT_EQ(map.size(), 10U);
  EXPECT_LT(map.tickets(), 1'000U);
  for (int i = 0; i < 10; ++i) EXPECT_EQ(*map.Find(i, 0), 99'990 + i);
  for (int i = 0; i < 1'000; ++i) {
    map.Insert(-i, i, 0);
    map.Erase(-i);
  }
  EXPECT_LT(map.tickets(), 1'000U);
}

TEST(ExpiringMapTest, EntriesLiveEquallyLong) {
  ExpiringMap<std::string, int> map({.ttl_ms = 60'000, .entries_max = 10});
  map.Insert("a", 1, 0);
  map.Insert("b", 2, 30 * kSecondUs);
  EXPECT_EQ(*map.Find("a", 60 * kSecondUs - 1), 1);
  EXPECT_EQ(map.Find("a", 60 * kSecondUs), nullptr);
  EXPECT_EQ(*map.Find("b", 60 * kSecondUs), 2);
  map.Trim(60 * kSecondUs);
  EXPECT_EQ(map.size(), 1U);
  map.Trim(90 * kSecondUs);
  EXPECT_EQ(map.size(), 0U);
}

TEST(ExpiringMapTest, WhatIsPutInAgainLivesOn) {
  ExpiringMap<std::string, int> map({.ttl_ms = 10'000, .entries_max = 10});
  map.Insert("a", 1, 0);
  map.Insert("a", 2, 5 * kSecondUs);
  map.Trim(12 * kSecondUs);
  EXPECT_EQ(*map.Find("a", 12 * kSecondUs), 2);
  map.Erase("a");
  map.Insert("a", 3, 13 * kSecondUs);
  map.Trim(16 * kSecondUs);
  EXPECT_EQ(*map.Find("a", 16 * kSecondUs), 3);
}

TEST(ExpiringMapTest, TheOldestMakesRoom) {
  ExpiringMap<int, int> map({.ttl_ms = 10'000, .entries_max = 3});
  for (int i = 0; i < 5; ++i) map.Insert(i, i, 0);
  EXPECT_EQ(map.size(), 3U);
  EXPECT_EQ(map.Find(1, 0), nullptr);
  EXPECT_NE(map.Find(2, 0), nullptr);
  map.Clear();
  EXPECT_EQ(map.size(), 0U);
  map.Insert(7, 7, 0);
  EXPECT_NE(map.Find(7, 0), nullptr);
}

TEST(ExpiringMapTest, NothingIsKeptWithoutATimeToLive) {
  ExpiringMap<int, int> map({.ttl_ms = 0, .entries_max = 3});
  map.Insert(1, 1, 5);
  EXPECT_EQ(map.Find(1, 5), nullptr);
  EXPECT_EQ(map.size(), 0U);
}

TEST(LoginHasherTest, OneKeyOneHash) {
  const LoginHasher::Key key = LoginHasher::NewKey();
  LoginHasher first(key);
  LoginHasher second(key);
  LoginHasher other(LoginHasher::NewKey());
  const LoginMacs macs = first.OfLogin("alice", base::Secret("secret"));
  EXPECT_EQ(second.OfLogin("alice", base::Secret("secret")).login, macs.login);
  EXPECT_EQ(second.OfName("alice"), macs.name);
  EXPECT_FALSE(other.OfName("alice") == macs.name);
  EXPECT_FALSE(first.OfLogin("alice", base::Secret("secreT")).login == macs.login);
  EXPECT_FALSE(first.OfLogin("alices", base::Secret("ecret")).login == macs.login);
  EXPECT_FALSE(macs.name == macs.login);
}

// The reference vectors of SipHash-2-4 with 128 bits, for 0 and 15 octets.
TEST(LoginHasherTest, IsSipHash) {
  LoginHasher::Key key;
  for (unsigned char i = 0; i < 16; ++i) key[i] = i;
  LoginHasher hasher(key);
  EXPECT_EQ(hasher.OfName("").high, 0xe6a825ba047f81a3U);
  EXPECT_EQ(hasher.OfName("").low, 0x930255c71472f66dU);
  const std::string fifteen("\0\1\2\3\4\5\6\7\10\11\12\13\14\15\16", 15);
  EXPECT_EQ(hasher.OfName(fifteen).high, 0x11a8b03399e99354U);
  EXPECT_EQ(hasher.OfName(fifteen).low, 0xd9c3cf970fec087eU);
}

TEST(FairKeyTest, IsTheTenantsAndOneForAllThatNobodyHas) {
  TenantPolicies tenants;
  tenants.by_domain["example.org"] = {.tenant = TenantId(1), .name = "acme"};
  tenants.by_domain["example.net"] = {.tenant = TenantId(1), .name = "acme"};
  tenants.by_domain["example.com"] = {.tenant = TenantId(2), .name = "other"};
  EXPECT_EQ(FairKey(tenants, "a@example.org"), FairKey(tenants, "b@example.net"));
  EXPECT_NE(FairKey(tenants, "a@example.org"), FairKey(tenants, "a@example.com"));
  EXPECT_EQ(FairKey(tenants, "a@x.test"), FairKey(tenants, "b@y.test"));
  EXPECT_NE(FairKey(tenants, "a@x.test"), FairKey(tenants, "a@example.org"));
  EXPECT_EQ(FairKey(tenants, "a"), FairKey(tenants, "b"));
  EXPECT_NE(FairKey(tenants, "a"), FairKey(tenants, "a@x.test"));
}

TEST(FaultLogTest, SpeaksOnceInAWhile) {
  testing::internal::CaptureStderr();
  FaultLog log;
  EXPECT_TRUE(log.Note("users", "file is gone", 1));
  for (int i = 0; i < 99; ++i) EXPECT_FALSE(log.Note("users", "file is gone", 2));
  EXPECT_TRUE(log.Note("ldap", "it is down", 2)) << "another back end";
  EXPECT_TRUE(log.Note("users", "file is gone", 1 + kFaultLogIntervalUs));
  const std::string text = testing::internal::GetCapturedStderr();
  EXPECT_NE(text.find("more_before=99"), std::string::npos) << text;
}

}  // namespace
}  // namespace poplar::auth
