// AuthService over a back end that can be held: what becomes of log-ins whose users are changed
// while they are under way.

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>

#include "auth/service/recent_changes.h"
#include "tests/unit/auth/gated_service.h"

namespace poplar::auth {
namespace {

class ChangedMeanwhileTest : public GatedService {
 protected:
  void FlushAccount(TenantId tenant, const std::string& account) {
    Asking<Status> flush(*shards_, kSecond, [&](io::Completion<Status>& done) {
      service_->FlushAccount(tenant, account, done);
    });
    EXPECT_TRUE(flush.Get().ok());
  }
  // Of a log-in that is with the back end while `change` happens.
  Outcome LoginDuring(const std::function<void()>& change) {
    gate_->Close();
    const int asked = gate_->asked();
    const auto asking = StartLogin(kFirst, kAlice, "secret");
    gate_->WaitUntilAsked(asked + 1);
    change();
    gate_->Open();
    return asking->Get().outcome;
  }
};

TEST_F(ChangedMeanwhileTest, WhoWasFlushedMeanwhileComesAgain) {
  options_.password_cache_ttl_ms = 0;
  Start();
  gate_->SetAddress(kAlice, "Alice.A@example.org");
  EXPECT_EQ(LoginDuring([&] { Flush(kAlice); }), Outcome::kTemporary);
  EXPECT_EQ(LoginDuring([&] { Flush("alice.a@example.org"); }), Outcome::kTemporary);
  EXPECT_EQ(LoginDuring([&] { FlushAccount(TenantId(7), "account of alice@example.org"); }),
            Outcome::kTemporary);
  EXPECT_EQ(Login(kFirst, kAlice, "secret").outcome, Outcome::kOk);
}

TEST_F(ChangedMeanwhileTest, OthersDoNot) {
  options_.password_cache_ttl_ms = 0;
  Start();
  EXPECT_EQ(LoginDuring([&] { Flush("bob@example.org"); }), Outcome::kOk);
  EXPECT_EQ(LoginDuring([&] { FlushAccount(TenantId(8), "account of alice@example.org"); }),
            Outcome::kOk);
  EXPECT_EQ(LoginDuring([&] { Flush(""); }), Outcome::kOk) << "nobody's sessions end by it";
}

TEST_F(ChangedMeanwhileTest, ATokenThatWasGoodIsAskedAboutAgain) {
  Start({.token = true});
  gate_->Close();
  Asking<AuthResult> token(*shards_, kFirst, [&](io::Completion<AuthResult>& done) {
    service_->OnShard(kFirst).VerifyToken(kAlice, base::Secret("right token"), {}, done);
  });
  gate_->WaitUntilAsked(1);
  Flush(kAlice);
  gate_->Open();
  EXPECT_EQ(token.Get().outcome, Outcome::kTemporary);
}

TEST_F(ChangedMeanwhileTest, AChallengeFromBeforeIsOutdated) {
  Start({.verifiers = true});
  Asking<VerifierResult> fetched(*shards_, kFirst, [&](io::Completion<VerifierResult>& done) {
    service_->OnShard(kFirst).FetchVerifier(kAlice, "SCRAM-SHA-256", {}, done);
  });
  const VerifierResult verifier = fetched.Get();
  const auto outdated = [&] {
    bool is_outdated = false;
    shards_->RunOn(kFirst, [&](io::Shard&) {
      is_outdated = service_->OnShard(kFirst).IsOutdated(verifier, "Alice@example.org");
    });
    return is_outdated;
  };
  EXPECT_FALSE(outdated());
  Flush("bob@example.org");
  EXPECT_FALSE(outdated());
  Flush(kAlice);
  EXPECT_TRUE(outdated());
}

TEST(RecentChangesTest, WhatIsTooLongAgoIsTakenForHis) {
  const Principal alice{.tenant = TenantId(7),
                        .account = "a1",
                        .address = "Alice@example.org",
                        .tenant_name = "acme"};
  RecentChanges changes;
  changes.AddAddress("alice@example.org");
  EXPECT_TRUE(changes.AreAbout(alice, "al@example.org", 0));
  EXPECT_FALSE(changes.AreAbout(alice, "al@example.org", 1)) << "asked after it";
  for (size_t i = 0; i < RecentChanges::kKnownMax; ++i) changes.AddAccount(TenantId(8), "a1");
  EXPECT_FALSE(changes.AreAbout(alice, "al@example.org", 1));
  EXPECT_TRUE(changes.AreAbout(alice, "al@example.org", 0));
}

}  // namespace
}  // namespace poplar::auth
