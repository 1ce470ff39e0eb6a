// Back ends in auth hosts, over real processes that run a plug-in which does what it is told.

#include <signal.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "auth/host/line_allowance.h"
#include "tests/unit/auth/remote_fixture.h"
#include "tests/unit/auth/temp_dir.h"

namespace poplar::auth {
namespace {

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
  for (const char* user : {"lie", "longlie", "strange", "quota", "down"}) {
    EXPECT_EQ(Login(kFirst, std::string(user) + "@acme.example", "secret").outcome,
              Outcome::kTemporary)
        << user;
    EXPECT_EQ(Resolve(kFirst, std::string(user) + "@acme.example").outcome,
              ResolveOutcome::kTemporary)
        << user;
  }
  EXPECT_EQ(Login(kFirst, "quota@acme.example", "secret").reason,
            "trouble: the plug-in gave field 3, a quota, what is no number");
  EXPECT_EQ(Login(kFirst, "again@acme.example", "secret").principal.quota.octets, 12'345U);
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

// What it was asked is answered first, and who comes then waits for the next.
TEST_F(RemoteTest, AReplacedFileLosesNoQuestion) {
  const TempDir dir;
  const std::string plugin = dir.File("trouble.so");
  std::filesystem::copy_file(PluginPath("trouble"), plugin);
  Start({{.name = "trouble", .plugin = plugin, .settings = {}}});
  for (int round = 0; round < 2; ++round) {
    const std::vector<pid_t> before = Hosts();
    std::filesystem::copy_file(PluginPath("trouble"), dir.File("new.so"));
    std::filesystem::rename(dir.File("new.so"), plugin);
    EXPECT_TRUE(Eventually([&] {
      for (const ShardIndex shard : {kFirst, kSecond}) {
        EXPECT_EQ(Login(shard, "ok@acme.example", "secret").outcome, Outcome::kOk);
      }
      const std::vector<pid_t> now = Hosts();
      return now.size() == 1 && now != before;
    }));
  }
  EXPECT_EQ(Login(kFirst, "ok@acme.example", "secret").outcome, Outcome::kOk);
  EXPECT_EQ(Metric("poplar_auth_host_restarts_total"), 0);
}

// One that dies at the start, before its metrics are there.
TEST_F(RemoteTest, AHostThatIsGoneHasItsMetrics) {
  const TempDir dir;
  const std::string plugin = dir.File("trouble.so");
  std::filesystem::copy_file(PluginPath("trouble"), plugin);
  Start({{.name = "trouble", .plugin = plugin, .settings = {}}});
  std::filesystem::remove(plugin);  // So that there is no next one.
  const std::vector<pid_t> hosts = Hosts();
  ASSERT_EQ(hosts.size(), 1U);
  ASSERT_EQ(::kill(hosts[0], SIGKILL), 0);
  ASSERT_TRUE(Eventually([&] { return Metric("poplar_auth_host_restarts_total") > 0; }));
  base::MetricRegistry registry;
  remote_->Register(registry);
  const auto entries = registry.Entries();
  const auto restarts = std::ranges::find(entries, "poplar_auth_host_restarts_total",
                                          &base::MetricRegistry::Entry::name);
  ASSERT_NE(restarts, entries.end());
  EXPECT_EQ(restarts->labels.front().second, "trouble");
}

class DeadlineTest : public RemoteTest {
 public:
  static constexpr uint32_t kHourMs = 3'600'000;

 protected:
  DeadlineTest() : RemoteTest(1) { remote_options_.threads = 1; }

  // What the plug-in was told of it: 0, where it was not asked.
  static uint64_t Told(const AuthResult& result) {
    return std::strtoull(result.principal.account.c_str(), nullptr, 10);
  }
};

class ConfiguredDeadlineTest : public DeadlineTest, public testing::WithParamInterface<uint32_t> {};

TEST_P(ConfiguredDeadlineTest, IsTold) {
  options_.deadline_ms = GetParam();
  StartTrouble();
  const uint64_t told_ms = Told(Login(kFirst, "deadline@acme.example", "secret"));
  EXPECT_LE(told_ms, GetParam());
  EXPECT_GT(told_ms, GetParam() - kHourMs / 2);
}

INSTANTIATE_TEST_SUITE_P(Hours, ConfiguredDeadlineTest,
                         testing::Values(DeadlineTest::kHourMs, 2 * DeadlineTest::kHourMs));

TEST_F(DeadlineTest, HasLostWhatAQuestionWaited) {
  constexpr auto kHeld = std::chrono::milliseconds(600);
  const TempDir directory;
  const std::string hold = directory.File("hold");
  std::ofstream(hold).put('x');
  options_.deadline_ms = kHourMs;
  StartTrouble({{"hold", hold}});
  const auto first = StartLogin(kFirst, "hold@acme.example", "secret");
  const auto second = StartLogin(kFirst, "deadline@acme.example", "secret");
  ASSERT_TRUE(Eventually([&] { return Metric("poplar_backend_waiting") == 2; }));
  std::this_thread::sleep_for(kHeld);
  std::filesystem::remove(hold);
  EXPECT_EQ(first->Get().outcome, Outcome::kOk);
  const uint64_t told_ms = Told(second->Get());
  // Of what a clock of one turn of the loop may be behind.
  EXPECT_LE(told_ms, kHourMs - kHeld.count() + 100);
  EXPECT_GT(told_ms, kHourMs / 2);
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

// The one of this plug-in.
pid_t HostOf(const std::string& plugin) {
  for (const pid_t pid : Hosts()) {
    std::ifstream file("/proc/" + std::to_string(pid) + "/cmdline");
    const std::string line{std::istreambuf_iterator<char>(file), {}};
    if (line.find(plugin) != std::string::npos) return pid;
  }
  return 0;
}

TEST_F(RemoteTest, OneThatHangsWhileItOpensHoldsUpNoOther) {
  TempDir directory;
  const std::string marker = directory.File("marker");
  const std::string other = directory.File("other.so");
  std::filesystem::copy_file(PluginPath("trouble"), other);
  remote_options_.start_timeout_ms = 60'000;
  Start(
      {{.name = "other", .plugin = other, .settings = {{"only", "ok"}}},
       {.name = "trouble", .plugin = PluginPath("trouble"), .settings = {{"hang_open", marker}}}});
  std::ofstream(marker).put('x');
  const pid_t crashing = HostOf(PluginPath("trouble"));
  EXPECT_EQ(Login(kFirst, "crash@acme.example", "secret").outcome, Outcome::kTemporary);
  // The next one is there, and opens.
  EXPECT_TRUE(Eventually([&] {
    const pid_t now = HostOf(PluginPath("trouble"));
    return now != 0 && now != crashing;
  }));
  ASSERT_EQ(::kill(HostOf(other), SIGKILL), 0);
  EXPECT_TRUE(Eventually(
      [&] { return Login(kFirst, "ok@acme.example", "secret").outcome == Outcome::kOk; }));
  EXPECT_EQ(Metric("poplar_auth_host_restarts_total"), 1) << "of the other";
  const auto since = std::chrono::steady_clock::now();
  service_.reset();
  remote_.reset();
  EXPECT_LT(std::chrono::steady_clock::now() - since, std::chrono::seconds(30)) << "nor the end";
}

TEST_F(RemoteTest, AFloodOfLinesIsCut) {
  StartTrouble();
  ASSERT_EQ(Login(kFirst, "flood@acme.example", "secret").outcome, Outcome::kOk);
  EXPECT_TRUE(Eventually(
      [&] { return Metric("poplar_auth_plugin_lines_left_out_total") > kPluginLinesPerS; }));
  ASSERT_EQ(::kill(Hosts().at(0), SIGKILL), 0);
  EXPECT_TRUE(Eventually([&] { return Metric("poplar_auth_host_restarts_total") == 1; }));
}

TEST_F(RemoteTest, HowAHostEnded) {
  const auto end_of = [this](int signal) {
    auto host =
        HostProcess::Start({.spawner = &spawner_, .plugin = PluginPath("trouble"), .threads = 1});
    EXPECT_TRUE(host.ok()) << host.status();
    ::kill((*host)->pid(), signal);
    while ((*host)->TakeLogs([](const LogFrame&) {})) std::this_thread::yield();
    return (*host)->HowItEnded().why;
  };
  EXPECT_EQ(end_of(SIGKILL), "it was ended by signal 9 (Killed)");
  EXPECT_EQ(end_of(SIGTERM), "it was ended by signal 15 (Terminated)");
}

TEST_F(RemoteTest, AHostThatLeaksIsReplaced) {
  remote_options_.host_bytes_max = 100 << 20;
  StartTrouble();
  for (int i = 0; i < 3; ++i) Login(kFirst, "leak@acme.example", "secret");
  EXPECT_TRUE(Eventually([&] { return Metric("poplar_auth_host_restarts_total") >= 1; }));
  EXPECT_TRUE(Eventually(
      [&] { return Login(kFirst, "ok@acme.example", "secret").outcome == Outcome::kOk; }));
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
  DirectSpawner nobody({.executable = "/nowhere/poplar"});
  remote_options_.spawner = &nobody;
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
