// AuthService over a back end that can be held: what failures cost, whom, and who waits.

#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/base/limits.h"
#include "tests/unit/auth/gated_service.h"

namespace poplar::auth {
namespace {

class ServicePenaltiesTest : public GatedService {};

TEST_F(ServicePenaltiesTest, FailuresDelayTheirAddressOnly) {
  options_.throttle = {.free_address = 2, .delay_first_ms = 40, .delay_max_ms = 40};
  Start();
  for (int i = 0; i < 3; ++i) {
    Login(i % 2 == 0 ? kFirst : kSecond, kAlice, "wrong" + std::to_string(i), "192.0.2.66");
  }
  EXPECT_EQ(Metric("poplar_auth_delayed_total"), 0);
  EXPECT_EQ(Metric("poplar_auth_penalties_total", "address"), 1);

  for (const ShardIndex shard : {kFirst, kSecond}) {
    const auto start = std::chrono::steady_clock::now();
    EXPECT_EQ(Login(shard, kAlice, "wrong", "192.0.2.66").outcome, Outcome::kRefused);
    EXPECT_GE(std::chrono::steady_clock::now() - start, std::chrono::milliseconds(40));
  }
  EXPECT_EQ(Metric("poplar_auth_delayed_total", "address"), 2);

  EXPECT_EQ(Login(kFirst, kAlice, "secret", "192.0.2.67").outcome, Outcome::kOk);
  EXPECT_EQ(Metric("poplar_auth_delayed_total"), 2) << "elsewhere nobody waits";
  Flush("");
  EXPECT_EQ(Login(kFirst, kAlice, "secret", "192.0.2.66").outcome, Outcome::kOk);
  EXPECT_EQ(Metric("poplar_auth_delayed_total"), 3) << "a right password waits, and is let in";
  EXPECT_EQ(Metric("poplar_auth_delayed"), 0);
}

TEST_F(ServicePenaltiesTest, WaitsShowNobodyWhoHasADomain) {
  options_.throttle = {.free_address = 100,
                       .free_user = 100,
                       .free_tenant = 0,
                       .delay_first_ms = 1000,
                       .waiting_max = 0};
  auto policies = std::make_shared<TenantPolicies>();
  policies->by_tenant[7].name = "acme";
  for (const char* domain : {"one.example", "two.example"}) {
    policies->by_domain[domain] = {.tenant = TenantId(7), .name = "acme"};
  }
  tenants_.Publish(std::move(policies));
  Start();
  EXPECT_EQ(Login(kFirst, "a@one.example", "wrong", "192.0.2.1").outcome, Outcome::kRefused);
  EXPECT_EQ(Login(kFirst, "b@one.example", "wrong", "192.0.2.2").outcome, Outcome::kThrottled);
  EXPECT_EQ(Login(kFirst, "c@two.example", "wrong", "192.0.2.3").outcome, Outcome::kRefused)
      << "that both are one tenant's is not to be seen";
  // A domain that nobody has is no different.
  EXPECT_EQ(Login(kFirst, "a@nobodys.example", "wrong", "192.0.2.4").outcome, Outcome::kRefused);
  EXPECT_EQ(Login(kFirst, "b@nobodys.example", "wrong", "192.0.2.5").outcome, Outcome::kThrottled);
}

TEST_F(ServicePenaltiesTest, WhoLoggedInWellWaitsForNobodyElse) {
  options_.throttle = {.free_address = 0,
                       .free_user = 0,
                       .free_tenant = 0,
                       .delay_first_ms = 1000,
                       .waiting_max = 0};
  Start();
  gate_->SetUser("bob@example.org", "bob's");
  EXPECT_EQ(Login(kFirst, kAlice, "secret", "192.0.2.1").outcome, Outcome::kOk);
  EXPECT_EQ(Login(kFirst, kAlice, "wrong", "203.0.113.1").outcome, Outcome::kRefused);
  EXPECT_EQ(Login(kFirst, "bob@example.org", "x", "192.0.2.1").outcome, Outcome::kThrottled)
      << "of the same tenant";
  Flush("");
  EXPECT_EQ(Login(kSecond, kAlice, "secret", "192.0.2.2").outcome, Outcome::kThrottled);
  for (const ShardIndex shard : {kFirst, kSecond}) {
    EXPECT_EQ(Login(shard, kAlice, "secret", "192.0.2.1").outcome, Outcome::kOk);
  }
  EXPECT_EQ(Metric("poplar_auth_delays_cut_total", "no_room"), 2);
}

TEST_F(ServicePenaltiesTest, WhatIsRememberedMakesAPlaceKnown) {
  options_.throttle = {.free_address = 0, .free_user = 0, .delay_first_ms = 1000, .waiting_max = 0};
  Start();
  EXPECT_EQ(Login(kFirst, kAlice, "secret", "192.0.2.1").outcome, Outcome::kOk);
  for (const ShardIndex shard : {kFirst, kSecond}) {
    EXPECT_EQ(Login(shard, kAlice, "secret", "192.0.2.66").reason, "from cache");
  }
  EXPECT_EQ(Login(kFirst, kAlice, "wrong", "203.0.113.1").outcome, Outcome::kRefused);
  for (const ShardIndex shard : {kFirst, kSecond}) {
    EXPECT_EQ(Login(shard, kAlice, "secret", "192.0.2.66").reason, "from cache");
  }
}

TEST_F(ServicePenaltiesTest, WhoHasToWaitHearsNothingBefore) {
  options_.throttle = {.free_address = 0, .free_user = 0, .delay_first_ms = 1000, .waiting_max = 0};
  Start();
  EXPECT_EQ(Login(kFirst, kAlice, "secret", "192.0.2.1").outcome, Outcome::kOk);
  EXPECT_EQ(Login(kFirst, kAlice, "wrong", "203.0.113.1").outcome, Outcome::kRefused);
  // The right guess, which is remembered, and a wrong one are told alike.
  for (const ShardIndex shard : {kFirst, kSecond}) {
    EXPECT_EQ(Login(shard, kAlice, "secret", "203.0.113.1").outcome, Outcome::kThrottled);
    EXPECT_EQ(Login(shard, kAlice, "guess", "203.0.113.1").outcome, Outcome::kThrottled);
  }
  EXPECT_EQ(gate_->asked(), 2);
}

TEST_F(ServicePenaltiesTest, TheSameWrongPasswordCountsOnce) {
  options_.throttle = {.free_address = 1, .delay_first_ms = 1000, .waiting_max = 0};
  Start();
  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ(Login(i % 2 == 0 ? kFirst : kSecond, kAlice, "old one").outcome, Outcome::kRefused);
  }
  EXPECT_EQ(Metric("poplar_auth_repeated_failures_total"), 4);
  EXPECT_EQ(gate_->asked(), 5) << "a wrong password is never remembered as wrong";
  EXPECT_EQ(Login(kFirst, kAlice, "another").outcome, Outcome::kRefused);
  EXPECT_EQ(Login(kFirst, kAlice, "old one").outcome, Outcome::kThrottled);
}

TEST_F(ServicePenaltiesTest, NamesThatNobodyHasWaitLikeOthers) {
  options_.throttle = {.free_user = 2, .delay_first_ms = 1000, .waiting_max = 0};
  Start();
  for (const std::string user :
       {kAlice, "nobody@example.org", "nobody@nowhere.example", "nobody"}) {
    for (int i = 0; i < 3; ++i) {
      const std::string from = "198.51.100." + std::to_string(i);
      EXPECT_EQ(Login(kFirst, user, std::to_string(i), from).outcome, Outcome::kRefused) << user;
    }
    EXPECT_EQ(Login(kFirst, user, "x", "198.51.100.9").outcome, Outcome::kThrottled) << user;
  }
}

TEST_F(ServicePenaltiesTest, WhoHangsUpFreesHisPlaceAtOnce) {
  options_.throttle = {
      .free_address = 0, .delay_first_ms = 60'000, .delay_max_ms = 60'000, .waiting_max = 1};
  Start();
  Login(kFirst, kAlice, "wrong");
  for (int i = 0; i < 3; ++i) {
    const auto waiting = StartLogin(kFirst, kAlice, "secret");
    EXPECT_TRUE(Eventually([&] { return Metric("poplar_auth_delayed") == 1; }));
    EXPECT_EQ(Login(kFirst, "bob@example.org", "secret", "192.0.2.1", SessionId(2)).outcome,
              Outcome::kThrottled);
    shards_->RunOn(kFirst, [&](io::Shard&) { service_->OnShard(kFirst).Leave(SessionId(1)); });
    const AuthResult left = waiting->Get();
    EXPECT_EQ(left.outcome, Outcome::kThrottled);
    EXPECT_EQ(left.reason, "the session ended while it waited");
    EXPECT_EQ(Metric("poplar_auth_delayed"), 0);
  }
  EXPECT_EQ(gate_->asked(), 1);
  EXPECT_EQ(Metric("poplar_auth_delays_cut_total", "client_left"), 3);
  shards_->RunOn(kFirst, [&](io::Shard&) { service_->OnShard(kFirst).Leave(SessionId(1)); });
}

// The client is gone before it is known that it would have to wait.
TEST_F(ServicePenaltiesTest, WhoHangsUpTooEarlyDoesNotWaitEither) {
  options_.throttle = {.free_address = 0, .delay_first_ms = 60'000, .delay_max_ms = 60'000};
  Start();
  Login(kFirst, kAlice, "wrong");
  for (const ShardIndex shard : {kFirst, kSecond}) {
    Asking<AuthResult> asking(*shards_, shard, [&](io::Completion<AuthResult>& done) {
      ShardAuth& auth = service_->OnShard(shard);
      auth.VerifyPassword(kAlice, base::Secret("secret"),
                          {.address = "192.0.2.1", .session = SessionId(1)}, done);
      auth.Leave(SessionId(1));
    });
    EXPECT_EQ(asking.Get().outcome, Outcome::kThrottled);
  }
  EXPECT_EQ(gate_->asked(), 1);
}

TEST_F(ServicePenaltiesTest, GuessesAtOnceWaitForEachOther) {
  options_.throttle = {.free_address = 2, .delay_first_ms = 60'000, .delay_max_ms = 60'000};
  hash_pool_options_.threads = 8;
  Start();
  gate_->Close();
  std::vector<std::unique_ptr<Asking<AuthResult>>> guesses;
  for (uint64_t i = 0; i < 8; ++i) {
    guesses.push_back(StartLogin(i % 2 == 0 ? kFirst : kSecond, kAlice, std::to_string(i),
                                 "192.0.2.66", SessionId(i + 1)));
  }
  EXPECT_EQ(Metric("poplar_auth_delayed"), 5);
  gate_->WaitUntilAsked(3);
  gate_->Open();
  for (size_t i = 0; i < 3; ++i) EXPECT_EQ(guesses[i]->Get().outcome, Outcome::kRefused);
  EXPECT_EQ(Metric("poplar_auth_penalties_total", "address"), 1);
  EXPECT_EQ(Login(kFirst, kAlice, "secret", "192.0.2.67", SessionId(20)).outcome, Outcome::kOk);
  for (uint64_t i = 3; i < 8; ++i) {
    const ShardIndex shard = i % 2 == 0 ? kFirst : kSecond;
    shards_->RunOn(shard, [&](io::Shard&) { service_->OnShard(shard).Leave(SessionId(i + 1)); });
    EXPECT_EQ(guesses[i]->Get().outcome, Outcome::kThrottled);
  }
  EXPECT_EQ(gate_->asked(), 4);
}

TEST_F(ServicePenaltiesTest, OfThoseThatWaitOneGoesAtATime) {
  options_.throttle = {.free_address = 0, .delay_first_ms = 40, .delay_max_ms = 40};
  Start();
  Login(kFirst, kAlice, "wrong");
  const auto start = std::chrono::steady_clock::now();
  std::vector<std::unique_ptr<Asking<AuthResult>>> guesses;
  for (uint64_t i = 0; i < 6; ++i) {
    guesses.push_back(StartLogin(i % 2 == 0 ? kFirst : kSecond, kAlice, std::to_string(i),
                                 "192.0.2.1", SessionId(i + 1)));
  }
  for (const auto& guess : guesses) EXPECT_EQ(guess->Get().outcome, Outcome::kRefused);
  // Six waits, one after another; the shards' clocks may be apart by a little.
  EXPECT_GE(std::chrono::steady_clock::now() - start, std::chrono::milliseconds(5 * 40));
  EXPECT_EQ(Metric("poplar_auth_delayed_total", "address"), 6) << "each of them counts once";
  EXPECT_EQ(Metric("poplar_auth_delayed"), 0);
}

TEST_F(ServicePenaltiesTest, WhenOneWasRightNobodyOfItsNameWaitsOn) {
  options_.throttle = {.free_address = 0, .delay_first_ms = 60'000, .delay_max_ms = 60'000};
  Start();
  Login(kFirst, "bob@example.org", "wrong");
  const auto first = StartLogin(kFirst, kAlice, "secret", "192.0.2.1", SessionId(1));
  const auto second = StartLogin(kSecond, kAlice, "secret", "192.0.2.1", SessionId(2));
  EXPECT_EQ(Metric("poplar_auth_delayed"), 2);
  Asking<AuthResult> proved(*shards_, kFirst, [&](io::Completion<AuthResult>& done) {
    service_->OnShard(kFirst).ResolveLogin(kAlice,
                                           {.address = "192.0.2.1", .session = SessionId(3)}, done);
  });
  EXPECT_EQ(proved.Get().outcome, Outcome::kOk);
  EXPECT_EQ(first->Get().outcome, Outcome::kOk);
  EXPECT_EQ(second->Get().outcome, Outcome::kOk);
}

TEST_F(ServicePenaltiesTest, AnOwnersProgramsComeAtOnce) {
  Start();
  gate_->Close();
  std::vector<std::unique_ptr<Asking<AuthResult>>> programs;
  for (uint64_t i = 0; i < 3; ++i) {
    programs.push_back(
        StartLogin(i % 2 == 0 ? kFirst : kSecond, kAlice, "secret", "192.0.2.1", SessionId(i + 1)));
  }
  gate_->Open();
  for (const auto& program : programs) EXPECT_EQ(program->Get().outcome, Outcome::kOk);
  EXPECT_EQ(Metric("poplar_auth_delayed_total"), 0);
  // Nor is anything left of them, or of what we could not answer.
  Flush("");
  gate_->SetDown(true);
  for (int i = 0; i < 10; ++i) {
    EXPECT_EQ(Login(kFirst, kAlice, "secret").outcome, Outcome::kTemporary);
  }
  EXPECT_EQ(Metric("poplar_auth_delayed_total"), 0);
}

TEST_F(ServicePenaltiesTest, AChallengeIsUnderWayUntilItsExchangeEnds) {
  options_.throttle = {.free_address = 1, .delay_first_ms = 1000, .waiting_max = 0};
  Start({.password = true, .verifiers = true, .token = true});
  const auto fetch = [&](uint64_t session) {
    return Asking<VerifierResult>(*shards_, kFirst,
                                  [&](io::Completion<VerifierResult>& done) {
                                    service_->OnShard(kFirst).FetchVerifier(
                                        kAlice, "SCRAM-SHA-256",
                                        {.address = "192.0.2.1", .session = SessionId(session)},
                                        done);
                                  })
        .Get()
        .outcome;
  };
  const auto count = [&](uint64_t session, Outcome outcome) {
    shards_->RunOn(kFirst, [&](io::Shard&) {
      service_->OnShard(kFirst).CountLogin(outcome, kAlice,
                                           {.address = "192.0.2.1", .session = SessionId(session)});
    });
  };
  EXPECT_EQ(fetch(1), Outcome::kRefused) << "a decoy";
  EXPECT_EQ(fetch(2), Outcome::kRefused);
  EXPECT_EQ(fetch(3), Outcome::kThrottled);
  count(3, Outcome::kThrottled);
  EXPECT_EQ(fetch(3), Outcome::kThrottled) << "the other two are under way still";
  count(1, Outcome::kOk);
  EXPECT_EQ(fetch(3), Outcome::kRefused);
  count(2, Outcome::kRefused);
  EXPECT_EQ(fetch(4), Outcome::kThrottled) << "one failed, one is under way";
  count(3, Outcome::kOk);
  EXPECT_EQ(fetch(4), Outcome::kRefused);
}

TEST_F(ServicePenaltiesTest, ATokensLoginEnds) {
  options_.throttle = {.free_address = 0, .delay_first_ms = 1000, .waiting_max = 0};
  Start({.token = true});
  const auto verify = [&](const char* token) {
    return Asking<AuthResult>(*shards_, kFirst,
                              [&](io::Completion<AuthResult>& done) {
                                service_->OnShard(kFirst).VerifyToken(
                                    kAlice, base::Secret(token),
                                    {.address = "192.0.2.1", .session = SessionId(1)}, done);
                              })
        .Get()
        .outcome;
  };
  for (int i = 0; i < 3; ++i) EXPECT_EQ(verify("right token"), Outcome::kOk);
  EXPECT_EQ(verify("wrong token"), Outcome::kRefused);
  EXPECT_EQ(verify("right token"), Outcome::kThrottled);
}

TEST_F(ServicePenaltiesTest, WaitersAreBounded) {
  options_.throttle = {
      .free_address = 0, .delay_first_ms = 40, .delay_max_ms = 40, .waiting_max = 1};
  Start();
  Login(kFirst, kAlice, "wrong");
  const auto waiting = StartLogin(kFirst, kAlice, "secret");
  EXPECT_EQ(Login(kFirst, kAlice, "secret").outcome, Outcome::kThrottled);
  EXPECT_EQ(waiting->Get().outcome, Outcome::kOk);
}

TEST_F(ServicePenaltiesTest, AChallengeThatFoundTheQueueFullCounts) {
  hash_pool_options_ = {.name = "hash", .threads = 1, .queued_max = 1};
  options_.throttle.free_address = 0;
  Start({.password = true, .verifiers = true, .clear_text = true});
  gate_->Close();
  const auto working = StartLogin(kFirst, kAlice, "a", "192.0.2.2");
  gate_->WaitUntilAsked(1);
  const auto queued = StartLogin(kFirst, kAlice, "b", "192.0.2.3");
  ASSERT_TRUE(Eventually([&] { return hash_pool_->queued() == 1; }));
  Asking<VerifierResult> fetched(*shards_, kFirst, [&](io::Completion<VerifierResult>& done) {
    service_->OnShard(kFirst).FetchVerifier(
        kAlice, "SCRAM-SHA-256", {.address = "192.0.2.9", .session = SessionId(1)}, done);
  });
  EXPECT_EQ(fetched.Get().outcome, Outcome::kTemporary);
  EXPECT_EQ(Metric("poplar_auth_penalties_total", "address"), 1);
  EXPECT_EQ(Metric("poplar_auth_penalties_total"), 1) << "not of the name";
  gate_->Open();
  working->Get();
  queued->Get();
}

TEST_F(ServicePenaltiesTest, ATokenThatFoundTheQueueFullCounts) {
  lookup_pool_options_ = {.name = "lookup", .threads = 1, .queued_max = 1};
  options_.changes_poll_ms = 3'600'000;  // Else it takes the place in the queue.
  options_.throttle.free_address = 0;
  Start({.token = true});
  const auto verify = [&](const std::string& from) {
    return std::make_unique<Asking<AuthResult>>(
        *shards_, kFirst, [&](io::Completion<AuthResult>& done) {
          service_->OnShard(kFirst).VerifyToken(kAlice, base::Secret("right token"),
                                                {.address = from, .session = SessionId(1)}, done);
        });
  };
  gate_->Close();
  const auto working = verify("192.0.2.2");
  gate_->WaitUntilAsked(1);
  const auto queued = verify("192.0.2.3");
  EXPECT_EQ(verify("192.0.2.9")->Get().outcome, Outcome::kTemporary);
  EXPECT_EQ(Metric("poplar_auth_penalties_total", "address"), 1);
  gate_->Open();
  working->Get();
  queued->Get();
}

TEST_F(ServicePenaltiesTest, ABackEndThatCannotBeAskedIsNoFailureOfTheClient) {
  options_.throttle = {.free_address = 0, .delay_first_ms = 40, .delay_max_ms = 40};
  options_.deadline_ms = 20;
  Start();
  gate_->Close();
  EXPECT_EQ(Login(kFirst, kAlice, "secret").outcome, Outcome::kTemporary);
  EXPECT_EQ(Login(kFirst, kAlice, "secret").outcome, Outcome::kTemporary);
  EXPECT_EQ(Metric("poplar_auth_delayed_total"), 0);
}

}  // namespace
}  // namespace poplar::auth
