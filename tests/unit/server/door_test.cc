// What every connection passes: the limits, and the id it gets.

#include "core/server/door.h"

#include <gtest/gtest.h>

#include <atomic>
#include <set>
#include <thread>
#include <vector>

#include "core/server/connection.h"
#include "core/server/session_registry.h"

namespace poplar::server {
namespace {

net::Address Client(const std::string& text) { return *net::Address::Parse(text); }

TEST(ConnectionCountTest, LetsInAsManyAsAreAllowed) {
  ConnectionCount count;
  EXPECT_TRUE(count.Enter(2));
  EXPECT_TRUE(count.Enter(2));
  EXPECT_FALSE(count.Enter(2));
  count.Leave();
  EXPECT_TRUE(count.Enter(2));
  EXPECT_FALSE(count.Enter(2));
  EXPECT_TRUE(count.Enter(3));  // The limit may change while they are inside.
}

TEST(ConnectionCountTest, HoldsWhenManyThreadsCome) {
  constexpr uint32_t kMost = 500;
  ConnectionCount count;
  std::atomic<uint32_t> inside{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int k = 0; k < 1000; ++k) inside += count.Enter(kMost) ? 1 : 0;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_LE(inside, kMost);
  EXPECT_GE(inside, kMost - 3);  // A thread that is being refused may cost another its place.
}

TEST(ClientCountsTest, HoldsForEachClientOnItsOwn) {
  ClientCounts counts;
  EXPECT_TRUE(counts.Enter(Client("192.0.2.1:1"), 2));
  EXPECT_TRUE(counts.Enter(Client("192.0.2.1:2"), 2));
  EXPECT_FALSE(counts.Enter(Client("192.0.2.1:3"), 2));
  EXPECT_TRUE(counts.Enter(Client("192.0.2.2:1"), 2));
  counts.Leave(Client("192.0.2.1:2"));
  EXPECT_TRUE(counts.Enter(Client("192.0.2.1:4"), 2));
  EXPECT_FALSE(counts.Enter(Client("192.0.2.1:5"), 2));
}

TEST(ClientCountsTest, ANetworkOfIpv6IsOneClient) {
  ClientCounts counts;
  EXPECT_TRUE(counts.Enter(Client("[2001:db8:1:2::1]:1"), 1));
  EXPECT_FALSE(counts.Enter(Client("[2001:db8:1:2:ffff::9]:1"), 1));
  EXPECT_TRUE(counts.Enter(Client("[2001:db8:1:3::1]:1"), 1));
}

TEST(ClientCountsTest, ManyClientsAreNotTakenForEachOther) {
  ClientCounts counts;
  uint32_t refused = 0;
  for (uint32_t i = 0; i < 20'000; ++i) {
    net::Address client = Client("10.0.0.0:1");
    client.ip[1] = static_cast<uint8_t>(i >> 16);
    client.ip[2] = static_cast<uint8_t>(i >> 8);
    client.ip[3] = static_cast<uint8_t>(i);
    for (int k = 0; k < 4; ++k) refused += counts.Enter(client, 8) ? 0 : 1;
  }
  EXPECT_LT(refused, 400U);  // Of 80,000, though each holds half of what is allowed.
}

TEST(ClientCountsTest, UnixSocketsHaveNoLimit) {
  ClientCounts counts;
  EXPECT_TRUE(counts.Enter(net::Address(), 0));
  counts.Leave(net::Address());
}

TEST(SessionRegistry, IdsNameTheirShardAndAreNeverGivenTwice) {
  SessionRegistry first(ShardIndex(0));
  SessionRegistry last(ShardIndex(1023));
  SessionRegistry later_run(ShardIndex(0), base::SystemClock().WallUs() + 2'000'000);
  std::set<uint64_t> seen;
  for (int i = 0; i < 1000; ++i) {
    const SessionId a = first.NewId();
    const SessionId b = last.NewId();
    EXPECT_EQ(SessionRegistry::ShardOf(a), ShardIndex(0));
    EXPECT_EQ(SessionRegistry::ShardOf(b), ShardIndex(1023));
    EXPECT_TRUE(seen.insert(a.value()).second);
    EXPECT_TRUE(seen.insert(b.value()).second);
    EXPECT_TRUE(seen.insert(later_run.NewId().value()).second);
  }
}

TEST(SessionRegistry, WhoeverIsNotHereIsGone) {
  SessionRegistry registry(ShardIndex(0));
  EXPECT_EQ(registry.LookAtHolder(SessionId(1)), HolderState::kGone);
  EXPECT_FALSE(registry.Kick(SessionId(1)));
  EXPECT_TRUE(registry.List().empty());
}

}  // namespace
}  // namespace poplar::server
