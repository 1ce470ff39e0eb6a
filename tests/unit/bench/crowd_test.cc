// Crowds against a server that says what it is told.

#include <gtest/gtest.h>
#include <unistd.h>

#include "bench/load/report.h"
#include "bench/load/run.h"
#include "tests/unit/bench/scripted_maildrop.h"

namespace poplar::load {
namespace {

Options CrowdOf(const ScriptedServer& server, const std::string& profile) {
  Options options;
  options.profile = profile;
  StatusOr<Endpoint> endpoint = ParseEndpoint(server.endpoint());
  EXPECT_TRUE(endpoint.ok());
  options.pop3 = *endpoint;
  options.user_pattern = "u";
  options.warmup_seconds = 0;
  options.seconds = 0.3;
  options.timeout_ms = 300;
  options.errors_max = 1;
  options.server_pids = {getpid()};
  return options;
}

// The kind of the error, or nothing.
std::string ErrorOf(const Script& script, Options (*change)(Options)) {
  ScriptedServer server(script);
  StatusOr<RunResult> result = RunLoad(change(CrowdOf(server, "idle")));
  EXPECT_TRUE(result.ok());
  return result->meter.errors() > 0 ? result->meter.errors_by_kind().begin()->first : "";
}

Options AsItIs(Options options) { return options; }
Options NoLogin(Options options) {
  options.no_login = true;
  return options;
}
Options WithNoops(Options options) {
  options.pause_ms = 20;
  return options;
}

TEST(CrowdTest, SitsThereAndReportsWhatItCosts) {
  ScriptedServer server(GoodScript());
  StatusOr<RunResult> result = RunLoad(CrowdOf(server, "idle"));
  ASSERT_TRUE(result.ok());
  EXPECT_EQ(result->meter.errors(), 0U);
  EXPECT_EQ(result->meter.operations(), 0U);
  ASSERT_TRUE(result->crowd && result->memory_before && result->memory_end);
  EXPECT_EQ(result->crowd->connections, 1U);
  EXPECT_GE(result->seconds, 0.3);
  EXPECT_EQ(Emptiness(*result), "");
}

TEST(CrowdTest, SaysNoopWhenAsked) {
  ScriptedServer server(GoodScript());
  StatusOr<RunResult> result = RunLoad(WithNoops(CrowdOf(server, "idle")));
  ASSERT_TRUE(result.ok());
  EXPECT_EQ(result->meter.errors(), 0U);
  EXPECT_GE(result->meter.operations(), 3U);  // of 15; the machine may be busy
  EXPECT_LE(result->meter.operations(), 16U);
}

TEST(CrowdTest, FindsWhatIsWrong) {
  EXPECT_EQ(ErrorOf(GoodScript(), AsItIs), "");
  Script refuses = GoodScript();
  refuses["PASS"] = "-ERR no\r\n";
  EXPECT_EQ(ErrorOf(refuses, AsItIs), "reply");
  EXPECT_EQ(ErrorOf(refuses, NoLogin), "");
  Script talks = GoodScript();
  talks["PASS"] = "+OK\r\n+OK again\r\n";
  EXPECT_EQ(ErrorOf(talks, AsItIs), "reply");
  Script silent = GoodScript();
  silent.erase("NOOP");
  EXPECT_EQ(ErrorOf(silent, WithNoops), "timeout");
  Script hangs_up = GoodScript();
  hangs_up["NOOP"] = kHangUp;
  EXPECT_EQ(ErrorOf(hangs_up, WithNoops), "connection");
  Script mute = GoodScript();
  mute.erase("");
  EXPECT_EQ(ErrorOf(mute, NoLogin), "timeout");
}

TEST(CrowdTest, WhoReadsSlowlyHangsUpAtTheEnd) {
  ScriptedServer server(GoodScript());
  Options options = CrowdOf(server, "slow");
  options.read_bytes_per_second = 200;  // of 720: longer than the run
  StatusOr<RunResult> result = RunLoad(options);
  ASSERT_TRUE(result.ok());
  EXPECT_EQ(result->meter.errors(), 0U);
  EXPECT_EQ(result->meter.operations(), 0U);
  EXPECT_EQ(result->meter.notes().at("cut_at_the_end"), 1U);
  EXPECT_TRUE(result->crowd.has_value());
}

TEST(CrowdTest, ReadsNoFasterThanItIsTold) {
  ScriptedServer server(GoodScript());
  Options options = CrowdOf(server, "slow");
  options.seconds = 5;
  options.operations_max = 1;
  options.read_bytes_per_second = 2000;  // 720 octets: 0.36 s
  StatusOr<RunResult> result = RunLoad(options);
  ASSERT_TRUE(result.ok());
  EXPECT_EQ(result->meter.errors(), 0U);
  EXPECT_EQ(result->meter.operations(), 1U);
  EXPECT_GE(result->meter.series().at("retr").latency_ns.max(), 350'000'000U);
}

}  // namespace
}  // namespace poplar::load
