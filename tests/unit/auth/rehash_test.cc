// Stored hashes that become hashes of today when their password is at hand.

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "auth/schemes/scram_keys.h"
#include "auth/service/sqlite_backend.h"
#include "auth/users/sqlite.h"
#include "auth/users/user_database.h"
#include "tests/unit/auth/service_fixture.h"
#include "tests/unit/auth/temp_dir.h"

namespace poplar::auth {
namespace {

constexpr char kAlice[] = "alice@example.org";
// Of "secret".
constexpr char kSsha[] = "{SSHA}Z0zze/o2uMbUR7+pHjEGjXhYcCtOYUNsNGFsbA==";

// The service's own scheme is yescrypt (ServiceFixture).
class RehashTest : public ServiceFixture {
 protected:
  RehashTest() {
    database_ = *UserDatabase::Create(path_);
    const std::vector<std::string> domains = {"example.org"};
    PublishTenant(database_->AddTenant("acme", domains)->id);
    EXPECT_TRUE(database_->AddUser(kAlice, old_hash_).ok());
  }
  void Start(bool rehash = true, bool keep_clear_text = false) {
    const SqliteBackendOptions options = {.path = path_,
                                          .busy_timeout_ms = 100,
                                          .rehash = rehash,
                                          .keep_clear_text = keep_clear_text};
    auto backend = SqliteBackend::Open(options, hashers_);
    ASSERT_TRUE(backend.ok()) << backend.status();
    StartService(std::move(*backend));
  }
  void AllowWeakSchemes() {
    EXPECT_TRUE(
        database_
            ->ChangeTenant("acme",
                           [](TenantRecord& tenant) { tenant.policy.rules.weak_schemes = true; })
            .ok());
  }
  // Past the database's own checks, as by hand.
  void Store(const std::string& hash) {
    auto connection = SqliteConnection::Open(path_, {});
    ASSERT_TRUE(connection.ok());
    const std::string sql = "UPDATE users SET hash = '" + hash + "'";
    ASSERT_TRUE((*connection)->Execute(sql.c_str()).ok());
  }
  std::string Stored() { return (*database_->FindLogin(kAlice))->hash; }
  Outcome LoginAfresh(const std::string& password = "secret") {
    Flush(kAlice);
    return Login(kFirst, kAlice, password).outcome;
  }

