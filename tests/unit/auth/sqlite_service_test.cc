// AuthService over the real user database, changed from outside as the command line does.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <utility>

#include "auth/service/sqlite_backend.h"
#include "auth/users/user_database.h"
#include "core/base/log.h"
#include "tests/unit/auth/service_fixture.h"
#include "tests/unit/auth/temp_dir.h"

namespace poplar::auth {
namespace {

using testing::HasSubstr;
using testing::Not;

class SqliteServiceTest : public ServiceFixture {
 protected:
  SqliteServiceTest() {
    database_ = *UserDatabase::Create(path_);
    const std::vector<std::string> domains = {"example.org"};
    PublishTenant(database_->AddTenant("acme", domains)->id);
    EXPECT_TRUE(database_->AddUser("Alice@example.org", Hash("secret")).ok());
    EXPECT_TRUE(database_->AddUser("mute@example.org", "").ok());
    auto backend = SqliteBackend::Open({.path = path_, .busy_timeout_ms = 100}, hashers_);
    EXPECT_TRUE(backend.ok()) << backend.status();
    StartService(std::move(*backend));
  }

  static std::string Hash(const std::string& password) {
    return *PasswordHasher({.prefix = "$y$", .cost = 1}).Hash(base::Secret(password));
  }
  bool Becomes(const std::string& password, Outcome outcome) {
    return Eventually(
        [&] { return Login(kFirst, "alice@example.org", password).outcome == outcome; });
  }

