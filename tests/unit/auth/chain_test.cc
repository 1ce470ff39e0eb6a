// The chain on a reactor of the test's own, over ports that say what the test wants.

#include "auth/service/chain.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "auth/service/results.h"
#include "core/io/reactor.h"

namespace poplar::auth {
namespace {

// Answers at once, or never while it is held.
class ScriptedPort final : public BackendPort {
 public:
  std::string_view name() const override { return called; }
  Capabilities capabilities() const override { return can; }
  void Ask(BackendCall& call) override {
    ++asked;
    last = call.question.Copy();
    call.answer.outcome = says;
    if (lacks_verifiers && last.operation == Operation::kFetchVerifier) {
      call.answer.outcome = BackendOutcome::kUnsupported;
      return call.Answered();
    }
    call.answer.computed = computes;
    call.answer.asked_us = 5;
    if (says == BackendOutcome::kOk) call.answer.principal.account = account;
    if (says == BackendOutcome::kOk || says == BackendOutcome::kDisabled) {
      const bool verifier = call.question.operation == Operation::kFetchVerifier;
      (verifier ? call.answer.stored_verifier : call.answer.stored_password) = base::Secret(stored);
      call.answer.weak_schemes = can.clear_text;
    }
    call.Answered();
  }
  bool idle() const override { return true; }

  Capabilities can{.password = true, .verifiers = false, .token = false};
  BackendOutcome says = BackendOutcome::kUnknown;
  std::string called;
  std::string account = "account";
  std::string stored;
  bool computes = false;
  bool lacks_verifiers = false;  // Of every name, whatever it can do.
  int asked = 0;
  BackendQuestion last;
};

class ChainTest : public testing::Test {
 protected:
  void SetUp() override {
    auto reactor = io::Reactor::Create({});
    ASSERT_TRUE(reactor.ok()) << reactor.status();
    reactor_ = std::move(*reactor);
    pool_ = std::make_unique<io::OffloadPool>(io::OffloadPoolOptions{.name = "hash", .threads = 1});
  }
  void TearDown() override {
    chain_.reset();
    pool_.reset();
  }

  ScriptedPort& Add(BackendOutcome says, bool next_after_refused = false,
                    bool next_after_failed = false) {
    auto port = std::make_unique<ScriptedPort>();
    ScriptedPort& added = *port;
    added.says = says;
    added.called = "b" + std::to_string(links_.size() + 1);
    links_.push_back({.port = std::move(port),
                      .next_after_refused = next_after_refused,
                      .next_after_failed = next_after_failed});
    return added;
  }
  BackendAnswer Ask(Operation operation = Operation::kVerifyPassword,
                    std::string_view password = "secret") {
    if (chain_ == nullptr) {
      const size_t configured = std::min(configured_, links_.size());
      chain_ = std::make_unique<Chain>(std::move(links_), configured, &tenants_, hashers_,
                                       verifiers_, *pool_, *reactor_);
    }
    BackendQuestion question;
    question.operation = operation;
    question.login = "bob@example.org";
    question.secret = base::Secret(password);
    question.mechanism = mechanism_;
    BackendAnswer answer;
    bool ended = false;
    auto walk = std::make_unique<ChainWalk>(*chain_, std::move(question), /*deadline_ms=*/20'000,
                                            [&](ChainWalk& ending) {
                                              answer = std::move(ending.result());
                                              ended = true;
                                            });
    walk->Begin();
    for (int i = 0; i < 2000 && !ended; ++i) reactor_->Turn(10);
    EXPECT_TRUE(ended);
    return answer;
  }
  BackendOutcome Verify() { return Ask().outcome; }

  // From now on example.org is a tenant's that wants this chain.
  void Publish(const std::string& auth_chain) {
    auto tenants = std::make_shared<TenantPolicies>();
    tenants->by_tenant[1].rules.auth_chain = auth_chain;
    tenants->by_domain["example.org"] = {.tenant = TenantId(1), .name = "acme"};
    tenants_.Publish(std::move(tenants));
  }

