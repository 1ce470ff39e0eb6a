// Log-ins by app passwords, over the real user database.

#include <gtest/gtest.h>

#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "auth/schemes/app_password.h"
#include "auth/service/sqlite_backend.h"
#include "auth/users/user_database.h"
#include "tests/unit/auth/service_fixture.h"
#include "tests/unit/auth/temp_dir.h"

namespace poplar::auth {
namespace {

constexpr char kAlice[] = "alice@example.org";

class MovingClock : public base::Clock {
 public:
  uint64_t MonotonicUs() const override { return 0; }
  int64_t WallUs() const override { return now_s.load() * 1'000'000; }
  std::atomic<int64_t> now_s{1'700'000'000};
};

class AppPasswordServiceTest : public ServiceFixture {
 protected:
  explicit AppPasswordServiceTest(uint64_t password_cache_ttl_ms = kPasswordCacheTtlMsMax) {
    options_.password_cache_ttl_ms = password_cache_ttl_ms;
    database_ = *UserDatabase::Create(path_);
    const std::vector<std::string> domains = {"example.org"};
    PublishTenant(database_->AddTenant("acme", domains)->id);
    const PasswordHasher hasher({.prefix = "$y$", .cost = 1});
    for (const char* address : {kAlice, "bob@example.org"}) {
      EXPECT_TRUE(database_->AddUser(address, *hasher.Hash(base::Secret("secret"))).ok());
    }
    auto backend = SqliteBackend::Open(
        {.path = path_, .busy_timeout_ms = 1000, .uses_flush_ms = 0, .clock = &clock_}, hashers_);
    EXPECT_TRUE(backend.ok()) << backend.status();
    StartService(std::move(*backend));
  }
  std::string Add(const std::string& label, const std::string& networks = "",
                  std::optional<int64_t> expires_s = std::nullopt) {
    const NewAppPassword made = MakeAppPassword();
    AppPasswordRecord record;
    record.id = made.id;
    record.label = label;
    record.hash = made.hash;
    record.networks = networks;
    record.expires_s = expires_s;
    EXPECT_TRUE(database_->AddAppPassword(kAlice, record).ok());
    return std::string(made.text.Reveal());
  }
  std::optional<int64_t> LastUsed(const std::string& label) {
    const auto records = database_->ListAppPasswords(kAlice);
    for (const AppPasswordRecord& record : *records) {
      if (record.label == label) return record.last_used_s;
    }
    return std::nullopt;
  }
  Outcome LoginAfresh(const std::string& password, const std::string& from = "192.0.2.1") {
    Flush(kAlice);
    return Login(kFirst, kAlice, password, from).outcome;
  }

