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
  threads.reserve(4);
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

net::Address NumberedClient(uint32_t number) {
  net::Address client = Client("10.0.0.0:1");
  client.ip[1] = static_cast<uint8_t>(number >> 16);
  client.ip[2] = static_cast<uint8_t>(number >> 8);
  client.ip[3] = static_cast<uint8_t>(number);
  return client;
}

TEST(ClientCountsTest, NobodyIsTakenForAnotherWhereOneIsAllowed) {
  ClientCounts counts;
  for (uint32_t i = 0; i < 20'000; ++i) ASSERT_TRUE(counts.Enter(NumberedClient(i), 1)) << i;
  uint32_t refused = 0;
  for (uint32_t i = 0; i < 20'000; ++i) refused += counts.Enter(NumberedClient(i), 1) ? 0 : 1;
  EXPECT_GE(refused, 19'990U);  // But for those whose line was full.
}

TEST(ClientCountsTest, ACrowdBeyondTheRoomIsLetIn) {
  ClientCounts counts;
  for (uint32_t round = 0; round < 2; ++round) {
    for (uint32_t i = 0; i < 400'000; ++i) ASSERT_TRUE(counts.Enter(NumberedClient(i), 1)) << i;
    for (uint32_t i = 0; i < 400'000; ++i) counts.Leave(NumberedClient(i));
  }
}

TEST(ClientCountsTest, HoldsWhenManyThreadsComeAndGo) {
  constexpr int kThreads = 4;
  constexpr uint32_t kMost = 3;
  ClientCounts counts;
  std::atomic<uint32_t> inside{0};
  std::atomic<uint32_t> most{0};
  std::vector<std::thread> threads;
  threads.reserve(kThreads);
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&] {
      for (int k = 0; k < 20'000; ++k) {
        if (!counts.Enter(Client("192.0.2.1:1"), kMost)) continue;
        const uint32_t now = ++inside;
        for (uint32_t seen = most; now > seen && !most.compare_exchange_weak(seen, now);) {
        }
        --inside;
        counts.Leave(Client("192.0.2.1:1"));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_LE(most, kThreads);
  // Nothing stays behind, and nothing is lost.
  for (uint32_t i = 0; i < kMost; ++i) EXPECT_TRUE(counts.Enter(Client("192.0.2.1:1"), kMost));
  EXPECT_FALSE(counts.Enter(Client("192.0.2.1:1"), kMost));
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
