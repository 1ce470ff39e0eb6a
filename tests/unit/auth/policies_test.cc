// Quotas and policies in the user database, and a file of the version that had none.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sqlite3.h>

#include <string>
#include <vector>

#include "auth/users/user_database.h"
#include "tests/unit/auth/schema_v1.h"
#include "tests/unit/auth/temp_dir.h"

namespace poplar::auth {
namespace {

using testing::HasSubstr;

const std::vector<std::string> kDomains = {"example.org"};

// Runs SQL as an operator would by hand; what SQLite says of it.
std::string Sql(const std::string& path, const char* sql) {
  sqlite3* handle = nullptr;
  EXPECT_EQ(sqlite3_open(path.c_str(), &handle), SQLITE_OK);
  sqlite3_exec(handle, sql, nullptr, nullptr, nullptr);
  std::string said = sqlite3_errmsg(handle);
  sqlite3_close(handle);
  return said;
}

class PoliciesTest : public testing::Test {
 protected:
  PoliciesTest() {
    database_ = *UserDatabase::Create(path_);
    EXPECT_TRUE(database_->AddTenant("acme", kDomains).ok());
    EXPECT_TRUE(database_->AddUser("alice@example.org", "").ok());
  }
  Quota QuotaOf(const std::string& address) { return database_->FindUser(address)->quota; }
  // What a server finds, as the authentication asks.
  Quota QuotaAtLogin(const std::string& key) { return (*database_->FindLogin(key))->user.quota; }

