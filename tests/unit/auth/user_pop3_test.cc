// Whether a user has POP3, in the user database.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sqlite3.h>

#include <memory>
#include <string>
#include <vector>

#include "auth/users/user_database.h"
#include "tests/unit/auth/schema_v1.h"
#include "tests/unit/auth/schema_v3.h"
#include "tests/unit/auth/schema_v4.h"
#include "tests/unit/auth/temp_dir.h"

namespace poplar::auth {
namespace {

using testing::ElementsAre;

constexpr char kAlice[] = "alice@example.org";

TEST(UserPop3Test, ItIsKeptAndToldLikeOtherChanges) {
  const TempDir dir;
  const auto database = *UserDatabase::Create(dir.File("users.db"));
  const std::vector<std::string> domains = {"example.org"};
  ASSERT_TRUE(database->AddTenant("acme", domains).ok());
  EXPECT_TRUE(database->AddUser(kAlice, "")->pop3);
  ASSERT_TRUE(database->AddUser("bob@example.org", "").ok());
  const auto watcher = *UserDatabase::Open(dir.File("users.db"));
  ASSERT_TRUE(watcher->TakeChanges().ok());

  ASSERT_TRUE(database->SetUserPop3("Alice@Example.org", false).ok());
  EXPECT_FALSE(database->FindUser(kAlice)->pop3);
  EXPECT_TRUE(database->FindUser(kAlice)->enabled);
  EXPECT_FALSE((*database->FindLogin(kAlice))->user.pop3);
  EXPECT_TRUE((*database->FindLogin("bob@example.org"))->user.pop3);
  EXPECT_THAT(watcher->TakeChanges()->keys, ElementsAre(kAlice));

  ASSERT_TRUE(database->SetUserPop3(kAlice, true).ok());
  EXPECT_TRUE((*database->FindLogin(kAlice))->user.pop3);
  EXPECT_EQ(database->SetUserPop3("eve@example.org", false).code(), StatusCode::kNotFound);
}

TEST(UserPop3Test, UsersOfAFileOfVersion4HaveIt) {
  const TempDir dir;
  const std::string path = dir.File("old.db");
  sqlite3* handle = nullptr;
  ASSERT_EQ(sqlite3_open(path.c_str(), &handle), SQLITE_OK);
  for (const char* sql :
       {kSchemaV1, kSchemaV1ToV3, kSchemaV3ToV4,
        "INSERT INTO tenants (name, created_s) VALUES ('old', 5);"
        "INSERT INTO domains VALUES ('old.example', 1);"
        "INSERT INTO users (account, tenant, address, address_key, domain, created_s,"
        " password_changed_s, require_app_password) VALUES ('a1', 1, 'Eve@old.example',"
        " 'eve@old.example', 'old.example', 6, 7, 1)"}) {
    ASSERT_EQ(sqlite3_exec(handle, sql, nullptr, nullptr, nullptr), SQLITE_OK)
        << sqlite3_errmsg(handle);
  }
  sqlite3_close(handle);
  {
    const auto opened = UserDatabase::Open(path);
    ASSERT_TRUE(opened.ok()) << opened.status();
    const auto login = (*opened)->FindLogin("eve@old.example");
    ASSERT_TRUE(login.ok() && login->has_value());
    EXPECT_TRUE((*login)->user.pop3);
    EXPECT_TRUE((*login)->require_app_password);
    ASSERT_TRUE((*opened)->SetUserPop3("eve@old.example", false).ok());
    const auto watcher = *UserDatabase::Open(path);
    ASSERT_TRUE((*opened)->SetTenantEnabled("old", false).ok());
    const UserChanges changes = *watcher->TakeChanges();
    EXPECT_FALSE(changes.everything);
    EXPECT_THAT(changes.tenants, ElementsAre(TenantId(1)));
  }
  EXPECT_FALSE((*UserDatabase::Open(path))->FindUser("eve@old.example")->pop3);
}

}  // namespace
}  // namespace poplar::auth