  size_t configured_ = SIZE_MAX;
  PolicyBoard tenants_;
  std::string mechanism_ = "SCRAM-SHA-256";
  const VerifierMaker verifiers_{/*scram_iterations=*/4096};
  HasherPool hashers_{{.prefix = "$y$", .cost = 1}};
  std::unique_ptr<io::Reactor> reactor_;
  std::unique_ptr<io::OffloadPool> pool_;
  std::vector<ChainLink> links_;
  std::unique_ptr<Chain> chain_;
};

TEST_F(ChainTest, TheFirstWhoKnowsTheNameAnswers) {
  ScriptedPort& first = Add(BackendOutcome::kUnknown);
  Add(BackendOutcome::kOk).account = "hers";
  ScriptedPort& third = Add(BackendOutcome::kOk);
  const BackendAnswer answer = Ask();
  EXPECT_EQ(answer.outcome, BackendOutcome::kOk);
  EXPECT_EQ(answer.principal.account, "hers");
  EXPECT_EQ(answer.asked_us, 10U);
  EXPECT_EQ(first.asked, 1);
  EXPECT_EQ(third.asked, 0);
  EXPECT_EQ(hashers_.computations(), 0U);
}

TEST_F(ChainTest, ATenantHasAChainOfItsOwn) {
  ScriptedPort& first = Add(BackendOutcome::kOk);
  ScriptedPort& second = Add(BackendOutcome::kUnknown);
  ScriptedPort& third = Add(BackendOutcome::kOk);
  third.account = "hers";
  configured_ = 1;
  Publish("b2,b3");
  EXPECT_EQ(Ask().principal.account, "hers");
  EXPECT_EQ(first.asked, 0);
  EXPECT_EQ(second.asked, 1);
  // Back to everybody's, which has the first one only.
  Publish("");
  EXPECT_EQ(Ask().principal.account, "account");
  EXPECT_EQ(first.asked, 1);
  EXPECT_EQ(third.asked, 1);
}

TEST_F(ChainTest, WhoIsNotEverybodysIsAskedForTenantsOnly) {
  Add(BackendOutcome::kUnknown);
  ScriptedPort& second = Add(BackendOutcome::kOk);
  configured_ = 1;
  EXPECT_EQ(Verify(), BackendOutcome::kUnknown);
  EXPECT_EQ(second.asked, 0);
}

TEST_F(ChainTest, WhereABackEndIsMissingNobodyIsUnknown) {
  ScriptedPort& first = Add(BackendOutcome::kUnknown);
  Publish("b1,gone");
  EXPECT_EQ(Verify(), BackendOutcome::kTemporary);
  EXPECT_EQ(Ask(Operation::kResolve).outcome, BackendOutcome::kTemporary);
  EXPECT_EQ(first.asked, 2);
  first.says = BackendOutcome::kOk;
  EXPECT_EQ(Verify(), BackendOutcome::kOk);
}

TEST_F(ChainTest, AWrongPasswordEndsTheSearch) {
  Add(BackendOutcome::kRefused);
  ScriptedPort& second = Add(BackendOutcome::kOk);
  EXPECT_EQ(Verify(), BackendOutcome::kRefused);
  EXPECT_EQ(second.asked, 0);
}

TEST_F(ChainTest, UnlessTheLinkSaysThatTheNextIsAsked) {
  Add(BackendOutcome::kRefused, /*next_after_refused=*/true);
  Add(BackendOutcome::kOk);
  EXPECT_EQ(Verify(), BackendOutcome::kOk);
}

TEST_F(ChainTest, RefusedByOneAndUnknownToTheOtherIsRefused) {
  Add(BackendOutcome::kRefused, /*next_after_refused=*/true);
  Add(BackendOutcome::kUnknown);
  EXPECT_EQ(Verify(), BackendOutcome::kRefused);
}

TEST_F(ChainTest, WhoCannotAnswerEndsTheSearch) {
  Add(BackendOutcome::kTemporary);
  ScriptedPort& second = Add(BackendOutcome::kOk);
  EXPECT_EQ(Verify(), BackendOutcome::kTemporary);
  EXPECT_EQ(Ask(Operation::kResolve).outcome, BackendOutcome::kTemporary);
  EXPECT_EQ(second.asked, 0);
}

TEST_F(ChainTest, OrTheNextIsAskedAndWhatNobodyKnowsIsNotUnknown) {
  Add(BackendOutcome::kTemporary, false, /*next_after_failed=*/true);
  ScriptedPort& second = Add(BackendOutcome::kUnknown);
  EXPECT_EQ(Verify(), BackendOutcome::kTemporary);
  EXPECT_EQ(Ask(Operation::kResolve).outcome, BackendOutcome::kTemporary);
  second.says = BackendOutcome::kOk;
  EXPECT_EQ(Verify(), BackendOutcome::kOk);
  second.says = BackendOutcome::kRefused;
  EXPECT_EQ(Verify(), BackendOutcome::kRefused);
}

TEST_F(ChainTest, ARefusalThatIsPassedOnDoesNotHideAFailure) {
  Add(BackendOutcome::kTemporary, false, /*next_after_failed=*/true);
  Add(BackendOutcome::kRefused, /*next_after_refused=*/true);
  Add(BackendOutcome::kUnknown);
  EXPECT_EQ(Verify(), BackendOutcome::kTemporary);
}

// And refused like anybody, at the same cost: it shows nobody that the domain is a tenant's.
TEST_F(ChainTest, WhoCannotDoItIsPassedOver) {
  ScriptedPort& first = Add(BackendOutcome::kOk);
  const BackendAnswer token = Ask(Operation::kVerifyToken);
  EXPECT_EQ(token.outcome, BackendOutcome::kRefused);
  EXPECT_EQ(token.reason, "no back end of the chain verifies tokens");
  first.can = {.resolve = true, .password = false};
  const BackendAnswer password = Ask(Operation::kVerifyPassword);
  EXPECT_EQ(password.outcome, BackendOutcome::kRefused);
  EXPECT_EQ(password.reason, "no back end of the chain verifies passwords");
  EXPECT_EQ(hashers_.computations(), 1U);
  const BackendAnswer verifier = Ask(Operation::kFetchVerifier);
  EXPECT_EQ(verifier.outcome, BackendOutcome::kRefused);
  EXPECT_EQ(verifier.reason, "no back end of the chain has verifiers");
  EXPECT_TRUE(ParseScramKeys(verifier.verifier.material.Reveal()).has_value());
  EXPECT_EQ(first.asked, 0);
}

// So that time does not tell who exists.
TEST_F(ChainTest, NobodyAndAWrongPasswordCostOneHash) {
  ScriptedPort& only = Add(BackendOutcome::kUnknown);
  EXPECT_EQ(Verify(), BackendOutcome::kUnknown);
  EXPECT_EQ(hashers_.computations(), 1U);
  only.says = BackendOutcome::kRefused;
  EXPECT_EQ(Verify(), BackendOutcome::kRefused);
  EXPECT_EQ(hashers_.computations(), 2U);
  only.computes = true;  // It did so itself.
  EXPECT_EQ(Verify(), BackendOutcome::kRefused);
  EXPECT_EQ(hashers_.computations(), 2U);
  EXPECT_EQ(Ask(Operation::kResolve).outcome, BackendOutcome::kRefused);
  EXPECT_EQ(hashers_.computations(), 2U) << "whose mail it is everybody may ask at once";
}

TEST_F(ChainTest, WhatABackEndHasStoredIsCompared) {
  ScriptedPort& only = Add(BackendOutcome::kOk);
  PasswordHasher hasher({.prefix = "$y$", .cost = 1});
  only.stored = *hasher.Hash(base::Secret("secret"));
  only.account = "hers";
  const BackendAnswer right = Ask();
  EXPECT_EQ(right.outcome, BackendOutcome::kOk);
  EXPECT_EQ(right.principal.account, "hers");
  const BackendAnswer wrong = Ask(Operation::kVerifyPassword, "Secret");
  EXPECT_EQ(wrong.outcome, BackendOutcome::kRefused);
  EXPECT_EQ(wrong.principal.account, "");
  EXPECT_EQ(hashers_.computations(), 2U) << "one each, whatever the verdict";
  only.stored = "no hash of any kind";
  EXPECT_EQ(Verify(), BackendOutcome::kTemporary);
}

TEST_F(ChainTest, WhoIsSwitchedOffIsToldAfterTheRightStoredPasswordOnly) {
  PasswordHasher hasher({.prefix = "$y$", .cost = 1});
  Add(BackendOutcome::kDisabled).stored = *hasher.Hash(base::Secret("secret"));
  EXPECT_EQ(Ask(Operation::kVerifyPassword, "wrong").outcome, BackendOutcome::kRefused);
  EXPECT_EQ(Ask(Operation::kVerifyPassword, "secret").outcome, BackendOutcome::kDisabled);
}

TEST_F(ChainTest, AnEmptyChainCanDoNothing) {
  EXPECT_EQ(Ask(Operation::kResolve).outcome, BackendOutcome::kUnsupported);
  EXPECT_EQ(Ask(Operation::kResolveLogin).outcome, BackendOutcome::kUnsupported);
  EXPECT_FALSE(chain_->CapabilitiesOf(std::nullopt).resolve);
}

class ChainOffersTest : public ChainTest {
 protected:
  void SetUp() override {
    ChainTest::SetUp();
    Add(BackendOutcome::kUnknown);  // Passwords, for everybody.
    Add(BackendOutcome::kOk).can = {.resolve = false, .token = true};
    Add(BackendOutcome::kOk).can = {.resolve = false, .verifiers = true, .clear_text = true};
    configured_ = 1;
    Verify();  // Makes the chain.
  }
  Capabilities Of(uint64_t tenant) { return chain_->CapabilitiesOf(TenantId(tenant)); }
  Capabilities OfAll() { return chain_->CapabilitiesOf(std::nullopt); }
};

TEST_F(ChainOffersTest, WhatATenantsChainCanDo) {
  EXPECT_TRUE(Of(1).password);
  EXPECT_FALSE(Of(1).token);
  Publish("b2,b3");
  EXPECT_FALSE(Of(1).password);
  EXPECT_FALSE(Of(1).resolve);
  EXPECT_TRUE(Of(1).token && Of(1).verifiers && Of(1).clear_text);
  // Others have the configured one.
  EXPECT_TRUE(Of(2).password && Of(2).resolve);
  EXPECT_FALSE(Of(2).token || Of(2).verifiers || Of(2).clear_text);
  Publish("b1,gone");
  EXPECT_TRUE(Of(1).password);
  EXPECT_FALSE(Of(1).token);
}

TEST_F(ChainOffersTest, WhatAnyChainCanDo) {
  EXPECT_TRUE(OfAll().password && OfAll().resolve);
  EXPECT_FALSE(OfAll().token || OfAll().verifiers);
  Publish("b2");
  EXPECT_TRUE(OfAll().password && OfAll().token);
  EXPECT_FALSE(OfAll().verifiers) << "nobody is asked for them";
  Publish("b3,gone");
  EXPECT_TRUE(OfAll().password && OfAll().verifiers && OfAll().clear_text);
  EXPECT_FALSE(OfAll().token);
  Publish("");
  EXPECT_FALSE(OfAll().verifiers);
}

// An issuer in one tenant's chain vouches for nobody else.
TEST_F(ChainTest, TokensAreTheTenantsOwnIssuers) {
  ScriptedPort& everybodys = Add(BackendOutcome::kOk);
  ScriptedPort& acmes = Add(BackendOutcome::kOk);
  everybodys.can = acmes.can = {.resolve = false, .token = true};
  configured_ = 1;
  Publish("b2");
  EXPECT_EQ(Ask(Operation::kVerifyToken, "token").outcome, BackendOutcome::kOk);
  EXPECT_EQ(everybodys.asked, 0);
  EXPECT_EQ(acmes.asked, 1);
  Publish("");
  EXPECT_EQ(Ask(Operation::kVerifyToken, "token").outcome, BackendOutcome::kOk);
  EXPECT_EQ(everybodys.asked, 1);
  EXPECT_EQ(acmes.asked, 1);
}

// RFC 7677 §3's "pencil".
constexpr char kKeys[] =
    "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:"
    "wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=";

TEST_F(ChainTest, VerifiersAreWhatIsStored) {
  ScriptedPort& port = Add(BackendOutcome::kOk);
  port.can.verifiers = true;
  port.stored = kKeys;
  const BackendAnswer answer = Ask(Operation::kFetchVerifier);
  EXPECT_EQ(answer.outcome, BackendOutcome::kOk);
  EXPECT_EQ(answer.verifier.material.Reveal(), kKeys);
  port.says = BackendOutcome::kDisabled;
  const BackendAnswer disabled = Ask(Operation::kFetchVerifier);
  EXPECT_EQ(disabled.outcome, BackendOutcome::kDisabled) << "told after the proof";
  EXPECT_EQ(disabled.verifier.material.Reveal(), kKeys);
  port.says = BackendOutcome::kTemporary;
  EXPECT_EQ(Ask(Operation::kFetchVerifier).outcome, BackendOutcome::kTemporary);
}

// Or who was switched off in a directory would come in by a password that it does not know.
TEST_F(ChainTest, KeysBehindALinkThatKnowsTheNameAreNotItsOwn) {
  ScriptedPort& first = Add(BackendOutcome::kOk);
  ScriptedPort& second = Add(BackendOutcome::kOk);
  second.can.verifiers = true;
  second.stored = kKeys;
  for (const BackendOutcome known : {BackendOutcome::kOk, BackendOutcome::kDisabled}) {
    first.says = known;
    const BackendAnswer answer = Ask(Operation::kFetchVerifier);
    EXPECT_EQ(answer.outcome, BackendOutcome::kRefused);
    EXPECT_NE(answer.verifier.material.Reveal(), kKeys);
    EXPECT_FALSE(answer.verifier.material.empty()) << "somebody's, who is nobody";
    EXPECT_EQ(answer.reason, "b1 has the name, and nothing for SCRAM-SHA-256");
  }
  EXPECT_EQ(first.last.operation, Operation::kResolve);
  EXPECT_EQ(first.last.mechanism, "") << "nobody has logged in by it";
  first.can.resolve = false;
  EXPECT_EQ(Ask(Operation::kFetchVerifier).outcome, BackendOutcome::kRefused) << "it may know it";
  first.can.resolve = true;
  first.says = BackendOutcome::kTemporary;
  EXPECT_EQ(Ask(Operation::kFetchVerifier).outcome, BackendOutcome::kTemporary);
  EXPECT_EQ(second.asked, 0);
  first.says = BackendOutcome::kUnknown;
  EXPECT_EQ(Ask(Operation::kFetchVerifier).verifier.material.Reveal(), kKeys);
}

TEST_F(ChainTest, UnlessThatLinkSaysThatTheNextIsAsked) {
  ScriptedPort& first = Add(BackendOutcome::kOk, /*next_after_refused=*/true, true);
  ScriptedPort& second = Add(BackendOutcome::kOk);
  second.can.verifiers = true;
  second.stored = kKeys;
  for (const BackendOutcome says : {BackendOutcome::kOk, BackendOutcome::kTemporary}) {
    first.says = says;
    EXPECT_EQ(Ask(Operation::kFetchVerifier).verifier.material.Reveal(), kKeys);
  }
  second.says = BackendOutcome::kUnknown;
  EXPECT_EQ(Ask(Operation::kFetchVerifier).outcome, BackendOutcome::kTemporary);
}

TEST_F(ChainTest, WhoHasNoKeysOfANameIsAskedWhetherItIsHis) {
  ScriptedPort& first = Add(BackendOutcome::kOk);
  first.can.verifiers = first.lacks_verifiers = true;
  ScriptedPort& second = Add(BackendOutcome::kOk);
  second.can.verifiers = true;
  second.stored = kKeys;
  EXPECT_EQ(Ask(Operation::kFetchVerifier).outcome, BackendOutcome::kRefused);
  EXPECT_EQ(first.asked, 2);
  EXPECT_EQ(second.asked, 0);
  first.says = BackendOutcome::kUnknown;
  EXPECT_EQ(Ask(Operation::kFetchVerifier).verifier.material.Reveal(), kKeys);
}

TEST_F(ChainTest, WhoHasNoKeysLooksAsIfHeHad) {
  ScriptedPort& port = Add(BackendOutcome::kUnknown);
  port.can.verifiers = true;
  const auto fetch = [&] {
    BackendAnswer answer = Ask(Operation::kFetchVerifier);
    EXPECT_EQ(answer.outcome, BackendOutcome::kRefused);
    return *ParseScramKeys(answer.verifier.material.Reveal());
  };
  const ScramKeys nobodys = fetch();
  EXPECT_EQ(nobodys.iterations, 4096U);
  EXPECT_EQ(nobodys.salt.size(), 16U);
  EXPECT_EQ(fetch(), nobodys) << "the same each time";
  port.says = BackendOutcome::kOk;
  for (const char* stored : {"", "$6$saltstring$AIsRs", "{PLAIN}pencil", "SCRAM-SHA-1$x"}) {
    port.stored = stored;
    EXPECT_EQ(fetch(), nobodys) << stored;
  }
  mechanism_ = "SCRAM-SHA-1";
  port.stored = kKeys;
  const ScramKeys sha1 = fetch();
  EXPECT_EQ(sha1.hash, ScramHash::kSha1) << "keys of the other hash are none";
  EXPECT_NE(sha1.salt, nobodys.salt);
  EXPECT_EQ(sha1.stored_key.size(), 20U);
}

TEST_F(ChainTest, KeysAreMadeOfClearTextWhereThatIsAllowed) {
  ScriptedPort& port = Add(BackendOutcome::kOk);
  port.can.verifiers = port.can.clear_text = true;
  port.stored = "{PLAIN}pencil";
  const BackendAnswer answer = Ask(Operation::kFetchVerifier);
  EXPECT_EQ(answer.outcome, BackendOutcome::kOk);
  const base::Secret right("pencil");
  const base::Secret wrong("pencils");
  EXPECT_EQ(hashers_.Verify(answer.verifier.material.Reveal(), right), HashVerdict::kMatch);
  EXPECT_EQ(hashers_.Verify(answer.verifier.material.Reveal(), wrong), HashVerdict::kMismatch);
  EXPECT_TRUE(answer.computed);
  // The challenge of somebody who is not there: the same salt and count.
  const ScramKeys made = *ParseScramKeys(answer.verifier.material.Reveal());
  port.says = BackendOutcome::kUnknown;
  const BackendAnswer nobody = Ask(Operation::kFetchVerifier);
  EXPECT_EQ(nobody.outcome, BackendOutcome::kRefused);
  EXPECT_TRUE(nobody.computed) << "costs as much";
  const ScramKeys decoy = *ParseScramKeys(nobody.verifier.material.Reveal());
  EXPECT_EQ(decoy.salt, made.salt);
  EXPECT_EQ(decoy.iterations, made.iterations);
  EXPECT_NE(decoy.stored_key, made.stored_key);
  mechanism_ = "APOP";
  port.says = BackendOutcome::kOk;
  EXPECT_EQ(Ask(Operation::kFetchVerifier).verifier.material.Reveal(), "pencil");
  port.says = BackendOutcome::kUnknown;
  const BackendAnswer no_apop = Ask(Operation::kFetchVerifier);
  EXPECT_EQ(no_apop.outcome, BackendOutcome::kRefused);
  EXPECT_FALSE(no_apop.verifier.material.empty());
}

TEST_F(ChainTest, WhoCannotResolveIsNotAskedForAddresses) {
  ScriptedPort& tokens = Add(BackendOutcome::kTemporary);
  tokens.can = {.resolve = false, .token = true};
  Add(BackendOutcome::kOk).account = "hers";
  EXPECT_EQ(Ask(Operation::kResolve).principal.account, "hers");
  EXPECT_EQ(Ask(Operation::kResolveLogin).principal.account, "hers");
  EXPECT_EQ(tokens.asked, 0);
}

}  // namespace
}  // namespace poplar::auth
