#include "auth/remote/tenant_queue.h"

#include <gtest/gtest.h>

#include <vector>

namespace poplar::auth {
namespace {

constexpr TenantId kCrowd(1), kOther(2), kThird(3);

bool Anybody(TenantId) { return true; }

// All of it, in order. Questions are numbered tenant * 100 + n.
std::vector<uint64_t> Drain(TenantQueue& queue) {
  std::vector<uint64_t> order;
  while (const auto next = queue.Next(&Anybody)) {
    order.push_back(*next);
    queue.Remove(TenantId(*next / 100), *next);
  }
  return order;
}

TEST(TenantQueueTest, TenantsInTurns) {
  TenantQueue queue;
  for (uint64_t i = 0; i < 4; ++i) queue.Push(kCrowd, 100 + i);
  queue.Push(kOther, 200);
  queue.Push(kThird, 300);
  queue.Push(kOther, 201);
  EXPECT_EQ(queue.size(), 7U);
  EXPECT_EQ(queue.SizeOf(kCrowd), 4U);
  EXPECT_EQ(Drain(queue), (std::vector<uint64_t>{100, 200, 300, 101, 201, 102, 103}));
  EXPECT_TRUE(queue.empty());
  EXPECT_EQ(queue.SizeOf(kCrowd), 0U);
}

TEST(TenantQueueTest, WhoMayNotAskKeepsHisTurn) {
  TenantQueue queue;
  queue.Push(kCrowd, 100);
  queue.Push(kOther, 200);
  EXPECT_EQ(queue.Next([](TenantId tenant) { return tenant != kCrowd; }), 200U);
  EXPECT_EQ(queue.Next([](TenantId) { return false; }), std::nullopt);
  EXPECT_EQ(queue.Next(&Anybody), 100U);
}

TEST(TenantQueueTest, WhatIsGivenUpLeavesNothing) {
  TenantQueue queue;
  queue.Push(kCrowd, 100);
  queue.Push(kCrowd, 101);
  queue.Push(kOther, 200);
  queue.Remove(kCrowd, 101);
  queue.Remove(kCrowd, 101);
  queue.Remove(kThird, 300);
  EXPECT_EQ(queue.size(), 2U);
  queue.Remove(kCrowd, 100);
  EXPECT_EQ(Drain(queue), (std::vector<uint64_t>{200}));
}

}  // namespace
}  // namespace poplar::auth
