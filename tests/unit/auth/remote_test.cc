// Back ends in auth hosts, over real processes that run a plug-in which does what it is told.

#include <signal.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "auth/remote/remote_backends.h"
#include "tests/unit/auth/service_fixture.h"

namespace poplar::auth {
namespace {

std::string PluginPath(const std::string& name) {
  return std::string(PLUGINS) + "/" + name + ".so";
}

// The children of this process that are auth hosts.
std::vector<pid_t> Hosts() {
  std::vector<pid_t> hosts;
  const std::string path = "/proc/self/task";
  for (const auto& task : std::filesystem::directory_iterator(path)) {
    std::ifstream children(task.path() / "children");
    for (pid_t pid = 0; children >> pid;) hosts.push_back(pid);
  }
  return hosts;
}

class RemoteTest : public ServiceFixture {
 protected:
  RemoteTest() {
    TenantPolicies tenants;
    TenantPolicies::Domain acme;
    acme.tenant = TenantId(1);
    acme.name = "acme";
    acme.maildrop_quota.octets = 12'345;
    tenants.by_domain["acme.example"] = acme;
    TenantPolicies::Domain other = acme;
    other.tenant = TenantId(2);
    other.name = "other";
    tenants.by_domain["other.example"] = other;
    acme.enabled = false;
    tenants.by_domain["closed.example"] = acme;
    board_.Publish(std::make_shared<TenantPolicies>(std::move(tenants)));
    remote_options_.executable = AUTH_HOST;
    remote_options_.threads = 4;
    // Nothing but what a test asks for.
    remote_options_.breaker = {.failures_max = 1000};
    options_.password_cache_ttl_ms = 0;
    options_.resolve_cache_ttl_ms = 0;
  }
  ~RemoteTest() override {
    service_.reset();
    remote_.reset();
  }

  Status StartRemote(std::vector<RemoteBackendSpec> specs) {
    auto remote = RemoteBackends::Start(remote_options_, std::move(specs), *shards_, board_);
    if (!remote.ok()) return remote.status();
    remote_ = std::move(*remote);
    remote_->Register(registry_);
    return OkStatus();
  }
  void Start(std::vector<RemoteBackendSpec> specs) {
    std::vector<BackendSource> chain;
    for (const RemoteBackendSpec& spec : specs) {
      BackendSource source;
      source.make_port = [this, name = spec.name](io::Shard& shard) {
        return remote_->MakePort(name, shard);
      };
      chain.push_back(std::move(source));
    }
    const Status started = StartRemote(std::move(specs));
    ASSERT_TRUE(started.ok()) << started;
    StartService(std::move(chain));
  }
  void StartTrouble() {
    Start({{.name = "trouble", .plugin = PluginPath("trouble"), .settings = {}}});
  }