  TempDir dir_;
  const std::string path_ = dir_.File("users.db");
  std::unique_ptr<UserDatabase> database_;
};

TEST_F(SqliteServiceTest, AChangedQuotaIsKnownToAllShards) {
  const auto becomes = [&](const Quota& quota) {
    return Eventually([&] {
      return Login(kFirst, "alice@example.org", "secret").principal.quota == quota &&
             Login(kSecond, "alice@example.org", "secret").principal.quota == quota;
    });
  };
  EXPECT_TRUE(becomes({}));
  ASSERT_TRUE(
      database_->ChangeTenant("acme", [](TenantRecord& t) { t.maildrop_quota = {100, 2}; }).ok());
  EXPECT_TRUE(becomes({100, 2}));
  ASSERT_TRUE(
      database_->ChangeUserQuota("alice@example.org", [](UserQuota& own) { own.octets = 50; })
          .ok());
  EXPECT_TRUE(becomes({50, 2}));
}

TEST_F(SqliteServiceTest, ATenantThatChangesLeavesTheOthersRemembered) {
  const std::vector<std::string> domains = {"example.net"};
  ASSERT_TRUE(database_->AddTenant("other", domains).ok());
  const auto is_remembered = [&] {
    const bool login =
        Login(kFirst, "alice@example.org", "secret").reason.starts_with("from cache");
    const bool address = Resolve(kFirst, "alice@example.org").reason == "from cache";
    return login && address;
  };
  is_remembered();
  const auto change = [&](const std::string& tenant) {
    ASSERT_TRUE(
        database_->ChangeTenant(tenant, [](TenantRecord& t) { ++t.maildrop_quota.octets; }).ok());
  };
  change("other");
  EXPECT_TRUE(Eventually([&] { return Metric("poplar_auth_changes_total") == 1; }));
  change("other");  // When it is taken, the first one is dealt with.
  EXPECT_TRUE(Eventually([&] { return Metric("poplar_auth_changes_total") == 2; }));
  EXPECT_TRUE(is_remembered());
  change("acme");
  EXPECT_TRUE(Eventually([&] { return !is_remembered(); }));
}

TEST_F(SqliteServiceTest, RightWrongAndUnknown) {
  for (const ShardIndex shard : {kFirst, kSecond}) {
    const AuthResult right = Login(shard, "ALICE@example.org", "secret");
    EXPECT_EQ(right.outcome, Outcome::kOk);
    EXPECT_EQ(right.principal.account, database_->FindUser("alice@example.org")->account);
    EXPECT_EQ(right.principal.tenant, database_->FindTenant("acme")->id);
    EXPECT_EQ(right.principal.address, "Alice@example.org");
    EXPECT_EQ(right.principal.tenant_name, "acme");
    const AuthResult wrong = Login(shard, "alice@example.org", "Secret");
    EXPECT_EQ(wrong.outcome, Outcome::kRefused);
    EXPECT_EQ(wrong.reason, "wrong password");
    const AuthResult unknown = Login(shard, "nobody@example.org", "secret");
    EXPECT_EQ(unknown.outcome, Outcome::kRefused);
    EXPECT_EQ(unknown.reason, "unknown user");
    EXPECT_EQ(Login(shard, "mute@example.org", "secret").outcome, Outcome::kRefused);
    EXPECT_EQ(Resolve(shard, "alice@example.org").outcome, ResolveOutcome::kFound);
    EXPECT_EQ(Resolve(shard, "nobody@example.org").outcome, ResolveOutcome::kUnknown);
  }
}

TEST_F(SqliteServiceTest, EveryAnswerCostsOneHash) {
  uint64_t before = hashers_.computations();
  for (const char* user : {"alice@example.org", "mute@example.org", "nobody@example.org",
                           "nobody@nowhere.example", "nobody", "'OR'1'='1'--"}) {
    EXPECT_EQ(Login(kFirst, user, "wrong").outcome, Outcome::kRefused) << user;
    EXPECT_EQ(hashers_.computations(), ++before) << user;
  }
  EXPECT_EQ(Login(kFirst, "alice@example.org", std::string(1000, 'x')).outcome, Outcome::kRefused);
  EXPECT_EQ(hashers_.computations(), ++before) << "no hash can be of so long a password";
  EXPECT_EQ(Login(kFirst, "alice@example.org", "secret").outcome, Outcome::kOk);
  EXPECT_EQ(hashers_.computations(), ++before);
  EXPECT_EQ(Login(kSecond, "alice@example.org", "secret").outcome, Outcome::kOk);
  EXPECT_EQ(hashers_.computations(), before) << "remembered";
  EXPECT_EQ(Metric("poplar_auth_hashes_total"), static_cast<double>(before));
}

TEST_F(SqliteServiceTest, ANewPasswordReplacesTheRememberedOne) {
  EXPECT_EQ(Login(kFirst, "alice@example.org", "secret").outcome, Outcome::kOk);
  ASSERT_TRUE(database_->SetPasswordHash("alice@example.org", Hash("fresh")).ok());
  EXPECT_TRUE(Becomes("secret", Outcome::kRefused));
  EXPECT_EQ(Login(kFirst, "alice@example.org", "fresh").outcome, Outcome::kOk);
}

TEST_F(SqliteServiceTest, DisablingTakesEffectAndIsToldAfterTheRightPasswordOnly) {
  EXPECT_EQ(Login(kFirst, "alice@example.org", "secret").outcome, Outcome::kOk);
  ASSERT_TRUE(database_->SetUserEnabled("alice@example.org", false).ok());
  EXPECT_TRUE(Becomes("secret", Outcome::kDisabled));
  EXPECT_EQ(Login(kFirst, "alice@example.org", "wrong").outcome, Outcome::kRefused);
  EXPECT_EQ(Resolve(kSecond, "alice@example.org").outcome, ResolveOutcome::kFound)
      << "her mail goes on coming in";
  ASSERT_TRUE(database_->SetUserEnabled("alice@example.org", true).ok());
  EXPECT_TRUE(Becomes("secret", Outcome::kOk));
  ASSERT_TRUE(database_->SetTenantEnabled("acme", false).ok());
  EXPECT_TRUE(Becomes("secret", Outcome::kDisabled));
  const ResolveResult disabled = Resolve(kSecond, "alice@example.org");
  EXPECT_EQ(disabled.outcome, ResolveOutcome::kDisabled);
  EXPECT_NE(disabled.principal.account, "") << "whose sessions are to end";
}

TEST_F(SqliteServiceTest, ARemovedUserIsUnknownSoonEverywhere) {
  for (const ShardIndex shard : {kFirst, kSecond}) {
    EXPECT_EQ(Login(shard, "alice@example.org", "secret").outcome, Outcome::kOk);
    EXPECT_EQ(Resolve(shard, "alice@example.org").outcome, ResolveOutcome::kFound);
  }
  ASSERT_TRUE(database_->RemoveUser("alice@example.org").ok());
  for (const ShardIndex shard : {kFirst, kSecond}) {
    EXPECT_TRUE(Eventually(
        [&] { return Resolve(shard, "alice@example.org").outcome == ResolveOutcome::kUnknown; }));
  }
  EXPECT_TRUE(Becomes("secret", Outcome::kRefused));
}

TEST_F(SqliteServiceTest, ARenamedOrReusedAddressNeverMeetsTheOtherAccount) {
  const std::string alice = Login(kFirst, "alice@example.org", "secret").principal.account;
  ASSERT_TRUE(database_->RenameUser("alice@example.org", "alicia@example.org").ok());
  ASSERT_TRUE(database_->AddUser("alice@example.org", Hash("secret")).ok());
  EXPECT_TRUE(Eventually([&] {
    const AuthResult result = Login(kSecond, "alice@example.org", "secret");
    return result.outcome == Outcome::kOk && result.principal.account != alice;
  }));
  EXPECT_EQ(Login(kFirst, "alicia@example.org", "secret").principal.account, alice);
}

TEST_F(SqliteServiceTest, AFlushTakesEffectAtOnce) {
  EXPECT_EQ(Login(kFirst, "alice@example.org", "secret").outcome, Outcome::kOk);
  ASSERT_TRUE(database_->SetPasswordHash("alice@example.org", Hash("fresh")).ok());
  Flush("alice@example.org");
  for (const ShardIndex shard : {kFirst, kSecond}) {
    EXPECT_EQ(Login(shard, "alice@example.org", "secret").outcome, Outcome::kRefused);
  }
}

TEST_F(SqliteServiceTest, AMissingOrDamagedFileIsTemporaryAndNeverAWrongPassword) {
  EXPECT_EQ(Login(kFirst, "alice@example.org", "secret").outcome, Outcome::kOk);
  const std::string aside = dir_.File("aside.db");
  database_.reset();
  std::filesystem::rename(path_, aside);
  EXPECT_TRUE(Becomes("wrong", Outcome::kTemporary));
  EXPECT_EQ(Login(kFirst, "nobody@example.org", "x").outcome, Outcome::kTemporary);
  EXPECT_EQ(Resolve(kFirst, "nobody@example.org").outcome, ResolveOutcome::kTemporary);
  EXPECT_EQ(Login(kFirst, "alice@example.org", "secret").reason, "from cache")
      << "what is remembered goes on";

  std::ofstream(path_) << std::string(8192, 'x');
  EXPECT_TRUE(Becomes("wrong", Outcome::kTemporary));
  EXPECT_GT(Metric("poplar_auth_backend_failures_total"), 0);

  std::filesystem::remove(path_);
  std::filesystem::remove(path_ + "-wal");
  std::filesystem::remove(path_ + "-shm");
  std::filesystem::rename(aside, path_);
  EXPECT_TRUE(Becomes("wrong", Outcome::kRefused)) << "put back, it is used again";
}

TEST_F(SqliteServiceTest, AFileThatTakesTheOldOnesPlaceIsUsed) {
  EXPECT_EQ(Login(kFirst, "alice@example.org", "secret").outcome, Outcome::kOk);
  const std::string other_path = dir_.File("other.db");
  {
    const auto other = *UserDatabase::Create(other_path);
    const std::vector<std::string> domains = {"example.org"};
    ASSERT_TRUE(other->AddTenant("acme", domains).ok());
    ASSERT_TRUE(other->AddUser("alice@example.org", Hash("restored")).ok());
  }
  database_.reset();
  // Else SQLite would read the old file's journal over the new one.
  std::filesystem::remove(path_ + "-wal");
  std::filesystem::remove(path_ + "-shm");
  std::filesystem::rename(other_path, path_);
  EXPECT_TRUE(Becomes("restored", Outcome::kOk));
  EXPECT_TRUE(Becomes("secret", Outcome::kRefused));
}

TEST_F(SqliteServiceTest, NoSecretIsLogged) {
  testing::internal::CaptureStderr();
  Login(kFirst, "alice@example.org", "secret-in-log");
  Login(kFirst, "nobody@example.org", "secret-in-log");
  std::filesystem::remove(path_);
  EXPECT_TRUE(Becomes("secret-in-log", Outcome::kTemporary));
  const AuthResult result = Login(kFirst, "alice@example.org", "secret-in-log");
  const std::string log = testing::internal::GetCapturedStderr();
  EXPECT_THAT(log, HasSubstr("auth_backend_failed"));
  EXPECT_THAT(log, Not(HasSubstr("secret-in-log")));
  EXPECT_THAT(log, Not(HasSubstr("$y$")));
  EXPECT_THAT(result.reason, Not(HasSubstr("secret-in-log")));
}

TEST_F(SqliteServiceTest, ScramKeysAreHandedOutAndNothingElse) {
  const std::string keys =
      *PasswordHasher(HashOptionsOf("scram-sha-256", 4096)).Hash(base::Secret("pencil"));
  ASSERT_TRUE(database_->AddUser("bob@example.org", keys).ok());
  const auto fetch = [&](const std::string& user) {
    return Asking<VerifierResult>(*shards_, kFirst,
                                  [&](io::Completion<VerifierResult>& done) {
                                    service_->OnShard(kFirst).FetchVerifier(user, "SCRAM-SHA-256",
                                                                            {}, done);
                                  })
        .Get();
  };
  const VerifierResult bob = fetch("Bob@Example.org");
  EXPECT_EQ(bob.outcome, Outcome::kOk) << bob.reason;
  EXPECT_EQ(bob.verifier.material.Reveal(), keys);
  EXPECT_EQ(bob.principal.account, database_->FindUser("bob@example.org")->account);
  for (const char* user : {"alice@example.org", "mute@example.org", "nobody@example.org"}) {
    const VerifierResult decoy = fetch(user);
    EXPECT_EQ(decoy.outcome, Outcome::kRefused) << user;
    EXPECT_TRUE(decoy.verifier.material.Reveal().starts_with("SCRAM-SHA-256$65536:")) << user;
  }
  // A change counts at once: nothing is remembered of keys.
  ASSERT_TRUE(database_->SetUserEnabled("bob@example.org", false).ok());
  EXPECT_EQ(fetch("bob@example.org").outcome, Outcome::kDisabled);
  Asking<AuthResult> login(*shards_, kFirst, [&](io::Completion<AuthResult>& done) {
    service_->OnShard(kFirst).ResolveLogin("bob@example.org", {}, done);
  });
  EXPECT_EQ(login.Get().outcome, Outcome::kDisabled);
  EXPECT_EQ(Resolve(kFirst, "bob@example.org").outcome, ResolveOutcome::kFound) << "mail goes on";
}

}  // namespace
}  // namespace poplar::auth
