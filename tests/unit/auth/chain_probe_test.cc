// What a probe says of each link, and whose word a client would hear.

#include "auth/service/chain_probe.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/io/reactor.h"

namespace poplar::auth {
namespace {

// Of "secret", as `openssl passwd -6` makes it.
constexpr char kStored[] =
    "$6$saltstring$AIsRs/Ee56G/tC8MEHhvReZTfx8u3rXXMl6eYrjCG9ibix19DxoMBLogdTET5Ukw9Sf7eZTITsuk0Ry5"
    "qulYz.";

class ProbedPort final : public BackendPort {
 public:
  explicit ProbedPort(std::string called) : called_(std::move(called)) {}

  std::string_view name() const override { return called_; }
  Capabilities capabilities() const override { return can; }
  void Ask(BackendCall& call) override {
    ++asked;
    call.answer.outcome = says;
    if (call.question.operation == Operation::kVerifyPassword) {
      call.answer.stored_password = base::Secret(stored);
    }
    call.Answered();
  }
  bool idle() const override { return true; }

  Capabilities can{.resolve = true, .password = true};
  BackendOutcome says = BackendOutcome::kUnknown;
  std::string stored;
  int asked = 0;

 private:
  const std::string called_;
};

class ChainProbeTest : public testing::Test {
 protected:
  void SetUp() override {
    auto reactor = io::Reactor::Create({});
    ASSERT_TRUE(reactor.ok()) << reactor.status();
    reactor_ = std::move(*reactor);
  }

  ProbedPort& Add(BackendOutcome says, bool next_after_refused = false,
                  bool next_after_failed = false) {
    auto port = std::make_unique<ProbedPort>("b" + std::to_string(links_.size() + 1));
    ProbedPort& added = *port;
    added.says = says;
    links_.push_back({.port = std::move(port),
                      .next_after_refused = next_after_refused,
                      .next_after_failed = next_after_failed});
    return added;
  }
  std::vector<LinkReport> Probe(std::string_view password) {
    const size_t count = links_.size();
    Chain chain(std::move(links_), count, nullptr, hashers_, verifiers_, pool_, *reactor_);
    std::vector<LinkReport> reports;
    bool ended = false;
    ChainProbe probe(chain, "bob@example.org", {.secret = base::Secret(password)},
                     /*deadline_ms=*/20'000, [&](ChainProbe& ending) {
                       reports = std::move(ending.reports());
                       ended = true;
                     });
    probe.Begin();
    for (int i = 0; i < 2000 && !ended; ++i) reactor_->Turn(10);
    EXPECT_TRUE(ended);
    while (!chain.idle()) reactor_->Turn(10);
    return reports;
  }
  // Who decides about the password, and how: "b2 ok"; "": nobody.
  std::string Decider(std::string_view password = "secret") {
    std::string decider;
    for (const LinkReport& report : Probe(password)) {
      if (report.probed != Probed::kPassword || !report.decides) continue;
      EXPECT_EQ(decider, "") << "two decide";
      decider = report.backend + " " + std::string(Name(report.outcome));
    }
    return decider;
  }

  const VerifierMaker verifiers_{/*scram_iterations=*/4096};
  HasherPool hashers_{{.prefix = "$y$", .cost = 1}};
  std::unique_ptr<io::Reactor> reactor_;
  // Ends before the reactor, which its thread may still be waking.
  io::OffloadPool pool_{{.name = "hash", .threads = 1}};
  std::vector<ChainLink> links_;
};

TEST_F(ChainProbeTest, TheFirstWhoKnowsTheNameDecides) {
  Add(BackendOutcome::kUnknown);
  Add(BackendOutcome::kRefused);
  Add(BackendOutcome::kOk);
  EXPECT_EQ(Decider(), "b2 refused");
}

TEST_F(ChainProbeTest, ALinkMayLeaveItToTheNext) {
  Add(BackendOutcome::kRefused, /*next_after_refused=*/true);
  Add(BackendOutcome::kOk);
  EXPECT_EQ(Decider(), "b2 ok");
  Add(BackendOutcome::kTemporary, false, /*next_after_failed=*/true);
  Add(BackendOutcome::kOk);
  EXPECT_EQ(Decider(), "b2 ok");
  Add(BackendOutcome::kRefused, /*next_after_refused=*/true);
  Add(BackendOutcome::kUnknown);
  EXPECT_EQ(Decider(), "b1 refused");
  // Whom the first would have known is nobody further down.
  Add(BackendOutcome::kTemporary, false, /*next_after_failed=*/true);
  Add(BackendOutcome::kUnknown);
  EXPECT_EQ(Decider(), "b1 temporary");
}

TEST_F(ChainProbeTest, NobodyKnowsTheName) {
  Add(BackendOutcome::kUnknown);
  Add(BackendOutcome::kUnknown);
  EXPECT_EQ(Decider(), "b1 unknown");
  Add(BackendOutcome::kOk).can.password = false;
  EXPECT_EQ(Decider(), "") << "nobody can be asked";
}

TEST_F(ChainProbeTest, WhoIsSwitchedOffIsToldAfterTheRightPasswordOnly) {
  Add(BackendOutcome::kDisabled).stored = kStored;
  EXPECT_EQ(Decider("secret"), "b1 disabled");
  Add(BackendOutcome::kDisabled).stored = kStored;
  EXPECT_EQ(Decider("wrong"), "b1 refused");
}

TEST_F(ChainProbeTest, NobodyIsAskedWhatHeDoesNotOffer) {
  ProbedPort& tokens = Add(BackendOutcome::kOk);
  tokens.can = {.resolve = false, .token = true};
  const std::vector<LinkReport> reports = Probe("");
  ASSERT_EQ(reports.size(), 1U);
  EXPECT_EQ(reports[0].outcome, BackendOutcome::kUnsupported);
  EXPECT_EQ(reports[0].reason, "it cannot look up addresses");
}

}  // namespace
}  // namespace poplar::auth
