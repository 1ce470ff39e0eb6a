// AuthService over a back end that can be held: caching, coalescing, races, limits. Penalties:
// service_penalties_test.cc.

#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <utility>

#include "auth/service/login_home.h"
#include "core/base/limits.h"
#include "tests/unit/auth/gated_service.h"

namespace poplar::auth {
namespace {

class ServiceTest : public GatedService {};

TEST_F(ServiceTest, ACorrectPasswordIsRememberedForBothShards) {
  Start();
  const AuthResult first = Login(kFirst, "Alice@Example.ORG", "secret");
  EXPECT_EQ(first.outcome, Outcome::kOk);
  EXPECT_EQ(first.principal.account, "account of alice@example.org");
  EXPECT_EQ(first.principal.tenant, TenantId(7));
  for (const ShardIndex shard : {kFirst, kSecond, kFirst, kSecond}) {
    const AuthResult again = Login(shard, kAlice, "secret");
    EXPECT_EQ(again.outcome, Outcome::kOk);
    EXPECT_EQ(again.reason, "from cache");
    EXPECT_EQ(again.principal.account, first.principal.account);
    EXPECT_EQ(again.principal.tenant_name, "gated");
  }
  EXPECT_EQ(gate_->asked(), 1);
  EXPECT_EQ(Metric("poplar_auth_cache_hits_total"), 4);
  EXPECT_EQ(Metric("poplar_auth_cache_misses_total"), 1);
  EXPECT_EQ(Metric("poplar_auth_cache_entries"), 1);
  EXPECT_EQ(Metric("poplar_auth_logins_total", "ok"), 5);
}

TEST_F(ServiceTest, AWrongPasswordIsAlwaysAskedAndEvictsNothing) {
  Start();
  EXPECT_EQ(Login(kFirst, kAlice, "secret").outcome, Outcome::kOk);
  EXPECT_EQ(Login(kFirst, kAlice, "wrong").outcome, Outcome::kRefused);
  EXPECT_EQ(Login(kSecond, kAlice, "wrong").outcome, Outcome::kRefused);
  EXPECT_EQ(gate_->asked(), 3);
  EXPECT_EQ(Login(kSecond, kAlice, "secret").reason, "from cache");
  EXPECT_EQ(Metric("poplar_auth_logins_total", "refused"), 2);
}

TEST_F(ServiceTest, SomeQuestionsNeedNobody) {
  Start();
  EXPECT_EQ(Login(kFirst, kAlice, "").outcome, Outcome::kRefused);
  EXPECT_EQ(Login(kFirst, "", "secret").outcome, Outcome::kRefused);
  EXPECT_EQ(Login(kFirst, std::string(kAddressBytesMax + 1, 'a'), "secret").outcome,
            Outcome::kRefused);
  EXPECT_EQ(Resolve(kFirst, "").outcome, ResolveOutcome::kUnknown);
  EXPECT_EQ(gate_->asked(), 0);
}

TEST_F(ServiceTest, EqualLoginsShareOneComputation) {
  Start();
  gate_->Close();
  std::vector<std::unique_ptr<Asking<AuthResult>>> askings;
  for (int i = 0; i < 6; ++i) {
    askings.push_back(StartLogin(i % 2 == 0 ? kFirst : kSecond, kAlice, "secret"));
  }
  askings.push_back(StartLogin(kFirst, kAlice, "wrong"));
  gate_->WaitUntilAsked(2);
  EXPECT_TRUE(Eventually([&] { return Metric("poplar_auth_coalesced_total") == 5; }));
  for (const auto& asking : askings) EXPECT_FALSE(asking->ready());
  gate_->Open();
  for (int i = 0; i < 6; ++i) EXPECT_EQ(askings[i]->Get().outcome, Outcome::kOk);
  EXPECT_EQ(askings[6]->Get().outcome, Outcome::kRefused);
  EXPECT_EQ(gate_->asked(), 2);
}

class ServiceFlushTest : public ServiceTest, public testing::WithParamInterface<const char*> {};
INSTANTIATE_TEST_SUITE_P(OneOrAll, ServiceFlushTest, testing::Values(kAlice, ""));

TEST_P(ServiceFlushTest, WhatChangedMeanwhileIsNotRemembered) {
  Start();
  gate_->Close();
  const auto asking = StartLogin(kFirst, kAlice, "secret");
  gate_->WaitUntilAsked(1);
  Flush(GetParam());
  gate_->Open();
  asking->Get();
  EXPECT_EQ(Metric("poplar_auth_cache_entries"), 0);
  EXPECT_NE(Login(kFirst, kAlice, "secret").reason, "from cache");
  EXPECT_EQ(gate_->asked(), 2);
}

TEST_F(ServiceTest, NobodyJoinsAComputationFromBeforeAChange) {
  Start();
  gate_->Close();
  const auto before = StartLogin(kFirst, kAlice, "secret");
  gate_->WaitUntilAsked(1);
  gate_->SetUser(kAlice, "changed");
  Flush(kAlice);
  const auto after = StartLogin(kFirst, kAlice, "secret");
  gate_->WaitUntilAsked(2);
  gate_->Open();
  EXPECT_EQ(before->Get().outcome, Outcome::kTemporary);
  EXPECT_EQ(after->Get().outcome, Outcome::kRefused);
  EXPECT_EQ(Login(kSecond, kAlice, "secret").outcome, Outcome::kRefused);
}

TEST_F(ServiceTest, WhatIsVerifiedWhileATenantChangesIsRememberedOfTheOthers) {
  Start();
  const auto tell = [&](uint64_t tenant) {
    const double told = Metric("poplar_auth_changes_total");
    for (int i = 1; i <= 2; ++i) {  // When the second one is taken, the first is dealt with.
      gate_->Tell({.logins = {}, .tenants = {TenantId(tenant)}});
      ASSERT_TRUE(Eventually([&] { return Metric("poplar_auth_changes_total") == told + i; }));
    }
  };
  gate_->Close();
  const auto of_its_own = StartLogin(kFirst, kAlice, "secret");
  gate_->WaitUntilAsked(1);
  tell(7);
  const auto of_anothers = StartLogin(kFirst, kAlice, "secret");
  gate_->WaitUntilAsked(2);  // It joined nobody.
  tell(8);
  gate_->Open();
  EXPECT_EQ(of_its_own->Get().outcome, Outcome::kOk);
  EXPECT_EQ(of_anothers->Get().outcome, Outcome::kOk);
  EXPECT_EQ(Login(kSecond, kAlice, "secret").reason, kFromCache);
  tell(7);
  EXPECT_NE(Login(kSecond, kAlice, "secret").reason, kFromCache);
}

TEST_F(ServiceTest, NobodyJoinsAComputationFromBeforeTheDomainWent) {
  Start();
  gate_->Close();
  const auto before = StartLogin(kFirst, kAlice, "secret");
  gate_->WaitUntilAsked(1);
  PublishTenant(TenantId(8));
  const auto after = StartLogin(kFirst, kAlice, "secret");
  gate_->WaitUntilAsked(2);
  gate_->Open();
  EXPECT_EQ(before->Get().outcome, Outcome::kOk);
  EXPECT_EQ(after->Get().outcome, Outcome::kOk);
}

TEST_F(ServiceTest, AFlushOfOneNameLeavesTheOthers) {
  Start();
  gate_->SetUser("bob@example.org", "bob's");
  EXPECT_EQ(Login(kFirst, kAlice, "secret").outcome, Outcome::kOk);
  EXPECT_EQ(Login(kFirst, "bob@example.org", "bob's").outcome, Outcome::kOk);
  Flush("ALICE@example.org");
  EXPECT_EQ(Login(kFirst, "bob@example.org", "bob's").reason, "from cache");
  EXPECT_NE(Login(kFirst, kAlice, "secret").reason, "from cache");
}

// As sessions show him: his back end may spell an address otherwise than he does.
TEST_F(ServiceTest, AFlushOfAnAddressForgetsWhoeverHasIt) {
  Start();
  gate_->SetAddress(kAlice, "Real@example.org");
  EXPECT_EQ(Login(kFirst, kAlice, "secret").outcome, Outcome::kOk);
  EXPECT_EQ(Resolve(kFirst, kAlice).principal.address, "Real@example.org");
  Flush("other@example.org");
  EXPECT_EQ(Login(kFirst, kAlice, "secret").reason, "from cache");
  EXPECT_EQ(Resolve(kFirst, kAlice).reason, "from cache");
  Flush("real@example.org");
  EXPECT_NE(Login(kFirst, kAlice, "secret").reason, "from cache");
  EXPECT_NE(Resolve(kFirst, kAlice).reason, "from cache");
}

TEST_F(ServiceTest, AFullQueueIsTemporary) {
  hash_pool_options_ = {.name = "hash", .threads = 1, .queued_max = 1};
  Start();
  gate_->Close();
  const auto working = StartLogin(kFirst, kAlice, "a");
  gate_->WaitUntilAsked(1);
  const auto queued = StartLogin(kFirst, kAlice, "b");
  for (const ShardIndex shard : {kFirst, kSecond}) {
    EXPECT_EQ(Login(shard, kAlice, "c").outcome, Outcome::kTemporary);
  }
  EXPECT_EQ(Metric("poplar_auth_queue_full_total"), 2);
  gate_->Open();
  EXPECT_EQ(working->Get().outcome, Outcome::kRefused);
  EXPECT_EQ(queued->Get().outcome, Outcome::kRefused);
}

TEST_F(ServiceTest, AFullQueueIsHeldAgainstStrangersOnly) {
  hash_pool_options_ = {.name = "hash", .threads = 1, .queued_max = 1};
  options_.throttle.free_address = 0;
  Start();
  EXPECT_EQ(Login(kFirst, kAlice, "secret", "192.0.2.1").outcome, Outcome::kOk);
  gate_->Close();
  const auto working = StartLogin(kFirst, kAlice, "a", "192.0.2.2");
  gate_->WaitUntilAsked(2);
  const auto queued = StartLogin(kFirst, kAlice, "b", "192.0.2.3");
  EXPECT_EQ(Login(kFirst, kAlice, "c", "192.0.2.1").outcome, Outcome::kTemporary);
  EXPECT_EQ(Metric("poplar_auth_penalties_total"), 0);
  EXPECT_EQ(Login(kSecond, kAlice, "c", "192.0.2.9").outcome, Outcome::kTemporary);
  EXPECT_EQ(Metric("poplar_auth_penalties_total", "address"), 1);
  EXPECT_EQ(Metric("poplar_auth_penalties_total"), 1);
  gate_->Open();
  working->Get();
  queued->Get();
}

TEST_F(ServiceTest, ABackEndThatHangsIsTemporaryAndIsNotRemembered) {
  options_.deadline_ms = 30;
  hash_pool_options_.threads = 1;
  Start();
  gate_->Close();
  const auto hanging = StartLogin(kFirst, kAlice, "secret");
  const auto queued = StartLogin(kSecond, kAlice, "other");
  EXPECT_EQ(hanging->Get().outcome, Outcome::kTemporary);
  EXPECT_EQ(queued->Get().outcome, Outcome::kTemporary);
  EXPECT_EQ(Metric("poplar_auth_deadlines_total"), 2);
  gate_->Open();
  EXPECT_TRUE(Eventually([&] { return hash_pool_->queued() == 0; }));
  EXPECT_EQ(gate_->asked(), 1) << "what waited too long is not asked any more";
  EXPECT_NE(Login(kFirst, kAlice, "secret").reason, "from cache");
}

TEST_F(ServiceTest, NothingIsRememberedWithoutATimeToLive) {
  options_.password_cache_ttl_ms = 0;
  Start();
  for (int i = 0; i < 3; ++i) EXPECT_EQ(Login(kFirst, kAlice, "secret").outcome, Outcome::kOk);
  EXPECT_EQ(gate_->asked(), 3);
}

TEST_F(ServiceTest, WhatIsRememberedExpires) {
  options_.password_cache_ttl_ms = 50;
  Start();
  EXPECT_EQ(Login(kFirst, kAlice, "secret").outcome, Outcome::kOk);
  EXPECT_TRUE(Eventually([&] {
    EXPECT_EQ(Login(kSecond, kAlice, "secret").outcome, Outcome::kOk);
    return gate_->asked() > 1;
  }));
}

TEST_F(ServiceTest, AddressesAreRememberedShortly) {
  Start();
  EXPECT_EQ(Resolve(kFirst, "Alice@example.org").outcome, ResolveOutcome::kFound);
  const ResolveResult again = Resolve(kFirst, kAlice);
  EXPECT_EQ(again.outcome, ResolveOutcome::kFound);
  EXPECT_EQ(again.principal.account, "account of alice@example.org");
  EXPECT_EQ(Metric("poplar_auth_resolve_cache_hits_total"), 1);
  EXPECT_EQ(Resolve(kFirst, "bob@example.org").outcome, ResolveOutcome::kUnknown);
  gate_->SetUser("bob@example.org", "");
  EXPECT_EQ(Resolve(kFirst, "bob@example.org").outcome, ResolveOutcome::kFound)
      << "that there is nobody is not remembered";
}

// Whatever was told to be forgotten before the policies were published.
TEST_F(ServiceTest, WhatIsRememberedIsOfTheTenantThatHasTheDomainNow) {
  Start();
  const auto remembered = [&](ShardIndex shard) {
    const bool login = Login(shard, kAlice, "secret").reason == kFromCache;
    const bool address = Resolve(shard, kAlice).reason == kFromCache;
    EXPECT_EQ(login, address);
    return login;
  };
  for (const ShardIndex shard : {kFirst, kSecond}) {
    Login(shard, kAlice, "secret");
    Resolve(shard, kAlice);
  }
  for (const ShardIndex shard : {kFirst, kSecond}) EXPECT_TRUE(remembered(shard));
  const auto is_asked_again = [&](const char* when) {
    const int asked = gate_->asked();
    for (const ShardIndex shard : {kFirst, kSecond}) EXPECT_FALSE(remembered(shard)) << when;
    EXPECT_EQ(gate_->asked(), asked + 2) << when;
  };
  PublishTenant(TenantId(8));
  is_asked_again("another tenant has the domain");
  PublishTenant(TenantId(7), /*enabled=*/false);
  is_asked_again("the tenant is switched off");
  tenants_.Publish(std::make_shared<TenantPolicies>());
  is_asked_again("nobody has the domain");
  PublishTenant(TenantId(7));
  for (const ShardIndex shard : {kFirst, kSecond}) EXPECT_TRUE(remembered(shard));
}

TEST_F(ServiceTest, WhatIsRememberedIsOfTheChainThatIsAskedNow) {
  Start();
  Login(kFirst, kAlice, "secret");
  EXPECT_EQ(Login(kFirst, kAlice, "secret").reason, kFromCache);
  PublishTenant(TenantId(7), /*enabled=*/true, "other");
  EXPECT_EQ(Login(kFirst, kAlice, "secret").outcome, Outcome::kTemporary) << "there is no such one";
  PublishTenant(TenantId(7), /*enabled=*/true, "gate");
  EXPECT_NE(Login(kFirst, kAlice, "secret").reason, kFromCache);
  EXPECT_EQ(Login(kSecond, kAlice, "secret").reason, kFromCache);
}

// Of a tenant's user as of a stranger, or one try would tell them apart.
TEST_F(ServiceTest, WhatNoBackEndCanDoIsRefusedAsAnythingWrong) {
  Start({.verifiers = false, .token = false});
  const AuthResult password = Login(kFirst, kAlice, "secret");
  EXPECT_EQ(password.outcome, Outcome::kRefused);
  EXPECT_EQ(password.reason, "no back end of the chain verifies passwords");
  EXPECT_EQ(hashers_.computations(), 1U);
  Asking<VerifierResult> verifier(*shards_, kFirst, [&](io::Completion<VerifierResult>& done) {
    service_->OnShard(kFirst).FetchVerifier(kAlice, "APOP", {}, done);
  });
  const VerifierResult challenge = verifier.Get();
  EXPECT_EQ(challenge.outcome, Outcome::kRefused);
  EXPECT_FALSE(challenge.verifier.material.empty());
  Asking<AuthResult> token(*shards_, kFirst, [&](io::Completion<AuthResult>& done) {
    service_->OnShard(kFirst).VerifyToken(kAlice, base::Secret("t"), {}, done);
  });
  EXPECT_EQ(token.Get().outcome, Outcome::kRefused);
  EXPECT_EQ(gate_->asked(), 0);
}

// Mail must not bounce because of how a server was set up.
TEST_F(ServiceTest, WhereNoBackEndKnowsAddressesMailWaits) {
  Start({.resolve = false, .password = true});
  const ResolveResult waits = Resolve(kFirst, kAlice);
  EXPECT_EQ(waits.outcome, ResolveOutcome::kTemporary);
  EXPECT_EQ(waits.reason, "no back end of the chain knows addresses");
  EXPECT_EQ(Resolve(kFirst, "alice@elsewhere.example").outcome, ResolveOutcome::kUnknown);
}

// RFC 7677 §3's.
constexpr char kKeys[] =
    "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:"
    "wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=";

TEST_F(ServiceTest, VerifiersAndTokensGoThroughTheSameDoor) {
  Start({.verifiers = true, .token = true});
  gate_->SetUser(kAlice, kKeys);
  Asking<VerifierResult> verifier(*shards_, kSecond, [&](io::Completion<VerifierResult>& done) {
    service_->OnShard(kSecond).FetchVerifier(kAlice, "SCRAM-SHA-256", {}, done);
  });
  const VerifierResult found = verifier.Get();
  EXPECT_EQ(found.outcome, Outcome::kOk);
  EXPECT_EQ(found.verifier.mechanism, "SCRAM-SHA-256");
  EXPECT_EQ(found.verifier.material.Reveal(), kKeys);
  for (const auto& [text, outcome] :
       {std::pair("right token", Outcome::kOk), std::pair("wrong token", Outcome::kRefused)}) {
    Asking<AuthResult> token(*shards_, kFirst, [&](io::Completion<AuthResult>& done) {
      service_->OnShard(kFirst).VerifyToken(kAlice, base::Secret(text), {}, done);
    });
    EXPECT_EQ(token.Get().outcome, outcome);
  }
}

TEST_F(ServiceTest, FailedProofsDelayTheNextChallenge) {
  options_.throttle.free_address = 1;
  options_.throttle.delay_first_ms = 60'000;
  options_.throttle.delay_max_ms = 60'000;
  options_.throttle.waiting_max = 0;
  Start({.verifiers = true, .token = true});
  const auto fetch = [&](const std::string& from) {
    return Asking<VerifierResult>(*shards_, kFirst,
                                  [&](io::Completion<VerifierResult>& done) {
                                    service_->OnShard(kFirst).FetchVerifier(
                                        kAlice, "SCRAM-SHA-256",
                                        {.address = from, .session = SessionId(1)}, done);
                                  })
        .Get()
        .outcome;
  };
  const auto count = [&](Outcome outcome) {
    shards_->RunOn(kFirst, [&](io::Shard&) {
      service_->OnShard(kFirst).CountLogin(outcome, kAlice,
                                           {.address = "192.0.2.1", .session = SessionId(1)});
    });
  };
  count(Outcome::kOk);
  count(Outcome::kTemporary);
  EXPECT_EQ(fetch("192.0.2.1"), Outcome::kRefused) << "a decoy";
  count(Outcome::kRefused);
  count(Outcome::kRefused);
  EXPECT_EQ(fetch("192.0.2.1"), Outcome::kThrottled) << "and nobody may wait";
  EXPECT_EQ(fetch("192.0.2.2"), Outcome::kRefused);
  EXPECT_EQ(Metric("poplar_auth_logins_total", "refused"), 2);
}

TEST_F(ServiceTest, ProvedNamesAreResolved) {
  Start({.password = true});
  const auto resolve = [&](const std::string& user) {
    return Asking<AuthResult>(*shards_, kSecond,
                              [&](io::Completion<AuthResult>& done) {
                                service_->OnShard(kSecond).ResolveLogin(user, {}, done);
                              })
        .Get();
  };
  EXPECT_EQ(resolve("Alice@Example.ORG").principal.account, "account of alice@example.org");
  EXPECT_EQ(resolve("nobody@example.org").outcome, Outcome::kRefused);
  EXPECT_EQ(resolve("").outcome, Outcome::kRefused);
}

}  // namespace
}  // namespace poplar::auth
