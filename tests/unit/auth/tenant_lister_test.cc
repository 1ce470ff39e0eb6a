// Tenants that a plug-in tells, over real processes.

#include "auth/remote/tenant_lister.h"

#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <thread>
#include <vector>

namespace poplar::auth {
namespace {

DirectSpawner& Spawner() {
  static DirectSpawner spawner({.executable = AUTH_HOST});
  return spawner;
}

StatusOr<std::vector<std::string>> List(const std::string& tenants, uint32_t timeout_ms = 20'000,
                                        const std::stop_token& stop = {}) {
  TenantListerOptions options;
  options.spawner = &Spawner();
  options.plugin = std::string(PLUGINS) + "/trouble.so";
  if (!tenants.empty()) options.settings = {{"tenants", tenants}};
  options.answer_timeout_ms = timeout_ms;
  return ListTenants(options, stop);
}

TEST(TenantListerTest, AsManyAnswersAsItTakes) {
  for (const size_t count : {size_t{0}, size_t{1}, size_t{5000}}) {
    const auto tenants = List(std::to_string(count));
    ASSERT_TRUE(tenants.ok()) << tenants.status();
    ASSERT_EQ(tenants->size(), count);
    for (size_t i = 0; i < count; ++i) {
      const std::string name = "t" + std::to_string(i);
      ASSERT_EQ((*tenants)[i], "name=" + name + "\ndomain=" + name + ".example\n");
    }
  }
}

TEST(TenantListerTest, NotWithoutEnd) {
  EXPECT_EQ(List("1000000").status().code(), StatusCode::kUnavailable);
}

TEST(TenantListerTest, WhatIsAmissIsTold) {
  EXPECT_EQ(List("").status().code(), StatusCode::kFailedPrecondition);
  EXPECT_EQ(Message(List("down").status()), "the directory is down");
  EXPECT_EQ(List("down").status().code(), StatusCode::kUnavailable);
  EXPECT_EQ(List("crash").status().code(), StatusCode::kUnavailable);
  EXPECT_EQ(List("hang", /*timeout_ms=*/300).status().code(), StatusCode::kUnavailable);
  TenantListerOptions none;
  none.spawner = &Spawner();
  none.plugin = "/nowhere.so";
  EXPECT_EQ(ListTenants(none, {}).status().code(), StatusCode::kInvalidArgument);
}

TEST(TenantListerTest, TheDeadlineIsTold) {
  for (const uint32_t timeout_ms : {30'000U, 45'678U}) {
    const auto tenants = List("deadline", timeout_ms);
    ASSERT_TRUE(tenants.ok()) << tenants.status();
    EXPECT_EQ(*tenants, std::vector{"name=" + std::to_string(timeout_ms) + "\n"});
  }
}

TEST(TenantListerTest, WhoNoLongerWantsItDoesNotWait) {
  std::stop_source stop;
  const std::jthread later([&stop] {
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
    stop.request_stop();
  });
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_EQ(List("hang", /*timeout_ms=*/600'000, stop.get_token()).status().code(),
            StatusCode::kUnavailable);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::minutes(5));
}

}  // namespace
}  // namespace poplar::auth