  MovingClock clock_;
  TempDir dir_;
  const std::string path_ = dir_.File("users.db");
  std::unique_ptr<UserDatabase> database_;
};

TEST_F(AppPasswordServiceTest, WorksBesideTheOwnOneAndCostsNoHash) {
  const std::string phone = Add("phone");
  const std::string laptop = Add("laptop");
  for (const auto& [password, label] : {std::pair(phone, "phone"), std::pair(laptop, "laptop")}) {
    for (const ShardIndex shard : {kFirst, kSecond}) {
      const AuthResult first = Login(shard, kAlice, password);
      EXPECT_EQ(first.outcome, Outcome::kOk);
      EXPECT_EQ(first.app_password, label);
      EXPECT_EQ(first.principal.address, kAlice);
    }
    // Whenever the service hears that one was added it forgets what it knew.
    AuthResult again;
    for (int i = 0; i < 5 && again.reason != "from cache"; ++i) {
      again = Login(kSecond, kAlice, password);
    }
    EXPECT_EQ(again.reason, "from cache");
    EXPECT_EQ(again.app_password, label);
  }
  EXPECT_EQ(Metric("poplar_auth_hashes_total"), 0);
  const AuthResult own = Login(kFirst, kAlice, "secret");
  EXPECT_EQ(own.outcome, Outcome::kOk);
  EXPECT_EQ(own.app_password, "");
  EXPECT_EQ(Login(kFirst, "bob@example.org", phone).outcome, Outcome::kRefused) << "not his";
}

TEST_F(AppPasswordServiceTest, AWrongOneCostsAHashLikeAnyOther) {
  const std::string phone = Add("phone");
  std::string wrong = phone;
  wrong.back() = wrong.back() == 'a' ? 'b' : 'a';
  for (const char* user : {kAlice, "bob@example.org", "nobody@example.org"}) {
    const double before = Metric("poplar_auth_hashes_total");
    EXPECT_EQ(Login(kFirst, user, wrong).outcome, Outcome::kRefused) << user;
    EXPECT_EQ(Metric("poplar_auth_hashes_total"), before + 1) << user;
  }
}

TEST_F(AppPasswordServiceTest, IsGoneWhenItIsRemoved) {
  const std::string phone = Add("phone");
  EXPECT_EQ(Login(kFirst, kAlice, phone).outcome, Outcome::kOk);
  ASSERT_TRUE(database_->RemoveAppPassword(kAlice, "phone").ok());
  EXPECT_TRUE(
      Eventually([&] { return Login(kSecond, kAlice, phone).outcome == Outcome::kRefused; }));
  const std::string next = Add("phone");
  EXPECT_EQ(LoginAfresh(next), Outcome::kOk);
  ASSERT_TRUE(database_->RemoveAppPassword(kAlice, "phone").ok());
  EXPECT_EQ(LoginAfresh(next), Outcome::kRefused) << "at once with a flush";
}

TEST_F(AppPasswordServiceTest, WorksFromItsNetworksOnlyAlsoWhenItIsRemembered) {
  const std::string scanner = Add("scanner", "192.0.2.0/24,2001:db8::/32");
  for (const ShardIndex shard : {kFirst, kSecond, kFirst, kSecond}) {
    EXPECT_EQ(Login(shard, kAlice, scanner, "192.0.2.9").outcome, Outcome::kOk);
    EXPECT_EQ(Login(shard, kAlice, scanner, "2001:db8::9").outcome, Outcome::kOk);
    const AuthResult elsewhere = Login(shard, kAlice, scanner, "203.0.113.9");
    EXPECT_EQ(elsewhere.outcome, Outcome::kRefused);
    EXPECT_EQ(elsewhere.principal.account, "");
    EXPECT_EQ(elsewhere.reason, "the app password \"scanner\" is not for this address");
  }
}

TEST_F(AppPasswordServiceTest, FromElsewhereItCostsWhatAWrongOneDoes) {
  const std::string scanner = Add("scanner", "192.0.2.0/24");
  const std::string guest = Add("guest", "", clock_.now_s);
  int place = 0;  // Each time another: nobody has to wait.
  const auto hashes = [&](const std::string& password) {
    const double before = Metric("poplar_auth_hashes_total");
    Flush(kAlice);
    const std::string from = "203.0.113." + std::to_string(++place);
    EXPECT_EQ(Login(kFirst, kAlice, password, from).outcome, Outcome::kRefused);
    return Metric("poplar_auth_hashes_total") - before;
  };
  EXPECT_GT(hashes("wrong"), 0);
  EXPECT_EQ(hashes(scanner), hashes("wrong"));
  EXPECT_EQ(hashes(guest), hashes("wrong")) << "expired";
  ASSERT_TRUE(database_->SetPasswordHash(kAlice, "").ok());
  EXPECT_EQ(hashes(scanner), hashes("wrong"));
  ASSERT_TRUE(database_->SetRequireAppPassword(kAlice, true).ok());
  EXPECT_EQ(hashes(scanner), hashes("wrong"));
  // Also while it is remembered for where it may be used.
  EXPECT_EQ(Login(kFirst, kAlice, scanner, "192.0.2.9").outcome, Outcome::kOk);
  const double before = Metric("poplar_auth_hashes_total");
  EXPECT_EQ(Login(kFirst, kAlice, scanner, "203.0.113.99").outcome, Outcome::kRefused);
  EXPECT_EQ(Metric("poplar_auth_hashes_total"), before + 1);
}

TEST_F(AppPasswordServiceTest, ARefusalIsNoUse) {
  const std::string scanner = Add("scanner", "192.0.2.0/24");
  const std::string phone = Add("phone");
  EXPECT_EQ(LoginAfresh(scanner, "203.0.113.9"), Outcome::kRefused);
  Asking<std::vector<LinkReport>> probe(
      *shards_, kFirst, [&](io::Completion<std::vector<LinkReport>>& done) {
        service_->Probe(kAlice, {.secret = base::Secret(scanner)}, done);
      });
  const std::vector<LinkReport> said = probe.Get();
  EXPECT_EQ(said.back().outcome, BackendOutcome::kOk);
  EXPECT_EQ(said.back().reason, "app password \"scanner\", for 192.0.2.0/24 alone");
  // Uses are written in order: once a later one is there, so would be that one.
  EXPECT_EQ(LoginAfresh(phone), Outcome::kOk);
  EXPECT_TRUE(Eventually([&] { return LastUsed("phone").has_value(); }));
  EXPECT_EQ(LastUsed("scanner"), std::nullopt);
  EXPECT_EQ(LoginAfresh(scanner, "192.0.2.9"), Outcome::kOk);
  EXPECT_TRUE(Eventually([&] { return LastUsed("scanner").has_value(); }));
}

TEST_F(AppPasswordServiceTest, Expires) {
  const std::string guest = Add("guest", "", clock_.now_s + 100);
  EXPECT_EQ(LoginAfresh(guest), Outcome::kOk);
  clock_.now_s += 99;
  EXPECT_EQ(LoginAfresh(guest), Outcome::kOk);
  clock_.now_s += 1;
  EXPECT_EQ(LoginAfresh(guest), Outcome::kRefused);
  EXPECT_EQ(Login(kFirst, kAlice, guest).reason, "the app password \"guest\" has expired");
}

TEST_F(AppPasswordServiceTest, MayBeTheOnlyWayIn) {
  const std::string phone = Add("phone");
  ASSERT_TRUE(database_->SetRequireAppPassword(kAlice, true).ok());
  EXPECT_EQ(LoginAfresh("secret"), Outcome::kRefused);
  EXPECT_EQ(LoginAfresh(phone), Outcome::kOk);
  // Right or wrong, it costs the same.
  const double before = Metric("poplar_auth_hashes_total");
  EXPECT_EQ(LoginAfresh("secret"), Outcome::kRefused);
  EXPECT_EQ(Metric("poplar_auth_hashes_total"), before + 1);
  EXPECT_EQ(LoginAfresh("wrong"), Outcome::kRefused);
  EXPECT_EQ(Metric("poplar_auth_hashes_total"), before + 2);
  Asking<VerifierResult> verifier(*shards_, kFirst, [&](io::Completion<VerifierResult>& done) {
    service_->OnShard(kFirst).FetchVerifier(kAlice, "SCRAM-SHA-256", {}, done);
  });
  const VerifierResult decoy = verifier.Get();
  EXPECT_EQ(decoy.outcome, Outcome::kRefused);
  EXPECT_FALSE(decoy.verifier.material.empty());
}

TEST_F(AppPasswordServiceTest, DoesNotOpenADisabledAccount) {
  const std::string phone = Add("phone");
  ASSERT_TRUE(database_->SetUserEnabled(kAlice, false).ok());
  EXPECT_EQ(LoginAfresh(phone), Outcome::kDisabled);
  EXPECT_EQ(LastUsed("phone"), std::nullopt);
}

TEST_F(AppPasswordServiceTest, ItsLastUseIsWrittenOnceAnHour) {
  const std::string phone = Add("phone");
  const int64_t start_s = clock_.now_s;
  EXPECT_EQ(LoginAfresh(phone), Outcome::kOk);
  EXPECT_TRUE(Eventually([&] { return LastUsed("phone") == start_s; }));
  EXPECT_EQ(LastUsed("other"), std::nullopt);
  clock_.now_s += 3599;
  EXPECT_EQ(LoginAfresh(phone), Outcome::kOk);
  clock_.now_s += 1;
  EXPECT_EQ(LoginAfresh(phone), Outcome::kOk);
  EXPECT_TRUE(Eventually([&] { return LastUsed("phone") == start_s + 3600; }))
      << "not by the one before";
  // What waits is written at the end.
  clock_.now_s += 4000;
  EXPECT_EQ(LoginAfresh(phone), Outcome::kOk);
  service_.reset();
  EXPECT_EQ(LastUsed("phone"), start_s + 7600);
}

class AppPasswordStandbyTest : public AppPasswordServiceTest {
 protected:
  AppPasswordStandbyTest() : AppPasswordServiceTest(/*password_cache_ttl_ms=*/0) {
    EXPECT_TRUE(
        database_
            ->ChangeTenant(
                "acme", [](TenantRecord& record) { record.policy.rules.offline_logins_s = 3600; })
            .ok());
    tenants_.Publish(std::make_shared<TenantPolicies>(**database_->TakePolicies()));
    EXPECT_TRUE(Eventually([&] { return Metric("poplar_auth_changes_total") == 1; }));
  }
};

// Its networks and its last day stand in the database, which cannot be asked.
TEST_F(AppPasswordStandbyTest, LetsNobodyInWhileTheDatabaseIsGone) {
  const std::string phone = Add("phone", "192.0.2.0/24");
  // That she has a new one is a change of the name.
  ASSERT_TRUE(Eventually([&] { return Metric("poplar_auth_changes_total") == 2; }));
  EXPECT_EQ(Login(kFirst, kAlice, "secret").outcome, Outcome::kOk);
  EXPECT_EQ(Login(kFirst, kAlice, phone).outcome, Outcome::kOk);
  std::filesystem::rename(path_, path_ + ".away");
  ASSERT_TRUE(
      Eventually([&] { return Login(kFirst, kAlice, phone).outcome == Outcome::kTemporary; }));
  EXPECT_EQ(Login(kFirst, kAlice, phone, "203.0.113.9").outcome, Outcome::kTemporary);
  EXPECT_EQ(Login(kFirst, kAlice, "secret").outcome, Outcome::kOk);
}

}  // namespace
}  // namespace poplar::auth