  TempDir dir_;
  const std::string path_ = dir_.File("users.db");
  const std::string old_hash_ =
      *PasswordHasher({.prefix = "$2b$", .cost = 4}).Hash(base::Secret("secret"));
  std::unique_ptr<UserDatabase> database_;
};

TEST_F(RehashTest, ARightPasswordIsStoredAsThoseOfToday) {
  Start();
  const int64_t changed_s = database_->FindUser(kAlice)->password_changed_s;
  EXPECT_EQ(LoginAfresh("wrong"), Outcome::kRefused);
  EXPECT_EQ(Stored(), old_hash_);
  const uint64_t computed_before = hashers_.computations();
  EXPECT_EQ(LoginAfresh(), Outcome::kOk);
  const std::string hash = Stored();
  EXPECT_TRUE(hash.starts_with("$y$")) << hash;
  EXPECT_EQ(hashers_.computations(), computed_before + 2);
  EXPECT_EQ(Metric("poplar_auth_rehashed_total"), 1);
  EXPECT_EQ(database_->FindUser(kAlice)->password_changed_s, changed_s);
  EXPECT_TRUE(Eventually([&] { return Metric("poplar_auth_changes_total") >= 1; }))
      << "told as any other change";

  EXPECT_EQ(LoginAfresh("wrong"), Outcome::kRefused);
  EXPECT_EQ(LoginAfresh(), Outcome::kOk);
  EXPECT_EQ(Stored(), hash) << "once";
  EXPECT_EQ(Metric("poplar_auth_rehashed_total"), 1);
}

TEST_F(RehashTest, NotFromTheCache) {
  options_.changes_poll_ms = 600'000;
  Start();
  EXPECT_EQ(Login(kFirst, kAlice, "secret").outcome, Outcome::kOk);
  Store(old_hash_);
  EXPECT_EQ(Login(kFirst, kAlice, "secret").reason, "from cache");
  EXPECT_EQ(Stored(), old_hash_);
}

TEST_F(RehashTest, NotWhereItIsTurnedOff) {
  Start(/*rehash=*/false);
  EXPECT_EQ(LoginAfresh(), Outcome::kOk);
  EXPECT_EQ(Stored(), old_hash_);
}

TEST_F(RehashTest, NotForWhoIsKeptOut) {
  Start();
  ASSERT_TRUE(database_->SetUserEnabled(kAlice, false).ok());
  EXPECT_EQ(LoginAfresh(), Outcome::kDisabled);
  EXPECT_EQ(Stored(), old_hash_);
}

TEST_F(RehashTest, NotScramsKeys) {
  Start();
  const std::string keys =
      FormatScramKeys(*MakeScramKeys(ScramHash::kSha256, base::Secret("secret"), 4096));
  ASSERT_TRUE(database_->SetPasswordHash(kAlice, keys).ok());
  EXPECT_EQ(LoginAfresh("wrong"), Outcome::kRefused);
  EXPECT_EQ(LoginAfresh(), Outcome::kOk);
  EXPECT_EQ(Stored(), keys);
}

TEST_F(RehashTest, WhatCannotBeStoredDoesNotConcernTheLogIn) {
  Start();
  // A change is a transaction: meanwhile nobody else can write.
  const auto changed = database_->ChangeTenant("acme", [&](TenantRecord&) {
    EXPECT_EQ(LoginAfresh(), Outcome::kOk);
    EXPECT_EQ(LoginAfresh("wrong"), Outcome::kRefused);
  });
  ASSERT_TRUE(changed.ok()) << changed.status();
  EXPECT_EQ(Stored(), old_hash_);
  EXPECT_EQ(Metric("poplar_auth_rehashed_total"), 0);
  const uint64_t computed_before = hashers_.computations();
  EXPECT_EQ(LoginAfresh(), Outcome::kOk);
  EXPECT_EQ(hashers_.computations(), computed_before + 1) << "not tried again at once";
}

TEST_F(RehashTest, WeakSchemesCountOnlyWhereTheyAreAllowedAndAreGoneThen) {
  EXPECT_FALSE(database_->SetPasswordHash(kAlice, kSsha).ok());
  AllowWeakSchemes();
  EXPECT_TRUE(database_->SetPasswordHash(kAlice, kSsha).ok());
  Start();
  EXPECT_EQ(LoginAfresh("wrong"), Outcome::kRefused);
  EXPECT_EQ(LoginAfresh(), Outcome::kOk);
  EXPECT_TRUE(Stored().starts_with("$y$"));
}

TEST_F(RehashTest, APasswordInClearStaysWhereLogInsRestOnIt) {
  AllowWeakSchemes();
  EXPECT_TRUE(database_->SetPasswordHash(kAlice, "{PLAIN}secret").ok());
  Start(/*rehash=*/true, /*keep_clear_text=*/true);
  EXPECT_EQ(LoginAfresh(), Outcome::kOk);
  EXPECT_EQ(Stored(), "{PLAIN}secret");
  EXPECT_TRUE(database_->SetPasswordHash(kAlice, kSsha).ok());
  EXPECT_EQ(LoginAfresh(), Outcome::kOk);
  EXPECT_TRUE(Stored().starts_with("$y$")) << "a digest is nothing that anything rests on";
}

TEST_F(RehashTest, WeakSchemesAreOurFaultWhereTheyAreNotAllowed) {
  Store(kSsha);
  Start();
  const uint64_t computed_before = hashers_.computations();
  const AuthResult result = Login(kFirst, kAlice, "secret");
  EXPECT_EQ(result.outcome, Outcome::kTemporary);
  EXPECT_NE(result.reason.find("which counts only with weak_schemes = true"), std::string::npos)
      << result.reason;
  EXPECT_EQ(hashers_.computations(), computed_before + 1);
  EXPECT_EQ(Login(kFirst, kAlice, "wrong").outcome, Outcome::kRefused) << "as of nobody";
  EXPECT_EQ(Stored(), kSsha);
}

}  // namespace
}  // namespace poplar::auth
