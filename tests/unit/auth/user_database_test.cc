#include "auth/users/user_database.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sqlite3.h>
#include <sys/stat.h>

#include <fstream>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "tests/unit/auth/temp_dir.h"

namespace poplar::auth {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

// Shapes of real hashes; nothing here computes one.
constexpr char kHash[] =
    "$6$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjlO/O817G3uBnIFNjnQJuesI68";
constexpr char kOtherHash[] = "$5$saltstring$5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc5";

class FixedClock : public base::Clock {
 public:
  uint64_t MonotonicUs() const override { return 0; }
  int64_t WallUs() const override { return now_s * 1'000'000; }
  int64_t now_s = 1'700'000'000;
};

class UserDatabaseTest : public testing::Test {
 protected:
  UserDatabaseTest() {
    auto created = UserDatabase::Create(path_, {.clock = &clock_});
    EXPECT_TRUE(created.ok()) << created.status();
    database_ = std::move(*created);
    EXPECT_TRUE(database_->AddTenant("acme", domains_).ok());
  }

  void Sql(const char* sql) const {
    sqlite3* handle = nullptr;
    ASSERT_EQ(sqlite3_open(path_.c_str(), &handle), SQLITE_OK);
    EXPECT_EQ(sqlite3_exec(handle, sql, nullptr, nullptr, nullptr), SQLITE_OK)
        << sqlite3_errmsg(handle);
    sqlite3_close(handle);
  }

