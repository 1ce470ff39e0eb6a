// App passwords in the user database.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sqlite3.h>

#include <string>
#include <vector>

#include "auth/users/user_database.h"
#include "tests/unit/auth/schema_v1.h"
#include "tests/unit/auth/schema_v3.h"
#include "tests/unit/auth/temp_dir.h"

namespace poplar::auth {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr char kAlice[] = "alice@example.org";
constexpr char kHash[] = "{SSHA256}of the phone";

std::string Sql(const std::string& path, const std::string& sql) {
  sqlite3* handle = nullptr;
  EXPECT_EQ(sqlite3_open(path.c_str(), &handle), SQLITE_OK);
  sqlite3_exec(handle, sql.c_str(), nullptr, nullptr, nullptr);
  std::string said = sqlite3_errmsg(handle);
  sqlite3_close(handle);
  return said;
}

class FixedClock : public base::Clock {
 public:
  uint64_t MonotonicUs() const override { return 0; }
  int64_t WallUs() const override { return 1'700'000'000'000'000; }
};

class AppPasswordsTest : public testing::Test {
 protected:
  AppPasswordsTest() {
    database_ = *UserDatabase::Create(path_, {.clock = &clock_});
    const std::vector<std::string> domains = {"example.org"};
    EXPECT_TRUE(database_->AddTenant("acme", domains).ok());
    EXPECT_TRUE(database_->AddUser("Alice@example.org", "").ok());
    EXPECT_TRUE(database_->AddUser("bob@example.org", "").ok());
    account_ = database_->FindUser(kAlice)->account;
  }
  static AppPasswordRecord Record(const std::string& label, const std::string& id = "abcdef") {
    AppPasswordRecord record;
    record.id = id;
    record.label = label;
    record.hash = kHash;
    return record;
  }
  std::vector<std::string> Labels(const std::string& address) {
    std::vector<std::string> labels;
    const auto records = database_->ListAppPasswords(address);
    for (const AppPasswordRecord& record : *records) {
      labels.push_back(record.label);
    }
    return labels;
  }

