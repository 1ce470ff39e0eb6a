// What one tenant's trouble, or one back end's, is to the others: circuit breakers and places.

#include <chrono>

#include "tests/unit/auth/remote_fixture.h"

namespace poplar::auth {
namespace {

constexpr uint64_t kForeverUs = 60'000'000;
// A question that finds a place takes no time; those of the crowds take a second.
constexpr std::chrono::milliseconds kAtOnce{500};
constexpr const char* kCrowdMs = "1000";

class BulkheadsTest : public RemoteTest {
 protected:
  using Crowd = std::vector<std::unique_ptr<Asking<ResolveResult>>>;

  explicit BulkheadsTest(uint32_t shard_count = 2) : RemoteTest(shard_count) {
    remote_options_.threads = 0;  // As it is by default.
  }

  void Ask(Crowd& crowd, ShardIndex shard, const std::string& address, int times) {
    for (int i = 0; i < times; ++i) {
      crowd.push_back(std::make_unique<Asking<ResolveResult>>(
          *shards_, shard, [&](io::Completion<ResolveResult>& done) {
            service_->OnShard(shard).Resolve(address, done);
          }));
    }
  }
  static bool Ready(const Crowd& crowd) {
    return std::ranges::all_of(crowd, [](const auto& one) { return one->ready(); });
  }
  void ExpectAtOnce(ShardIndex shard, const std::string& address) {
    const auto begun = std::chrono::steady_clock::now();
    EXPECT_EQ(Resolve(shard, address).outcome, ResolveOutcome::kFound) << address;
    EXPECT_LT(std::chrono::steady_clock::now() - begun, kAtOnce) << address;
  }
};

TEST_F(BulkheadsTest, AnOddAccountTakesTheBackEndFromNobody) {
  StartTrouble();
  for (const char* odd : {"down", "mute", "lie", "longlie", "strange"}) {
    for (int i = 0; i < 10; ++i) {
      EXPECT_EQ(Resolve(kFirst, std::string(odd) + "@acme.example").outcome,
                ResolveOutcome::kTemporary);
    }
    EXPECT_EQ(Resolve(kFirst, "ok@acme.example").outcome, ResolveOutcome::kFound) << odd;
    EXPECT_EQ(Resolve(kFirst, "ok@other.example").outcome, ResolveOutcome::kFound) << odd;
  }
  EXPECT_EQ(Metric("poplar_backend_not_asked_total"), 0);
  EXPECT_EQ(Metric("poplar_backend_unreached_total"), 0);
}

TEST_F(BulkheadsTest, FailuresOfOneTenantAreItsOwn) {
  remote_options_.breaker.pause_us = remote_options_.breaker.pause_us_max = kForeverUs;
  StartTrouble();
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(Resolve(kFirst, "gone@acme.example").outcome, ResolveOutcome::kTemporary);
  }
  EXPECT_EQ(Metric("poplar_backend_not_asked_total"), 15);
  EXPECT_EQ(Metric("poplar_backend_tenants_left_alone"), 1);
  EXPECT_EQ(Metric("poplar_backend_breaker"), 0);
  EXPECT_EQ(Resolve(kFirst, "ok@other.example").outcome, ResolveOutcome::kFound);
  EXPECT_EQ(Resolve(kFirst, "nobody@other.example").outcome, ResolveOutcome::kUnknown);
  // Not "unknown": nobody can tell.
  EXPECT_EQ(Resolve(kFirst, "nobody@acme.example").outcome, ResolveOutcome::kTemporary);
}

TEST_F(BulkheadsTest, WhoeverIsDeadIsLeftAloneByAll) {
  remote_options_.breaker.pause_us = remote_options_.breaker.pause_us_max = kForeverUs;
  StartTrouble();
  for (int i = 0; i < 10; ++i) {
    for (const char* domain : {"acme", "other"}) {
      EXPECT_EQ(Resolve(kFirst, std::string("gone@") + domain + ".example").outcome,
                ResolveOutcome::kTemporary);
    }
  }
  EXPECT_EQ(Metric("poplar_backend_unreached_total"), 5);
  EXPECT_EQ(Metric("poplar_backend_not_asked_total"), 15);
  EXPECT_EQ(Metric("poplar_backend_breaker"), 2);
  EXPECT_EQ(Resolve(kFirst, "nobody@other.example").outcome, ResolveOutcome::kTemporary);
}

// One back end's questions that hang leave places to another's of the same host.
TEST_F(BulkheadsTest, ABackEndThatHangsLeavesRoomForTheOthers) {
  remote_options_.threads = 8;
  options_.deadline_ms = 3'000;
  Start({{.name = "good", .plugin = PluginPath("trouble"), .settings = {{"only", "ok"}}},
         {.name = "bad", .plugin = PluginPath("trouble"), .settings = {}}});
  Crowd hung;
  Ask(hung, kFirst, "hang@acme.example", 12);
  ExpectAtOnce(kFirst, "ok@acme.example");
  ExpectAtOnce(kSecond, "ok@acme.example");
  for (auto& asked : hung) EXPECT_EQ(asked->Get().outcome, ResolveOutcome::kTemporary);
}

// One place too few to be replaced for, and the only one that this tenant may have.
TEST_F(BulkheadsTest, AHostWithOneCallThatHangsIsReplaced) {
  remote_options_.threads = 8;
  remote_options_.hung_ms = 300;
  options_.deadline_ms = 200;
  StartTrouble();
  EXPECT_EQ(Resolve(kFirst, "hang@acme.example").outcome, ResolveOutcome::kTemporary);
  EXPECT_TRUE(Eventually([&] { return Metric("poplar_auth_host_restarts_total") == 1; }));
  EXPECT_TRUE(Eventually(
      [&] { return Resolve(kFirst, "ok@acme.example").outcome == ResolveOutcome::kFound; }));
}

class OneWorkerTest : public BulkheadsTest {
 protected:
  OneWorkerTest() : BulkheadsTest(1) {}
};

TEST_F(OneWorkerTest, ACrowdOfOneTenantHoldsUpNoOther) {
  StartTrouble({{"slow_ms", kCrowdMs}});
  // In every wave, the first too, and whoever else asks for the first time.
  Crowd crowd;
  Ask(crowd, kFirst, "slow@acme.example", 12);
  int asked = 0;
  for (; !Ready(crowd); ++asked) {
    ExpectAtOnce(kFirst, "ok@other.example");
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  EXPECT_GT(asked, 20) << "the crowd waited long";
  for (const auto& one : crowd) EXPECT_EQ(one->Get().outcome, ResolveOutcome::kFound);
}

// Two of them fill all places once, as nobody knows them yet.
TEST_F(OneWorkerTest, CrowdsOfSlowTenantsAreRemembered) {
  StartTrouble({{"slow_ms", kCrowdMs}});
  for (int wave = 0; wave < 2; ++wave) {
    Crowd crowd;
    for (const char* domain : {"acme", "other"}) {
      Ask(crowd, kFirst, std::string("slow@") + domain + ".example", 4);
    }
    if (wave > 0) ExpectAtOnce(kFirst, "ok@third.example");
    for (const auto& one : crowd) one->Get();
  }
}

TEST_F(OneWorkerTest, CrowdsOfSlowBackEndsAreRemembered) {
  TenantPolicies tenants = *board_.Current();
  tenants.by_tenant[1].rules.auth_chain = "a";
  tenants.by_tenant[2].rules.auth_chain = "b";
  tenants.by_tenant[3].rules.auth_chain = "c";
  tenants_.Publish(std::make_shared<TenantPolicies>(tenants));
  // As of one tenant alone, which may fill all that a back end may have.
  tenants.by_tenant.clear();
  board_.Publish(std::make_shared<TenantPolicies>(tenants));
  std::vector<RemoteBackendSpec> specs;
  for (const char* name : {"a", "b", "c"}) {
    specs.push_back(
        {.name = name, .plugin = PluginPath("trouble"), .settings = {{"slow_ms", kCrowdMs}}});
  }
  Start(std::move(specs));
  for (int wave = 0; wave < 2; ++wave) {
    Crowd crowd;
    for (const char* domain : {"acme", "other"}) {
      Ask(crowd, kFirst, std::string("slow@") + domain + ".example", 5);
    }
    if (wave > 0) ExpectAtOnce(kFirst, "ok@third.example");
    for (const auto& one : crowd) one->Get();
  }
}

class ManyWorkersTest : public BulkheadsTest {
 protected:
  static constexpr uint32_t kWorkers = 9;

  ManyWorkersTest() : BulkheadsTest(kWorkers) {}
};

TEST_F(ManyWorkersTest, EachLeavesPlacesToOtherTenantsAndBackEnds) {
  Start({{.name = "good", .plugin = PluginPath("trouble"), .settings = {{"only", "ok"}}},
         {.name = "bad", .plugin = PluginPath("trouble"), .settings = {{"slow_ms", kCrowdMs}}}});
  Crowd crowd;
  for (uint32_t i = 0; i < kWorkers; ++i) Ask(crowd, ShardIndex(i), "slow@acme.example", 6);
  for (uint32_t i = 0; i < kWorkers; ++i) {
    ExpectAtOnce(ShardIndex(i), "ok@acme.example");         // Of the other back end.
    ExpectAtOnce(ShardIndex(i), "mailonly@other.example");  // Of the other tenant.
  }
  EXPECT_FALSE(Ready(crowd));
  for (const auto& one : crowd) EXPECT_EQ(one->Get().outcome, ResolveOutcome::kFound);
}

}  // namespace
}  // namespace poplar::auth