  TempDir dir_;
  const std::string path_ = dir_.File("users.db");
  std::unique_ptr<UserDatabase> database_;
};

TEST_F(PoliciesTest, ANewTenantLimitsAndRemovesNothing) {
  const TenantRecord tenant = *database_->FindTenant("acme");
  TenantPolicy nothing;
  nothing.name = "acme";
  EXPECT_EQ(tenant.policy, nothing);
  EXPECT_EQ(tenant.maildrop_quota, Quota());
  EXPECT_EQ(QuotaOf("alice@example.org"), Quota());
}

TEST_F(PoliciesTest, AreKept) {
  const auto changed = database_->ChangeTenant("acme", [](TenantRecord& tenant) {
    tenant.policy.quota = {.octets = 1'000'000'000'000, .messages = 5'000'000};
    tenant.policy.keep_deleted_days = 30;
    tenant.policy.expire_days = 365;
    tenant.policy.expire_read_days = 0;
    tenant.maildrop_quota = {.octets = 2'000'000'000, .messages = 50'000};
  });
  ASSERT_TRUE(changed.ok()) << changed.status();
  const TenantRecord tenant = *database_->FindTenant("acme");
  EXPECT_EQ(tenant.policy, changed->policy);
  EXPECT_EQ(tenant.policy.quota, (Quota{1'000'000'000'000, 5'000'000}));
  EXPECT_EQ(tenant.policy.keep_deleted_days, 30U);
  EXPECT_EQ(tenant.policy.expire_days, 365U);
  EXPECT_EQ(tenant.policy.expire_read_days, 0U);
  EXPECT_EQ(tenant.maildrop_quota, (Quota{2'000'000'000, 50'000}));
  EXPECT_EQ(database_->ListTenants()->front().policy, tenant.policy);

  // What a change leaves alone stays.
  ASSERT_TRUE(
      database_->ChangeTenant("acme", [](TenantRecord& t) { t.policy.expire_read_days.reset(); })
          .ok());
  const TenantRecord later = *database_->FindTenant("acme");
  EXPECT_FALSE(later.policy.expire_read_days.has_value());
  EXPECT_EQ(later.policy.quota, tenant.policy.quota);
}

TEST_F(PoliciesTest, ATenantIsAddedWithThemOrNotAtAll) {
  const auto added = database_->AddTenant(
      "other", {}, [](TenantRecord& tenant) { tenant.policy.expire_days = 7; });
  ASSERT_TRUE(added.ok()) << added.status();
  EXPECT_EQ(added->policy.expire_days, 7U);
  const auto refused = database_->AddTenant(
      "third", {}, [](TenantRecord& tenant) { tenant.policy.expire_days = kPolicyDaysMax + 1; });
  EXPECT_EQ(refused.status().code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(database_->FindTenant("third").status().code(), StatusCode::kNotFound);
}

TEST_F(PoliciesTest, NumbersOutOfBoundsChangeNothing) {
  const auto refused = [&](const UserDatabase::TenantChange& change) {
    return database_->ChangeTenant("acme", change).status();
  };
  EXPECT_THAT(refused([](TenantRecord& t) { t.policy.keep_deleted_days = 40'000; }).ToString(),
              HasSubstr("40000 days are too many"));
  EXPECT_EQ(refused([](TenantRecord& t) { t.policy.quota.octets = ~uint64_t{0}; }).code(),
            StatusCode::kInvalidArgument);
  EXPECT_EQ(refused([](TenantRecord& t) { t.maildrop_quota.messages = kQuotaMax + 1; }).code(),
            StatusCode::kInvalidArgument);
  EXPECT_EQ(database_->ChangeTenant("nobody", [](TenantRecord&) {}).status().code(),
            StatusCode::kNotFound);
  TenantPolicy nothing;
  nothing.name = "acme";
  EXPECT_EQ(database_->FindTenant("acme")->policy, nothing);
  // By hand neither.
  EXPECT_THAT(Sql(path_, "UPDATE tenants SET quota_octets = -1"), HasSubstr("CHECK"));
  EXPECT_THAT(Sql(path_, "UPDATE tenants SET expire_days = 0"), HasSubstr("CHECK"));
  EXPECT_THAT(Sql(path_, "UPDATE users SET quota_messages = -5"), HasSubstr("CHECK"));
}

TEST_F(PoliciesTest, AMaildropHasItsOwnQuotaOrTheTenants) {
  ASSERT_TRUE(
      database_->ChangeTenant("acme", [](TenantRecord& t) { t.maildrop_quota = {1000, 10}; }).ok());
  EXPECT_EQ(QuotaOf("alice@example.org"), (Quota{1000, 10}));
  EXPECT_EQ(QuotaAtLogin("alice@example.org"), (Quota{1000, 10}));
  const auto set = [&](UserQuota quota) {
    EXPECT_TRUE(
        database_->ChangeUserQuota("Alice@example.org", [&](UserQuota& own) { own = quota; }).ok());
  };
  set({.octets = 5000, .messages = {}});
  EXPECT_EQ(QuotaOf("alice@example.org"), (Quota{5000, 10}));
  EXPECT_EQ(QuotaAtLogin("alice@example.org"), (Quota{5000, 10}));
  set({.octets = 0, .messages = 0});  // No limit, whatever the tenant's.
  EXPECT_EQ(QuotaOf("alice@example.org"), Quota());
  EXPECT_EQ(database_->FindUser("alice@example.org")->own_quota, (UserQuota{0, 0}));
  set({});
  EXPECT_EQ(QuotaOf("alice@example.org"), (Quota{1000, 10}));
  EXPECT_EQ(database_->ChangeUserQuota("bob@example.org", [](UserQuota&) {}).status().code(),
            StatusCode::kNotFound);
}

TEST_F(PoliciesTest, AreTakenOnceForEachChange) {
  const auto server = *UserDatabase::Open(path_);
  const auto take = [&] { return *server->TakePolicies(); };
  const auto first = take();
  ASSERT_TRUE(first.has_value());
  const TenantId acme = database_->FindTenant("acme")->id;
  EXPECT_EQ(first->Of(acme).name, "acme");
  EXPECT_FALSE(take().has_value());

  ASSERT_TRUE(
      database_->ChangeTenant("acme", [](TenantRecord& t) { t.policy.quota.octets = 7; }).ok());
  const auto changed = take();
  ASSERT_TRUE(changed.has_value());
  EXPECT_EQ(changed->Of(acme).quota.octets, 7U);
  EXPECT_FALSE(take().has_value());

  // A tenant that comes, one that goes.
  const auto added =
      database_->AddTenant("other", {}, [](TenantRecord& t) { t.policy.expire_read_days = 3; });
  EXPECT_EQ(take()->Of(added->id).expire_read_days, 3U);
  ASSERT_TRUE(database_->RemoveTenant("other", false).ok());
  EXPECT_EQ(take()->by_tenant.size(), 1U);
}

TEST_F(PoliciesTest, ChangesAreToldToThoseWhoRememberAnswers) {
  const auto server = *UserDatabase::Open(path_);
  ASSERT_TRUE(
      database_->ChangeUserQuota("alice@example.org", [](UserQuota& own) { own.octets = 1; }).ok());
  const UserChanges of_user = *server->TakeChanges();
  EXPECT_FALSE(of_user.everything);
  EXPECT_THAT(of_user.keys, testing::Contains("alice@example.org"));
  ASSERT_TRUE(
      database_->ChangeTenant("acme", [](TenantRecord& t) { t.maildrop_quota.octets = 1; }).ok());
  const TenantId acme = database_->FindTenant("acme")->id;
  EXPECT_THAT(server->TakeChanges()->tenants, testing::ElementsAre(acme));
  ASSERT_TRUE(database_->AddTenant("other", {}).ok());
  for (const bool weak : {true, false}) {
    ASSERT_TRUE(
        database_
            ->ChangeTenant("acme", [&](TenantRecord& t) { t.policy.rules.weak_schemes = weak; })
            .ok());
    const UserChanges of_setting = *server->TakeChanges();
    EXPECT_FALSE(of_setting.everything);
    EXPECT_THAT(of_setting.tenants, testing::ElementsAre(acme));
  }
}

TEST_F(PoliciesTest, AFileOfVersion1IsUpgradedWhenItIsOpened) {
  const std::string path = dir_.File("old.db");
  ASSERT_EQ(Sql(path, kSchemaV1), "not an error");
  ASSERT_EQ(Sql(path,
                "INSERT INTO tenants (name, created_s) VALUES ('old', 5);"
                "INSERT INTO domains VALUES ('old.example', 1);"
                "INSERT INTO users VALUES ('a1', 1, 'Eve@old.example', 'eve@old.example',"
                " 'old.example', '', 1, 6, 7)"),
            "not an error");
  {
    const auto opened = UserDatabase::Open(path);
    ASSERT_TRUE(opened.ok()) << opened.status();
    const UserRecord eve = *(*opened)->FindUser("eve@old.example");
    EXPECT_EQ(eve.account, "a1");
    EXPECT_EQ(eve.created_s, 6);
    EXPECT_EQ(eve.quota, Quota());
    EXPECT_EQ(eve.own_quota, UserQuota());
    const TenantRecord tenant = *(*opened)->FindTenant("old");
    EXPECT_EQ(tenant.domains, std::vector<std::string>{"old.example"});
    EXPECT_FALSE(tenant.policy.expire_read_days.has_value());
  }
  // Whoever opens it again finds it whole, with the promises of a new one.
  const auto again = *UserDatabase::Open(path);
  ASSERT_TRUE(
      again->ChangeTenant("old", [](TenantRecord& t) { t.maildrop_quota.octets = 9; }).ok());
  EXPECT_EQ(again->FindUser("eve@old.example")->quota.octets, 9U);
  EXPECT_THAT(Sql(path, "UPDATE users SET account = 'b2'"), HasSubstr("never changes"));
}

TEST_F(PoliciesTest, AnUpgradeThatCannotEndChangesNothing) {
  const std::string path = dir_.File("strange.db");
  ASSERT_EQ(Sql(path, kSchemaV1), "not an error");
  // Somebody added a column of that name by hand: the last step fails.
  ASSERT_EQ(Sql(path, "ALTER TABLE users ADD COLUMN quota_messages INTEGER"), "not an error");
  EXPECT_FALSE(UserDatabase::Open(path).ok());
  EXPECT_THAT(Sql(path, "SELECT quota_octets FROM tenants"), HasSubstr("no such column"));
}

}  // namespace
}  // namespace poplar::auth