  PolicyBoard board_;
  RemoteBackendsOptions remote_options_;
  std::unique_ptr<RemoteBackends> remote_;
};

TEST_F(RemoteTest, AnswersComeWithTheDomainsTenant) {
  StartTrouble();
  for (const ShardIndex shard : {kFirst, kSecond}) {
    const AuthResult result = Login(shard, "OK@Acme.Example", "secret");
    ASSERT_EQ(result.outcome, Outcome::kOk) << result.reason;
    EXPECT_EQ(result.principal.tenant, TenantId(1));
    EXPECT_EQ(result.principal.tenant_name, "acme");
    EXPECT_EQ(result.principal.account, "of ok@acme.example");
    EXPECT_EQ(result.principal.address, "ok@acme.example");
    EXPECT_EQ(result.principal.quota.octets, 12'345U);
    EXPECT_EQ(result.principal.quota.messages, 7U);
  }
  EXPECT_EQ(Login(kFirst, "ok@acme.example", "Secret").outcome, Outcome::kRefused);
  EXPECT_EQ(Login(kFirst, "nobody@acme.example", "secret").outcome, Outcome::kRefused);
  EXPECT_EQ(Login(kFirst, "off@acme.example", "secret").outcome, Outcome::kDisabled);
  EXPECT_EQ(Resolve(kFirst, "ok@acme.example").outcome, ResolveOutcome::kFound);
  EXPECT_EQ(Resolve(kFirst, "nobody@acme.example").outcome, ResolveOutcome::kUnknown);
  EXPECT_EQ(Metric("poplar_backend_waiting"), 0);
}

TEST_F(RemoteTest, DomainsOfNoTenantAreNotAskedFor) {
  StartTrouble();
  EXPECT_EQ(Login(kFirst, "ok@elsewhere.example", "secret").outcome, Outcome::kRefused);
  EXPECT_EQ(Login(kFirst, "ok", "secret").outcome, Outcome::kRefused);
  EXPECT_EQ(Resolve(kFirst, "ok@elsewhere.example").outcome, ResolveOutcome::kUnknown);
  EXPECT_EQ(Metric("poplar_backend_answers_total"), 0);
  EXPECT_EQ(Login(kFirst, "ok@closed.example", "secret").outcome, Outcome::kDisabled);
}

TEST_F(RemoteTest, StoredPasswordsAreComparedHere) {
  StartTrouble();
  const AuthResult right = Login(kFirst, "stored@acme.example", "secret");
  EXPECT_EQ(right.outcome, Outcome::kOk) << right.reason;
  EXPECT_EQ(right.principal.account, "of stored@acme.example");
  EXPECT_EQ(Login(kFirst, "stored@acme.example", "wrong").outcome, Outcome::kRefused);
  // Who or what is switched off is told to those who know the password.
  for (const char* off : {"offstored@acme.example", "stored@closed.example"}) {
    EXPECT_EQ(Login(kFirst, off, "wrong").outcome, Outcome::kRefused) << off;
    EXPECT_EQ(Login(kFirst, off, "secret").outcome, Outcome::kDisabled) << off;
  }
  EXPECT_EQ(Resolve(kFirst, "stored@acme.example").outcome, ResolveOutcome::kFound);
}

TEST_F(RemoteTest, LiesAreTemporaryFaults) {
  StartTrouble();
  for (const char* user : {"lie", "longlie", "strange", "down"}) {
    EXPECT_EQ(Login(kFirst, std::string(user) + "@acme.example", "secret").outcome,
              Outcome::kTemporary)
        << user;
    EXPECT_EQ(Resolve(kFirst, std::string(user) + "@acme.example").outcome,
              ResolveOutcome::kTemporary)
        << user;
  }
}

TEST_F(RemoteTest, ACrashedHostIsStartedAnew) {
  StartTrouble();
  const AuthResult crashed = Login(kFirst, "crash@acme.example", "secret");
  EXPECT_EQ(crashed.outcome, Outcome::kTemporary);
  // Who comes before its end is noticed is answered as a failure, who comes later waits for the
  // next.
  for (const ShardIndex shard : {kFirst, kSecond}) {
    EXPECT_TRUE(Eventually(
        [&] { return Login(shard, "ok@acme.example", "secret").outcome == Outcome::kOk; }));
  }
  EXPECT_EQ(Metric("poplar_auth_host_restarts_total"), 1);
}

TEST_F(RemoteTest, AKilledHostIsStartedAnew) {
  StartTrouble();
  for (int round = 1; round <= 3; ++round) {
    const std::vector<pid_t> hosts = Hosts();
    ASSERT_EQ(hosts.size(), 1U);
    ASSERT_EQ(::kill(hosts[0], SIGKILL), 0);
    // What was with it just then is answered as a failure; what comes later waits for the next.
    EXPECT_TRUE(Eventually(
        [&] { return Login(kFirst, "ok@acme.example", "secret").outcome == Outcome::kOk; }));
    EXPECT_TRUE(Eventually([&] { return Metric("poplar_auth_host_restarts_total") == round; }));
  }
}

TEST_F(RemoteTest, AHostThatHangsIsReplaced) {
  options_.deadline_ms = 200;
  StartTrouble();
  // Each shard may lose one of its two places before it asks for another host.
  const AuthResult hung = Login(kFirst, "hang@acme.example", "secret");
  EXPECT_EQ(hung.outcome, Outcome::kTemporary);
  EXPECT_TRUE(Eventually([&] { return Metric("poplar_auth_host_restarts_total") == 1; }));
  EXPECT_TRUE(Eventually(
      [&] { return Login(kFirst, "ok@acme.example", "secret").outcome == Outcome::kOk; }));
  EXPECT_EQ(Metric("poplar_backend_late_total"), 1);
}

TEST_F(RemoteTest, AFrozenHostIsReplaced) {
  options_.deadline_ms = 200;
  StartTrouble();
  const std::vector<pid_t> hosts = Hosts();
  ASSERT_EQ(hosts.size(), 1U);
  ASSERT_EQ(::kill(hosts[0], SIGSTOP), 0);
  EXPECT_EQ(Login(kFirst, "ok@acme.example", "secret").outcome, Outcome::kTemporary);
  EXPECT_TRUE(Eventually(
      [&] { return Login(kFirst, "ok@acme.example", "secret").outcome == Outcome::kOk; }));
  EXPECT_NE(Hosts(), hosts);
}

TEST_F(RemoteTest, AHostThatLeaksIsReplaced) {
  remote_options_.host_bytes_max = 100 << 20;
  StartTrouble();
  for (int i = 0; i < 3; ++i) Login(kFirst, "leak@acme.example", "secret");
  EXPECT_TRUE(Eventually([&] { return Metric("poplar_auth_host_restarts_total") >= 1; }));
  EXPECT_TRUE(Eventually(
      [&] { return Login(kFirst, "ok@acme.example", "secret").outcome == Outcome::kOk; }));
}

// One back end's questions that hang leave places to another's of the same host.
TEST_F(RemoteTest, ABackEndThatHangsLeavesRoomForTheOthers) {
  remote_options_.threads = 8;
  options_.deadline_ms = 3'000;
  Start({{.name = "good", .plugin = PluginPath("trouble"), .settings = {{"only", "ok"}}},
         {.name = "bad", .plugin = PluginPath("trouble"), .settings = {}}});
  std::vector<std::unique_ptr<Asking<AuthResult>>> hung;
  for (int i = 0; i < 12; ++i) {
    hung.push_back(StartLogin(kFirst, "hang@acme.example", "secret " + std::to_string(i)));
  }
  EXPECT_EQ(Login(kFirst, "ok@acme.example", "secret").outcome, Outcome::kOk);
  EXPECT_EQ(Login(kSecond, "ok@acme.example", "secret").outcome, Outcome::kOk);
  for (auto& asked : hung) EXPECT_EQ(asked->Get().outcome, Outcome::kTemporary);
}

TEST_F(RemoteTest, WhoFailsTooOftenIsLeftAlone) {
  remote_options_.breaker = {.failures_max = 3, .pause_us = 60'000'000, .pause_us_max = 60'000'000};
  StartTrouble();
  for (int i = 0; i < 10; ++i) {
    EXPECT_EQ(Resolve(kFirst, "down@acme.example").outcome, ResolveOutcome::kTemporary);
  }
  EXPECT_EQ(Metric("poplar_backend_not_asked_total"), 7);
  EXPECT_EQ(Metric("poplar_backend_breaker"), 2);
  // Not "unknown": nobody can tell.
  EXPECT_EQ(Resolve(kFirst, "nobody@acme.example").outcome, ResolveOutcome::kTemporary);
}

TEST_F(RemoteTest, WhatIsUnfitIsAFaultAtTheStart) {
  const auto fault = [&](const std::string& plugin, PluginSettings settings = {}) {
    const Status status =
        StartRemote({{.name = "wrong", .plugin = plugin, .settings = std::move(settings)}});
    EXPECT_EQ(status.code(), StatusCode::kInvalidArgument);
    return std::string(Message(status));
  };
  EXPECT_NE(
      fault("/nowhere/at-all.so").find("wrong: the plug-in /nowhere/at-all.so cannot be loaded"),
      std::string::npos);
  EXPECT_NE(fault(PluginPath("no_plugin")).find("does not export `poplar_plugin_entry`"),
            std::string::npos);
  EXPECT_NE(fault(PluginPath("trouble_of_version_99")).find("is of interface version 99"),
            std::string::npos);
  EXPECT_NE(fault(PluginPath("trouble"), {{"refuse", "no such server"}})
                .find("wrong: refused: no such server"),
            std::string::npos);
  EXPECT_TRUE(Hosts().empty());
}

TEST_F(RemoteTest, WithoutItsProgramItSaysSo) {
  remote_options_.executable = "/nowhere/poplar";
  const Status status =
      StartRemote({{.name = "x", .plugin = PluginPath("trouble"), .settings = {}}});
  EXPECT_NE(Message(status).find("starting an auth host"), std::string::npos) << status;
}

TEST_F(RemoteTest, AFailureNamesItsBackEnd) {
  StartTrouble();
  EXPECT_EQ(Resolve(kFirst, "down@acme.example").reason, "trouble: the directory is down");
  EXPECT_EQ(Resolve(kFirst, "mute@acme.example").reason, "trouble: it gives no reason");
  EXPECT_EQ(Login(kFirst, "mute@acme.example", "secret").reason, "trouble: it gives no reason");
}

TEST_F(RemoteTest, VerifiersAreWhatThePluginHasStored) {
  StartTrouble();
  const auto fetch = [&](const std::string& user, const std::string& mechanism) {
    return Asking<VerifierResult>(*shards_, kFirst,
                                  [&](io::Completion<VerifierResult>& done) {
                                    service_->OnShard(kFirst).FetchVerifier(user, mechanism, {},
                                                                            done);
                                  })
        .Get();
  };
  const VerifierResult found = fetch("ok@acme.example", "SCRAM-SHA-256");
  EXPECT_EQ(found.outcome, Outcome::kOk) << found.reason;
  EXPECT_EQ(found.principal.account, "of ok@acme.example");
  EXPECT_TRUE(found.verifier.material.Reveal().starts_with("SCRAM-SHA-256$4096:W22ZaJ0"));
  const VerifierResult closed = fetch("ok@closed.example", "SCRAM-SHA-256");
  EXPECT_EQ(closed.outcome, Outcome::kDisabled) << "told after the proof";
  EXPECT_TRUE(closed.verifier.material.Reveal().starts_with("SCRAM-SHA-256$4096:W22ZaJ0"));
  for (const VerifierResult& decoy :
       {fetch("ok@acme.example", "SCRAM-SHA-1"), fetch("nobody@acme.example", "SCRAM-SHA-256"),
        fetch("ok@elsewhere.example", "SCRAM-SHA-256")}) {
    EXPECT_EQ(decoy.outcome, Outcome::kRefused);
    EXPECT_FALSE(decoy.verifier.material.empty());
  }
  EXPECT_EQ(fetch("down@acme.example", "SCRAM-SHA-256").outcome, Outcome::kTemporary);
}

TEST_F(RemoteTest, ACrowdOfOneTenantHoldsUpNoOther) {
  remote_options_.slow_us = 1'000;
  options_.deadline_ms = 60'000;
  StartTrouble();
  EXPECT_EQ(Login(kFirst, "ok@other.example", "secret").outcome, Outcome::kOk);
  // 20 questions of 300 ms each, one at a time: 6 s.
  std::vector<std::unique_ptr<Asking<AuthResult>>> crowd;
  for (int i = 0; i < 20; ++i) {
    crowd.push_back(StartLogin(kFirst, "slow@acme.example", "wrong" + std::to_string(i),
                               "192.0.2." + std::to_string(i + 1)));
  }
  ASSERT_TRUE(Eventually([&] { return Metric("poplar_backend_waiting") >= 10; }));
  // Several names, as half of them are at home on the other shard.
  for (const char* user : {"ok", "stored", "a", "b", "c", "d", "e"}) {
    Login(kFirst, std::string(user) + "@other.example", "secret");
  }
  EXPECT_GT(Metric("poplar_backend_waiting"), 0) << "the crowd waits still";
  for (const auto& one : crowd) EXPECT_EQ(one->Get().outcome, Outcome::kRefused);
}

TEST_F(RemoteTest, TokensOfAccountsThatOthersKnow) {
  StartTrouble();
  const auto verify = [&](const std::string& user, const std::string& token) {
    return Asking<AuthResult>(*shards_, kSecond,
                              [&](io::Completion<AuthResult>& done) {
                                service_->OnShard(kSecond).VerifyToken(user, base::Secret(token),
                                                                       {}, done);
                              })
        .Get();
  };
  EXPECT_EQ(verify("ok@acme.example", "secret").principal.account, "of ok@acme.example");
  EXPECT_EQ(verify("ok@acme.example", "secrets").outcome, Outcome::kRefused);
  // Good, and the account is found by RESOLVE.
  EXPECT_EQ(verify("token@acme.example", "any").principal.account, "of token@acme.example");
  EXPECT_EQ(verify("lie@acme.example", "any").outcome, Outcome::kTemporary) << "nor there";
}

TEST_F(RemoteTest, WhoLogsInWithoutAPasswordIsAskedAboutAsSuch) {
  StartTrouble();
  const auto resolve = [&](const std::string& user) {
    return Asking<AuthResult>(*shards_, kFirst,
                              [&](io::Completion<AuthResult>& done) {
                                service_->OnShard(kFirst).ResolveLogin(user, {}, done);
                              })
        .Get()
        .outcome;
  };
  EXPECT_EQ(resolve("ok@acme.example"), Outcome::kOk);
  EXPECT_EQ(resolve("mailonly@acme.example"), Outcome::kDisabled);
  EXPECT_EQ(Resolve(kFirst, "mailonly@acme.example").outcome, ResolveOutcome::kFound);
  EXPECT_EQ(resolve("ok@closed.example"), Outcome::kDisabled);
  EXPECT_EQ(resolve("nobody@acme.example"), Outcome::kRefused);
}

}  // namespace
}  // namespace poplar::auth
