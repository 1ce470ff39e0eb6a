// Log-ins while the back ends cannot be asked.

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>

#include "auth/service/standby_logins.h"
#include "tests/unit/auth/gate_backend.h"
#include "tests/unit/auth/service_fixture.h"

namespace poplar::auth {
namespace {

constexpr char kAlice[] = "alice@example.org";
constexpr uint64_t kSecondUs = 1'000'000;

void Publish(PolicyBoard& board, uint32_t offline_logins_s, bool enabled = true) {
  auto policies = std::make_shared<TenantPolicies>();
  policies->by_tenant[7].rules.offline_logins_s = offline_logins_s;
  policies->by_domain["example.org"] = {.tenant = TenantId(7), .name = "gated", .enabled = enabled};
  board.Publish(std::move(policies));
}

class StandbyLoginsTest : public testing::Test {
 protected:
  static LoginMacs Macs(uint64_t name, uint64_t password) {
    return {.name = {.high = name, .low = 1}, .login = {.high = password, .low = 2}};
  }
  static Principal Alice() {
    Principal alice;
    alice.tenant = TenantId(7);
    alice.account = "a";
    return alice;
  }

  PolicyBoard board_;
  StandbyLogins standby_{&board_, /*entries_max=*/2};
};

TEST_F(StandbyLoginsTest, CountForAsLongAsTheTenantAllows) {
  Publish(board_, 60);
  standby_.Keep(Macs(1, 1), kAlice, Alice(), kSecondUs);
  ASSERT_NE(standby_.Find(Macs(1, 1), 60 * kSecondUs), nullptr);
  EXPECT_EQ(standby_.Find(Macs(1, 1), 60 * kSecondUs)->account, "a");
  EXPECT_EQ(standby_.Find(Macs(1, 1), 61 * kSecondUs), nullptr);
  EXPECT_EQ(standby_.Find(Macs(1, 2), 2 * kSecondUs), nullptr) << "another password";
  EXPECT_EQ(standby_.Find(Macs(2, 1), 2 * kSecondUs), nullptr) << "another name";
  // What it allows now is what counts.
  Publish(board_, 30);
  EXPECT_EQ(standby_.Find(Macs(1, 1), 40 * kSecondUs), nullptr);
  Publish(board_, 3600);
  EXPECT_NE(standby_.Find(Macs(1, 1), 3600 * kSecondUs), nullptr);
  Publish(board_, 3600, /*enabled=*/false);
  EXPECT_EQ(standby_.Find(Macs(1, 1), 2 * kSecondUs), nullptr);
}

TEST_F(StandbyLoginsTest, NothingIsKeptWhereNothingIsAllowed) {
  Publish(board_, 0);
  standby_.Keep(Macs(1, 1), kAlice, Alice(), 0);
  Publish(board_, 60);
  EXPECT_EQ(standby_.Find(Macs(1, 1), 0), nullptr);
  standby_.Keep(Macs(1, 1), "alice@elsewhere.example", Alice(), 0);
  standby_.Keep(Macs(2, 1), "alice", Alice(), 0);
  EXPECT_EQ(standby_.Find(Macs(1, 1), 0), nullptr);
  EXPECT_EQ(standby_.Find(Macs(2, 1), 0), nullptr);
}

TEST_F(StandbyLoginsTest, OneIsDroppedByItsOwnPasswordOnly) {
  Publish(board_, 60);
  standby_.Keep(Macs(1, 1), kAlice, Alice(), 0);
  standby_.Drop(Macs(1, 2));
  standby_.Drop(Macs(2, 1));
  EXPECT_NE(standby_.Find(Macs(1, 1), 0), nullptr);
  standby_.Drop(Macs(1, 1));
  EXPECT_EQ(standby_.Find(Macs(1, 1), 0), nullptr);
}

TEST_F(StandbyLoginsTest, AreBounded) {
  Publish(board_, 60);
  for (uint64_t name = 1; name <= 3; ++name) standby_.Keep(Macs(name, 1), kAlice, Alice(), 0);
  EXPECT_EQ(standby_.Find(Macs(1, 1), 0), nullptr);
  EXPECT_NE(standby_.Find(Macs(2, 1), 0), nullptr);
  EXPECT_NE(standby_.Find(Macs(3, 1), 0), nullptr);
}

class StandbyTest : public ServiceFixture {
 protected:
  StandbyTest() {
    options_.password_cache_ttl_ms = 0;
    Publish(tenants_, 3600);
    auto backend = std::make_unique<GateBackend>();
    gate_ = backend.get();
    gate_->SetUser(kAlice, "secret");
    options_.throttle = {.free_address = 4, .delay_first_ms = 1, .delay_max_ms = 1};
    StartService(std::move(backend));
    EXPECT_EQ(Login(kFirst, kAlice, "secret").outcome, Outcome::kOk);
    gate_->SetDown(true);
  }

