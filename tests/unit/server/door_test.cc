// What every connection passes: the limit of its address, and the id it gets.

#include <gtest/gtest.h>

#include <set>

#include "core/server/address_limit.h"
#include "core/server/connection.h"
#include "core/server/session_registry.h"

namespace poplar::server {
namespace {

TEST(AddressLimit, HoldsForEachAddressOnItsOwn) {
  AddressLimit limit;
  EXPECT_TRUE(limit.Enter("192.0.2.1", 2));
  EXPECT_TRUE(limit.Enter("192.0.2.1", 2));
  EXPECT_FALSE(limit.Enter("192.0.2.1", 2));
  EXPECT_TRUE(limit.Enter("192.0.2.2", 2));
  limit.Leave("192.0.2.1");
  EXPECT_TRUE(limit.Enter("192.0.2.1", 2));
  EXPECT_FALSE(limit.Enter("192.0.2.1", 2));
}

TEST(AddressLimit, ARefusalLeavesNothingBehind) {
  AddressLimit limit;
  EXPECT_FALSE(limit.Enter("192.0.2.1", 0));
  limit.Leave("192.0.2.1");  // Nobody entered: no harm.
  EXPECT_TRUE(limit.Enter("192.0.2.1", 1));
}

TEST(SessionRegistry, IdsNameTheirShardAndAreNeverGivenTwice) {
  SessionRegistry first(ShardIndex(0));
  SessionRegistry last(ShardIndex(1023));
  std::set<uint64_t> seen;
  for (int i = 0; i < 1000; ++i) {
    const SessionId a = first.NewId();
    const SessionId b = last.NewId();
    EXPECT_EQ(SessionRegistry::ShardOf(a), ShardIndex(0));
    EXPECT_EQ(SessionRegistry::ShardOf(b), ShardIndex(1023));
    EXPECT_TRUE(seen.insert(a.value()).second);
    EXPECT_TRUE(seen.insert(b.value()).second);
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
