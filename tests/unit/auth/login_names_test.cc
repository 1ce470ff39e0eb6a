// Which names anybody may have, and what is the same under several.

#include <gtest/gtest.h>

#include <string>
#include <utility>

#include "tests/unit/auth/gated_service.h"

namespace poplar::auth {
namespace {

class LoginNamesTest : public GatedService {
 protected:
  LoginNamesTest() {
    options_.throttle.free_user = 3;
    Start({.password = true, .verifiers = true, .token = true});
  }
};

TEST_F(LoginNamesTest, NamesThatCannotBeSeenAreNobodys) {
  for (const char* user :
       {" alice@example.org", "alice\xc2\xa0@example.org", "al\xff@example.org"}) {
    gate_->SetUser(user, "secret");
    const AuthResult result = Login(kFirst, user, "secret");
    EXPECT_EQ(result.outcome, Outcome::kRefused) << user;
    EXPECT_EQ(result.reason, "no login name of ours");
    Asking<VerifierResult> verifier(*shards_, kFirst, [&](io::Completion<VerifierResult>& done) {
      service_->OnShard(kFirst).FetchVerifier(user, "SCRAM-SHA-256", {}, done);
    });
    const VerifierResult challenge = verifier.Get();
    EXPECT_EQ(challenge.outcome, Outcome::kRefused) << user;
    EXPECT_EQ(challenge.reason, "no login name of ours");
    EXPECT_FALSE(challenge.verifier.material.empty()) << "it looks like anybody's";
    Asking<AuthResult> token(*shards_, kFirst, [&](io::Completion<AuthResult>& done) {
      service_->OnShard(kFirst).VerifyToken(user, base::Secret("right token"), {}, done);
    });
    EXPECT_EQ(token.Get().outcome, Outcome::kRefused) << user;
  }
  EXPECT_EQ(gate_->asked(), 0);
}

TEST_F(LoginNamesTest, SpellingsOfANameCountTogether) {
  int guess = 0;
  for (const char* user : {"ALICE@example.org", "\xef\xbd\x81lice@example.org", kAlice}) {
    EXPECT_EQ(Login(kFirst, user, std::to_string(++guess)).outcome, Outcome::kRefused);
    EXPECT_EQ(Metric("poplar_auth_penalties_total", "user"), 0) << user;
  }
  Login(kSecond, "\xf0\x9d\x90\x9alice@example.org", std::to_string(++guess));
  EXPECT_EQ(Metric("poplar_auth_penalties_total", "user"), 1);
  EXPECT_EQ(service_->Penalties(kAlice).size(), 1U);
}

TEST_F(LoginNamesTest, AFlushOfAnAccountForgetsItsUserByEveryName) {
  EXPECT_EQ(Login(kFirst, kAlice, "secret").outcome, Outcome::kOk);
  EXPECT_EQ(Resolve(kFirst, kAlice).outcome, ResolveOutcome::kFound);
  const auto flush = [&](TenantId tenant, const std::string& account) {
    Asking<Status> asking(*shards_, kSecond, [&](io::Completion<Status>& done) {
      service_->FlushAccount(tenant, account, done);
    });
    EXPECT_TRUE(asking.Get().ok());
  };
  flush(TenantId(7), "account of bob@example.org");
  flush(TenantId(8), "account of alice@example.org");
  EXPECT_EQ(Login(kFirst, kAlice, "secret").reason, "from cache");
  EXPECT_EQ(Resolve(kFirst, kAlice).reason, "from cache");
  flush(TenantId(7), "account of alice@example.org");
  EXPECT_NE(Login(kFirst, kAlice, "secret").reason, "from cache");
  EXPECT_NE(Resolve(kFirst, kAlice).reason, "from cache");
}

}  // namespace
}  // namespace poplar::auth
