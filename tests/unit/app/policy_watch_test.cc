#include "core/app/policy_watch.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <functional>
#include <thread>

#include "tests/unit/auth/temp_dir.h"

namespace poplar::app {
namespace {

class PolicyWatchTest : public testing::Test {
 protected:
  PolicyWatchTest() {
    users_ = *auth::UserDatabase::Create(path_);
    tenant_ = users_->AddTenant("acme", {})->id;
  }
  std::unique_ptr<PolicyWatch> MustStart() {
    auto started = PolicyWatch::Start(
        {.database_path = path_, .period = std::chrono::milliseconds(10)}, board_);
    EXPECT_TRUE(started.ok()) << started.status();
    return std::move(*started);
  }
  void SetQuota(uint64_t octets) {
    ASSERT_TRUE(
        users_->ChangeTenant("acme", [&](auth::TenantRecord& t) { t.policy.quota.octets = octets; })
            .ok());
  }
  // Whether the tenant's published policy comes to be so within a minute.
  bool PolicyBecomes(const std::function<bool(const TenantPolicy&)>& so) {
    for (int i = 0; i < 6000; ++i) {
      if (so(board_.Current()->Of(tenant_))) return true;
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    return false;
  }
  bool QuotaBecomes(uint64_t octets) {
    return PolicyBecomes([=](const TenantPolicy& now) { return now.quota.octets == octets; });
  }
  bool SessionsBecome(uint32_t max) {
    return PolicyBecomes([=](const TenantPolicy& now) { return now.rules.sessions_max == max; });
  }

  auth::TempDir dir_;
  const std::string path_ = dir_.File("users.db");
  std::unique_ptr<auth::UserDatabase> users_;
  TenantId tenant_;
  PolicyBoard board_;
};

TEST_F(PolicyWatchTest, HasPublishedWhenItIsStarted) {
  SetQuota(100);
  const auto watch = MustStart();
  EXPECT_EQ(board_.Current()->Of(tenant_).quota.octets, 100U);
  EXPECT_EQ(board_.Current()->Of(tenant_).name, "acme");
}

TEST_F(PolicyWatchTest, WithoutADatabaseItDoesNotStart) {
  const auto started = PolicyWatch::Start({.database_path = dir_.File("nowhere.db")}, board_);
  EXPECT_EQ(started.status().code(), StatusCode::kNotFound);
}

TEST_F(PolicyWatchTest, PublishesWhatChanges) {
  const auto watch = MustStart();
  SetQuota(200);
  EXPECT_TRUE(QuotaBecomes(200));
  SetQuota(0);
  EXPECT_TRUE(QuotaBecomes(0));
}

TEST_F(PolicyWatchTest, LooksAtOnceForWhoAsks) {
  auto started =
      PolicyWatch::Start({.database_path = path_, .period = std::chrono::hours(1)}, board_);
  ASSERT_TRUE(started.ok()) << started.status();
  for (const uint64_t octets : {300, 0, 400}) {
    SetQuota(octets);
    (*started)->LookNow();
    EXPECT_EQ(board_.Current()->Of(tenant_).quota.octets, octets);
  }
}

TEST_F(PolicyWatchTest, LimitsOfAllHoldWhereATenantHasNoneOfItsOwn) {
  const TenantId own = users_->AddTenant("own", {})->id;
  ASSERT_TRUE(
      users_->ChangeTenant("own", [](auth::TenantRecord& t) { t.policy.rules.sessions_max = 7; })
          .ok());
  const tenant::TenantLimitsConfig limits{.sessions_max = 50,
                                          .sessions_per_address_max = 5,
                                          .logins_per_minute = 600,
                                          .deliveries_per_minute = 6'000,
                                          .egress_kib_per_s = 10'240};
  const auto watch = MustStart();
  EXPECT_EQ(board_.Current()->Of(tenant_).rules, TenantRules());
  watch->SetLimits(limits);
  ASSERT_TRUE(SessionsBecome(50));
  const TenantRules rules = board_.Current()->Of(tenant_).rules;
  EXPECT_EQ(rules.sessions_per_address_max, 5U);
  EXPECT_EQ(rules.logins_per_minute, 600U);
  EXPECT_EQ(rules.deliveries_per_minute, 6'000U);
  EXPECT_EQ(rules.egress_kib_per_s, 10'240U);
  EXPECT_EQ(board_.Current()->Of(own).rules.sessions_max, 7U);
  EXPECT_EQ(board_.Current()->Of(own).rules.logins_per_minute, 600U);
  watch->SetLimits({});
  EXPECT_TRUE(SessionsBecome(0));
  EXPECT_EQ(board_.Current()->Of(own).rules.sessions_max, 7U);
}

TEST_F(PolicyWatchTest, PublishesWhoseADomainIs) {
  const auto watch = MustStart();
  EXPECT_EQ(board_.Current()->OfDomain("example.org"), nullptr);
  ASSERT_TRUE(users_->AddDomain("acme", "example.org").ok());
  const auto published = [&] { return board_.Current()->OfDomain("example.org") != nullptr; };
  for (int i = 0; i < 1000 && !published(); ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  ASSERT_TRUE(published());
  EXPECT_EQ(board_.Current()->OfDomain("example.org")->name, "acme");
}

TEST_F(PolicyWatchTest, OtherChangesPublishNothing) {
  ASSERT_TRUE(users_->AddDomain("acme", "example.org").ok());
  const auto watch = MustStart();
  const std::shared_ptr<const TenantPolicies> before = board_.Current();
  ASSERT_TRUE(users_->AddUser("alice@example.org", "").ok());
  std::this_thread::sleep_for(std::chrono::milliseconds(100));  // Would be enough to see them.
  EXPECT_EQ(board_.Current(), before);
}

TEST_F(PolicyWatchTest, GoesOnWithAFileThatIsPutInPlaceOfTheOld) {
  const auto watch = MustStart();
  SetQuota(300);
  ASSERT_TRUE(QuotaBecomes(300));
  users_.reset();
  const std::string other_path = dir_.File("other.db");
  users_ = *auth::UserDatabase::Create(other_path);
  ASSERT_EQ(users_->AddTenant("acme", {})->id, tenant_);
  SetQuota(400);
  users_.reset();  // All that was written is in the file itself then.
  for (const char* suffix : {"-wal", "-shm", ""}) std::filesystem::remove(path_ + suffix);
  // While there is none, what was published goes on.
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  EXPECT_EQ(board_.Current()->Of(tenant_).quota.octets, 300U);
  std::filesystem::rename(other_path, path_);
  EXPECT_TRUE(QuotaBecomes(400));
}

}  // namespace
}  // namespace poplar::app