  TempDir dir_;
  const std::string path_ = dir_.File("users.db");
  const std::vector<std::string> domains_ = {"example.org", "Example.NET"};
  FixedClock clock_;
  std::unique_ptr<UserDatabase> database_;
};

TEST_F(UserDatabaseTest, AHashIsReplacedOnlyWhileItIsTheOneThatWasRead) {
  ASSERT_TRUE(database_->AddUser("Alice@example.org", kHash).ok());
  clock_.now_s += 100;
  const auto replace = [&](const char* key, const char* old_hash) {
    return *database_->ReplaceHash(key, old_hash, kOtherHash);
  };
  EXPECT_FALSE(replace("alice@example.org", "$6$other$"));
  EXPECT_FALSE(replace("bob@example.org", kHash));
  EXPECT_EQ((*database_->FindLogin("alice@example.org"))->hash, kHash);
  EXPECT_TRUE(replace("alice@example.org", kHash));
  EXPECT_EQ((*database_->FindLogin("alice@example.org"))->hash, kOtherHash);
  EXPECT_FALSE(replace("alice@example.org", kHash));
  EXPECT_EQ(database_->FindUser("alice@example.org")->password_changed_s, clock_.now_s - 100);
  EXPECT_EQ(database_->ReplaceHash("alice@example.org", kOtherHash, "{PLAIN}x").status().code(),
            StatusCode::kInvalidArgument);
}

TEST_F(UserDatabaseTest, IsForItsOwnerOnly) {
  for (const char* suffix : {"", "-wal"}) {
    struct stat file{};
    ASSERT_EQ(::stat((path_ + suffix).c_str(), &file), 0);
    EXPECT_EQ(file.st_mode & 0777, 0600U) << suffix;
  }
}

TEST_F(UserDatabaseTest, IsMadeOnce) {
  EXPECT_EQ(UserDatabase::Create(path_).status().code(), StatusCode::kAlreadyExists);
  EXPECT_TRUE(database_->FindTenant("acme").ok());
}

TEST_F(UserDatabaseTest, AnEmptyFileOfAnInterruptedCreateIsTakenOver) {
  const std::string path = dir_.File("half.db");
  std::ofstream(path).close();
  EXPECT_EQ(UserDatabase::Open(path).status().code(), StatusCode::kFailedPrecondition);
  EXPECT_TRUE(UserDatabase::Create(path).ok());
}

TEST_F(UserDatabaseTest, OpenTellsWhatItFound) {
  EXPECT_EQ(UserDatabase::Open(dir_.File("nowhere.db")).status().code(), StatusCode::kNotFound);
  const std::string garbage = dir_.File("garbage.db");
  std::ofstream(garbage) << std::string(8192, 'g');
  EXPECT_EQ(UserDatabase::Open(garbage).status().code(), StatusCode::kDataLoss);
  Sql("PRAGMA user_version = 99");
  const Status status = UserDatabase::Open(path_).status();
  EXPECT_EQ(status.code(), StatusCode::kFailedPrecondition);
  EXPECT_THAT(status.ToString(), HasSubstr("schema version 99, this program knows version 6"));
}

TEST_F(UserDatabaseTest, TenantsAndDomains) {
  const auto acme = database_->FindTenant("acme");
  ASSERT_TRUE(acme.ok());
  EXPECT_THAT(acme->domains, ElementsAre("example.net", "example.org"));
  EXPECT_TRUE(acme->enabled);
  EXPECT_EQ(acme->created_s, 1'700'000'000);
  EXPECT_EQ(database_->FindTenant("nobody").status().code(), StatusCode::kNotFound);
  EXPECT_EQ(database_->AddTenant("acme", {}).status().code(), StatusCode::kAlreadyExists);

  const std::vector<std::string> taken = {"fresh.example", "EXAMPLE.org"};
  const Status clash = database_->AddTenant("beta", taken).status();
  EXPECT_EQ(clash.code(), StatusCode::kAlreadyExists);
  EXPECT_THAT(clash.ToString(), HasSubstr("example.org belongs to the tenant \"acme\""));
  EXPECT_EQ(database_->FindTenant("beta").status().code(), StatusCode::kNotFound) << "half added";

  ASSERT_TRUE(database_->AddTenant("beta", {}).ok());
  EXPECT_TRUE(database_->AddDomain("beta", "beta.example").ok());
  EXPECT_EQ(database_->AddDomain("beta", "not a domain").code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(database_->AddDomain("gamma", "x.example").code(), StatusCode::kNotFound);
  EXPECT_EQ(database_->RemoveDomain("acme", "beta.example").code(), StatusCode::kNotFound);
  EXPECT_TRUE(database_->RemoveDomain("beta", "beta.example").ok());

  const auto all = database_->ListTenants();
  ASSERT_TRUE(all.ok());
  ASSERT_EQ(all->size(), 2U);
  EXPECT_EQ((*all)[1].name, "beta");
}

TEST_F(UserDatabaseTest, TenantNamesAreWords) {
  for (const char* bad : {"", "a b", "-x", "a/b", "a\nb"}) {
    EXPECT_EQ(database_->AddTenant(bad, {}).status().code(), StatusCode::kInvalidArgument) << bad;
  }
  EXPECT_FALSE(database_->AddTenant(std::string(65, 'x'), {}).ok());
  EXPECT_TRUE(database_->AddTenant("A.b_c-9", {}).ok());
}

TEST_F(UserDatabaseTest, TenantIdsAreNotReused) {
  const TenantId first = database_->AddTenant("beta", {})->id;
  ASSERT_TRUE(database_->RemoveTenant("beta", false).ok());
  EXPECT_NE(database_->AddTenant("beta", {})->id, first);
}

TEST_F(UserDatabaseTest, UsersAreFoundInAnyCase) {
  const auto added = database_->AddUser("Alice@Example.org", kHash);
  ASSERT_TRUE(added.ok()) << added.status();
  EXPECT_EQ(added->address, "Alice@example.org");
  EXPECT_EQ(added->tenant_name, "acme");
  EXPECT_EQ(added->scheme, "sha512crypt");
  EXPECT_EQ(added->account.size(), 32U);
  EXPECT_EQ(database_->FindUser("ALICE@EXAMPLE.ORG")->account, added->account);
  const auto login = database_->FindLogin("alice@example.org");
  ASSERT_TRUE(login.ok() && login->has_value());
  EXPECT_EQ((*login)->hash, kHash);
  EXPECT_EQ((*login)->user.account, added->account);
  EXPECT_FALSE(database_->FindLogin("bob@example.org")->has_value());
  EXPECT_FALSE(database_->FindLogin("")->has_value());
  EXPECT_EQ(database_->AddUser("aLice@example.org", kHash).status().code(),
            StatusCode::kAlreadyExists);
}

TEST_F(UserDatabaseTest, AddUserChecksItsInput) {
  EXPECT_EQ(database_->AddUser("alice", kHash).status().code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(database_->AddUser("alice@other.example", kHash).status().code(),
            StatusCode::kNotFound);
  EXPECT_EQ(database_->AddUser("alice@example.org", "$1$weak$weak").status().code(),
            StatusCode::kInvalidArgument);
  EXPECT_EQ(database_->AddUser("alice@example.org", "")->scheme, "none");
}

TEST_F(UserDatabaseTest, NoInputIsSql) {
  const char* hostile = "o'brien';drop/**/table/**/users;--";
  EXPECT_FALSE(database_->FindUser(hostile).ok());
  EXPECT_FALSE(database_->RemoveUser(hostile).ok());
  ASSERT_TRUE(database_->AddUser("o'brien@example.org", kHash).ok());
  EXPECT_EQ(database_->FindUser("o'brien@example.org")->address, "o'brien@example.org");
}

TEST_F(UserDatabaseTest, PasswordAndSwitches) {
  ASSERT_TRUE(database_->AddUser("alice@example.org", kHash).ok());
  clock_.now_s += 100;
  ASSERT_TRUE(database_->SetPasswordHash("Alice@example.org", kOtherHash).ok());
  EXPECT_EQ((*database_->FindLogin("alice@example.org"))->hash, kOtherHash);
  const auto user = database_->FindUser("alice@example.org");
  EXPECT_EQ(user->password_changed_s, user->created_s + 100);
  ASSERT_TRUE(database_->SetUserEnabled("alice@example.org", false).ok());
  EXPECT_FALSE(database_->FindUser("alice@example.org")->enabled);
  ASSERT_TRUE(database_->SetTenantEnabled("acme", false).ok());
  EXPECT_FALSE((*database_->FindLogin("alice@example.org"))->user.tenant_enabled);
  EXPECT_EQ(database_->SetPasswordHash("bob@example.org", kHash).code(), StatusCode::kNotFound);
  EXPECT_EQ(database_->SetUserEnabled("bob@example.org", true).code(), StatusCode::kNotFound);
  EXPECT_EQ(database_->SetTenantEnabled("beta", true).code(), StatusCode::kNotFound);
}

TEST_F(UserDatabaseTest, ARenamedAccountKeepsItsIdAndAReusedAddressGetsANewOne) {
  const std::string alice = database_->AddUser("alice@example.org", kHash)->account;
  ASSERT_TRUE(database_->RenameUser("Alice@example.org", "Alicia@example.net").ok());
  EXPECT_EQ(database_->FindUser("alicia@example.net")->account, alice);
  EXPECT_EQ(database_->FindUser("alice@example.org").status().code(), StatusCode::kNotFound);
  const std::string other = database_->AddUser("alice@example.org", kHash)->account;
  EXPECT_NE(other, alice);
  EXPECT_EQ(database_->RenameUser("alice@example.org", "alicia@example.net").code(),
            StatusCode::kAlreadyExists);
  EXPECT_EQ(database_->RenameUser("nobody@example.org", "x@example.org").code(),
            StatusCode::kNotFound);
  ASSERT_TRUE(database_->RenameUser("alice@example.org", "ALICE@example.org").ok());
  EXPECT_EQ(database_->FindUser("alice@example.org")->address, "ALICE@example.org");

  const std::vector<std::string> beta = {"beta.example"};
  ASSERT_TRUE(database_->AddTenant("beta", beta).ok());
  EXPECT_EQ(database_->RenameUser("alice@example.org", "alice@beta.example").code(),
            StatusCode::kFailedPrecondition);
}

TEST_F(UserDatabaseTest, RemovedAccountsAreRememberedUntilTheirMaildropIsDropped) {
  const std::string first = database_->AddUser("alice@example.org", kHash)->account;
  const TenantId tenant = database_->FindTenant("acme")->id;
  ASSERT_TRUE(database_->RemoveUser("ALICE@example.org").ok());
  EXPECT_EQ(database_->RemoveUser("alice@example.org").code(), StatusCode::kNotFound);
  EXPECT_NE(database_->AddUser("alice@example.org", kHash)->account, first);

  const auto removed = database_->RemovedAccounts();
  ASSERT_TRUE(removed.ok());
  ASSERT_EQ(removed->size(), 1U);
  EXPECT_EQ((*removed)[0].account, first);
  EXPECT_EQ((*removed)[0].tenant, tenant);
  EXPECT_EQ((*removed)[0].address, "alice@example.org");
  EXPECT_GT((*removed)[0].removed_s, 1'700'000'000);
  const std::vector<std::string> not_all = {first, "no such id"};
  EXPECT_EQ(database_->MarkMaildropsDropped(not_all).code(), StatusCode::kNotFound);
  EXPECT_EQ(database_->RemovedAccounts()->size(), 1U);
  ASSERT_TRUE(database_->MarkMaildropsDropped(std::span(&first, 1)).ok());
  EXPECT_THAT(*database_->RemovedAccounts(), IsEmpty());

  // The file itself refuses that the id comes back, or changes.
  sqlite3* handle = nullptr;
  ASSERT_EQ(sqlite3_open(path_.c_str(), &handle), SQLITE_OK);
  const std::string insert = "INSERT INTO users SELECT '" + first +
                             "', tenant, 'x@example.org', 'x@example.org', domain, hash, enabled, "
                             "created_s, password_changed_s, NULL, NULL, NULL, 1 FROM users";
  EXPECT_EQ(sqlite3_exec(handle, insert.c_str(), nullptr, nullptr, nullptr), SQLITE_CONSTRAINT);
  EXPECT_EQ(sqlite3_exec(handle, "UPDATE users SET account = 'mine'", nullptr, nullptr, nullptr),
            SQLITE_CONSTRAINT);
  sqlite3_close(handle);
}

TEST_F(UserDatabaseTest, TenantsWithUsersAreRemovedOnPurposeOnly) {
  ASSERT_TRUE(database_->AddUser("alice@example.org", kHash).ok());
  ASSERT_TRUE(database_->AddUser("bob@example.net", kHash).ok());
  EXPECT_EQ(database_->RemoveDomain("acme", "example.net").code(), StatusCode::kFailedPrecondition);
  EXPECT_EQ(database_->RemoveTenant("acme", false).code(), StatusCode::kFailedPrecondition);
  EXPECT_EQ(database_->FindTenant("acme")->users, 2U);
  EXPECT_TRUE(database_->FindUser("alice@example.org").ok());
  ASSERT_TRUE(database_->RemoveTenant("acme", true).ok());
  EXPECT_FALSE(database_->FindUser("alice@example.org").ok());
  EXPECT_EQ(database_->RemovedAccounts()->size(), 2U);
  EXPECT_TRUE(database_->AddTenant("new", domains_).ok()) << "its domains are free";
}

TEST_F(UserDatabaseTest, ListsByTenantAndAddress) {
  const std::vector<std::string> beta = {"beta.example"};
  ASSERT_TRUE(database_->AddTenant("beta", beta).ok());
  for (const char* address : {"z@example.org", "x@beta.example", "A@example.net"}) {
    ASSERT_TRUE(database_->AddUser(address, kHash).ok());
  }
  std::vector<std::string> seen;
  const auto collect = [&](const UserRecord& user) { seen.push_back(user.address); };
  ASSERT_TRUE(database_->ListUsers("", collect).ok());
  EXPECT_THAT(seen, ElementsAre("A@example.net", "z@example.org", "x@beta.example"));
  seen.clear();
  ASSERT_TRUE(database_->ListUsers("beta", collect).ok());
  EXPECT_THAT(seen, ElementsAre("x@beta.example"));
  EXPECT_EQ(database_->ListUsers("gamma", collect).code(), StatusCode::kNotFound);
}

TEST_F(UserDatabaseTest, ChangesByOthersAreTold) {
  ASSERT_TRUE(database_->AddUser("alice@example.org", kHash).ok());
  const auto watcher = *UserDatabase::Open(path_);
  EXPECT_THAT(watcher->TakeChanges()->keys, IsEmpty());

  ASSERT_TRUE(database_->AddUser("bob@example.org", kHash).ok());
  EXPECT_THAT(watcher->TakeChanges()->keys, IsEmpty()) << "nobody can have cached a new user";
  ASSERT_TRUE(database_->SetPasswordHash("ALICE@example.org", kOtherHash).ok());
  ASSERT_TRUE(database_->SetUserEnabled("bob@example.org", false).ok());
  EXPECT_THAT(watcher->TakeChanges()->keys, ElementsAre("alice@example.org", "bob@example.org"));
  EXPECT_THAT(watcher->TakeChanges()->keys, IsEmpty());

  ASSERT_TRUE(database_->RenameUser("bob@example.org", "rob@example.org").ok());
  ASSERT_TRUE(database_->RemoveUser("alice@example.org").ok());
  EXPECT_THAT(watcher->TakeChanges()->keys,
              ElementsAre("bob@example.org", "rob@example.org", "alice@example.org"));

  ASSERT_TRUE(database_->SetTenantEnabled("acme", false).ok());
  const UserChanges of_tenant = *watcher->TakeChanges();
  EXPECT_FALSE(of_tenant.everything);
  EXPECT_THAT(of_tenant.tenants, ElementsAre(database_->FindTenant("acme")->id));
  EXPECT_THAT(watcher->TakeChanges()->tenants, IsEmpty());
  Sql("INSERT INTO changes (address_key) VALUES ('')");
  EXPECT_TRUE(watcher->TakeChanges()->everything) << "of nobody in particular";

  Sql("UPDATE users SET hash = '' WHERE address = 'rob@example.org'");
  EXPECT_THAT(watcher->TakeChanges()->keys, ElementsAre("rob@example.org")) << "by hand";
}

TEST_F(UserDatabaseTest, WhoIsTooFarBehindForgetsEverything) {
  ASSERT_TRUE(database_->AddUser("alice@example.org", kHash).ok());
  const auto watcher = *UserDatabase::Open(path_);
  Sql("WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10001) "
      "INSERT INTO changes (address_key) SELECT 'x' || i FROM n");
  const auto changes = watcher->TakeChanges();
  ASSERT_TRUE(changes.ok());
  EXPECT_TRUE(changes->everything);
  EXPECT_THAT(changes->keys, IsEmpty());
  ASSERT_TRUE(database_->SetUserEnabled("alice@example.org", false).ok());
  EXPECT_THAT(watcher->TakeChanges()->keys, ElementsAre("alice@example.org"));
}

TEST_F(UserDatabaseTest, AJournalThatWentBackMeansEverything) {
  ASSERT_TRUE(database_->AddUser("alice@example.org", kHash).ok());
  ASSERT_TRUE(database_->SetUserEnabled("alice@example.org", false).ok());
  const auto watcher = *UserDatabase::Open(path_);
  Sql("DELETE FROM changes WHERE sequence > 1");
  EXPECT_TRUE(watcher->TakeChanges()->everything);
}

TEST_F(UserDatabaseTest, ABusyFileIsTemporary) {
  const auto patient = *UserDatabase::Open(path_, {.busy_timeout_ms = 20});
  sqlite3* handle = nullptr;
  ASSERT_EQ(sqlite3_open(path_.c_str(), &handle), SQLITE_OK);
  ASSERT_EQ(sqlite3_exec(handle, "BEGIN IMMEDIATE", nullptr, nullptr, nullptr), SQLITE_OK);
  EXPECT_EQ(patient->AddUser("alice@example.org", kHash).status().code(), StatusCode::kUnavailable);
  EXPECT_TRUE(patient->FindLogin("alice@example.org").ok()) << "readers do not wait for writers";
  sqlite3_close(handle);
  EXPECT_TRUE(patient->AddUser("alice@example.org", kHash).ok());
}

}  // namespace
}  // namespace poplar::auth