  GateBackend* gate_ = nullptr;
};

TEST_F(StandbyTest, WhatWasRightLetsInWhileTheBackEndIsDown) {
  for (const ShardIndex shard : {kFirst, kSecond}) {
    const AuthResult result = Login(shard, kAlice, "secret");
    EXPECT_EQ(result.outcome, Outcome::kOk);
    EXPECT_EQ(result.principal.account, "account of alice@example.org");
    EXPECT_EQ(result.reason, "as it was right before: the gate is down");
  }
  EXPECT_EQ(Metric("poplar_auth_standby_logins_total"), 2);
  // Nothing else does, and nobody hears that a password is wrong.
  EXPECT_EQ(Login(kFirst, kAlice, "other").outcome, Outcome::kTemporary);
  EXPECT_EQ(Login(kFirst, "bob@example.org", "secret").outcome, Outcome::kTemporary);
  EXPECT_EQ(Login(kFirst, kAlice, "secret").outcome, Outcome::kOk);
}

// It is not told to be wrong, but counts as such; where nothing is kept there is nothing to guess.
TEST_F(StandbyTest, GuessesCountAsFailures) {
  for (int i = 0; i < 8; ++i) {
    const std::string guess = "guess" + std::to_string(i);
    EXPECT_EQ(Login(kFirst, "bob@example.org", guess, "192.0.2.7").outcome, Outcome::kTemporary);
  }
  EXPECT_EQ(Metric("poplar_auth_penalties_total", "address"), 0);
  for (int i = 0; i < 8; ++i) {
    const std::string guess = "guess" + std::to_string(i);
    EXPECT_EQ(Login(i % 2 == 0 ? kFirst : kSecond, kAlice, guess, "192.0.2.7").outcome,
              Outcome::kTemporary);
  }
  EXPECT_EQ(Metric("poplar_auth_penalties_total", "address"), 1);
}

TEST_F(StandbyTest, APasswordThatWasFoundWrongSinceDoesNot) {
  gate_->SetDown(false);
  gate_->SetUser(kAlice, "new");
  EXPECT_EQ(Login(kFirst, kAlice, "guess").outcome, Outcome::kRefused);
  gate_->SetDown(true);
  EXPECT_EQ(Login(kFirst, kAlice, "secret").outcome, Outcome::kOk) << "nobody has asked about it";
  gate_->SetDown(false);
  EXPECT_EQ(Login(kFirst, kAlice, "secret").outcome, Outcome::kRefused);
  gate_->SetDown(true);
  EXPECT_EQ(Login(kFirst, kAlice, "secret").outcome, Outcome::kTemporary);
}

TEST_F(StandbyTest, AFlushForgetsIt) {
  Flush("bob@example.org");
  EXPECT_EQ(Login(kFirst, kAlice, "secret").outcome, Outcome::kOk);
  Flush(kAlice);
  EXPECT_EQ(Login(kFirst, kAlice, "secret").outcome, Outcome::kTemporary);
}

TEST_F(StandbyTest, AFlushOfAllForgetsItToo) {
  Flush("");
  EXPECT_EQ(Login(kFirst, kAlice, "secret").outcome, Outcome::kTemporary);
}

}  // namespace
}  // namespace poplar::auth