  FixedClock clock_;
  TempDir dir_;
  const std::string path_ = dir_.File("users.db");
  std::unique_ptr<UserDatabase> database_;
  std::string account_;
};

TEST_F(AppPasswordsTest, AreKeptUntilTheyAreRemoved) {
  AppPasswordRecord phone = Record("phone");
  phone.networks = "192.0.2.0/24";
  phone.expires_s = 1'800'000'000;
  ASSERT_TRUE(database_->AddAppPassword("ALICE@example.org", phone).ok());
  ASSERT_TRUE(database_->AddAppPassword(kAlice, Record("laptop", "ghijkm")).ok());
  EXPECT_THAT(Labels(kAlice), ElementsAre("laptop", "phone"));
  EXPECT_THAT(Labels("bob@example.org"), IsEmpty());

  const AppPasswordRecord found = **database_->FindAppPassword(account_, "abcdef");
  EXPECT_EQ(found.label, "phone");
  EXPECT_EQ(found.hash, kHash);
  EXPECT_EQ(found.scope, "pop3");
  EXPECT_EQ(found.networks, "192.0.2.0/24");
  EXPECT_EQ(found.expires_s, 1'800'000'000);
  EXPECT_EQ(found.created_s, 1'700'000'000);
  EXPECT_FALSE(found.last_used_s.has_value());
  const std::string bob = database_->FindUser("bob@example.org")->account;
  EXPECT_FALSE(database_->FindAppPassword(bob, "abcdef")->has_value()) << "an id is its user's";

  ASSERT_TRUE(database_->RemoveAppPassword(kAlice, "phone").ok());
  EXPECT_FALSE(database_->FindAppPassword(account_, "abcdef")->has_value());
  EXPECT_EQ(database_->RemoveAppPassword(kAlice, "phone").code(), StatusCode::kNotFound);
  ASSERT_TRUE(database_->RemoveUser(kAlice).ok());
  EXPECT_FALSE(database_->FindAppPassword(account_, "ghijkm")->has_value()) << "it goes with him";
}

TEST_F(AppPasswordsTest, WhatIsWrongIsRefused) {
  ASSERT_TRUE(database_->AddAppPassword(kAlice, Record("phone")).ok());
  EXPECT_EQ(database_->AddAppPassword(kAlice, Record("phone", "other2")).code(),
            StatusCode::kAlreadyExists);
  EXPECT_EQ(database_->AddAppPassword("eve@example.org", Record("phone")).code(),
            StatusCode::kNotFound);
  for (const std::string& label : {std::string(), std::string(65, 'x'), std::string("a\nb")}) {
    EXPECT_EQ(database_->AddAppPassword(kAlice, Record(label, "other2")).code(),
              StatusCode::kInvalidArgument);
  }
  AppPasswordRecord nowhere = Record("laptop", "other2");
  nowhere.networks = "here";
  EXPECT_EQ(database_->AddAppPassword(kAlice, nowhere).code(), StatusCode::kInvalidArgument);
  for (uint32_t i = 1; i < kAppPasswordsMax; ++i) {
    const std::string name = std::to_string(i);
    ASSERT_TRUE(database_->AddAppPassword(kAlice, Record(name, name)).ok()) << i;
  }
  EXPECT_EQ(database_->AddAppPassword(kAlice, Record("one more", "more")).code(),
            StatusCode::kResourceExhausted);
}

TEST_F(AppPasswordsTest, OfAnotherScopeAreNotFoundForPop3) {
  ASSERT_TRUE(database_->AddAppPassword(kAlice, Record("phone")).ok());
  ASSERT_EQ(Sql(path_, "UPDATE app_passwords SET scope = 'imap'"), "not an error");
  EXPECT_FALSE(database_->FindAppPassword(account_, "abcdef")->has_value());
}

TEST_F(AppPasswordsTest, ChangesAreToldAndUsesAreNot) {
  const auto server = *UserDatabase::Open(path_);
  const auto told = [&] { return server->TakeChanges()->keys; };
  ASSERT_TRUE(database_->AddAppPassword(kAlice, Record("phone")).ok());
  EXPECT_THAT(told(), ElementsAre(kAlice));
  const std::vector<AppPasswordUse> uses = {{account_, "abcdef", 1'700'000'500},
                                            {account_, "gone", 1'700'000'500}};
  ASSERT_TRUE(database_->NoteAppPasswordUses(uses).ok());
  EXPECT_THAT(told(), IsEmpty());
  EXPECT_EQ(database_->ListAppPasswords(kAlice)->front().last_used_s, 1'700'000'500);
  const std::vector<AppPasswordUse> earlier = {{account_, "abcdef", 1'700'000'400}};
  ASSERT_TRUE(database_->NoteAppPasswordUses(earlier).ok());
  EXPECT_EQ(database_->ListAppPasswords(kAlice)->front().last_used_s, 1'700'000'500);
  ASSERT_EQ(Sql(path_, "UPDATE app_passwords SET expires_s = 5"), "not an error");
  EXPECT_THAT(told(), ElementsAre(kAlice));
  ASSERT_TRUE(database_->RemoveAppPassword(kAlice, "phone").ok());
  EXPECT_THAT(told(), ElementsAre(kAlice));
}

TEST_F(AppPasswordsTest, AreRequiredOfAUserOrOfATenant) {
  const auto required = [&] { return (*database_->FindLogin(kAlice))->require_app_password; };
  const auto set_tenant = [&](bool require) {
    EXPECT_TRUE(database_
                    ->ChangeTenant("acme",
                                   [&](TenantRecord& tenant) {
                                     tenant.policy.rules.require_app_password = require;
                                   })
                    .ok());
  };
  EXPECT_FALSE(required());
  set_tenant(true);
  EXPECT_TRUE(required());
  ASSERT_TRUE(database_->SetRequireAppPassword(kAlice, false).ok());
  EXPECT_FALSE(required()) << "his own comes first";
  EXPECT_EQ(database_->FindUser(kAlice)->require_app_password, false);
  set_tenant(false);
  ASSERT_TRUE(database_->SetRequireAppPassword(kAlice, true).ok());
  EXPECT_TRUE(required());
  ASSERT_TRUE(database_->SetRequireAppPassword(kAlice, std::nullopt).ok());
  EXPECT_FALSE(required());
  EXPECT_FALSE(database_->FindUser(kAlice)->require_app_password.has_value());
  EXPECT_EQ(database_->SetRequireAppPassword("eve@example.org", true).code(),
            StatusCode::kNotFound);
}

TEST_F(AppPasswordsTest, AFileOfVersion3IsUpgradedWhenItIsOpened) {
  const std::string path = dir_.File("old.db");
  ASSERT_EQ(Sql(path, kSchemaV1), "not an error");
  ASSERT_EQ(Sql(path, kSchemaV1ToV3), "not an error");
  ASSERT_EQ(Sql(path,
                "INSERT INTO tenants (name, created_s) VALUES ('old', 5);"
                "INSERT INTO tenant_settings VALUES (1, 'login_delay_s', '60');"
                "INSERT INTO domains VALUES ('old.example', 1);"
                "INSERT INTO users (account, tenant, address, address_key, domain, created_s,"
                " password_changed_s) VALUES ('a1', 1, 'Eve@old.example', 'eve@old.example',"
                " 'old.example', 6, 7)"),
            "not an error");
  {
    const auto opened = UserDatabase::Open(path);
    ASSERT_TRUE(opened.ok()) << opened.status();
    EXPECT_EQ((*opened)->FindUser("eve@old.example")->account, "a1");
    EXPECT_FALSE((*(*opened)->FindLogin("eve@old.example"))->require_app_password);
    EXPECT_EQ((*opened)->FindTenant("old")->policy.rules.login_delay_s, 60U);
    EXPECT_THAT(*(*opened)->ListAppPasswords("eve@old.example"), IsEmpty());
    ASSERT_TRUE((*opened)->AddAppPassword("eve@old.example", Record("phone")).ok());
  }
  const auto again = *UserDatabase::Open(path);
  EXPECT_EQ(again->ListAppPasswords("eve@old.example")->size(), 1U);
}

}  // namespace
}  // namespace poplar::auth
