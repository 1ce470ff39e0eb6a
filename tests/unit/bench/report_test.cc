#include "bench/load/report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace poplar::load {
namespace {

using ::testing::HasSubstr;

RunResult Example() {
  RunResult result;
  for (int i = 0; i < 10; ++i) result.meter.Record("session", 2'000'000, 0);
  result.seconds = 2;
  result.server_cpu = CpuTime{.user_us = 100, .system_us = 300, .total_us = 500};
  return result;
}

TEST(ReportTest, SaysRatesLatenciesAndCpuAnOperation) {
  Options options;
  options.profile = "session";
  std::string json = JsonReport(options, Example());
  EXPECT_THAT(json, HasSubstr(R"("operations":10,"per_second":5.000)"));
  EXPECT_THAT(json, HasSubstr(R"("p50_us":2000.000)"));
  EXPECT_THAT(json, HasSubstr(R"("us_per_operation":50.000)"));
  EXPECT_THAT(json, HasSubstr(R"("errors":{})"));
  std::string text = TextReport(options, Example());
  EXPECT_THAT(text, HasSubstr("server CPU  50.00 us an operation (user 10.00, system 30.00)"));
}

TEST(ReportTest, EscapesWhatAServerSent) {
  RunResult result = Example();
  result.meter.RecordError(ReplyError("STAT", "-ERR \"\x01\\\xff"));
  std::string json = JsonReport(Options{}, result);
  EXPECT_THAT(json, HasSubstr(R"("errors":{"reply":1})"));
  EXPECT_THAT(json, HasSubstr(R"(-ERR \"\u0001\\\u00ff)"));
}

TEST(ReportTest, SaysHowPunctualAnOpenLoopWas) {
  RunResult result = Example();
  result.punctuality.emplace();
  result.punctuality->Begin(0, 2'000'000);
  result.punctuality->not_begun = 3;
  result.punctuality->unfinished = 4;
  Options options;
  options.rate = 400;
  std::string json = JsonReport(options, result);
  EXPECT_THAT(json, HasSubstr(R"("rate":400.000,"punctuality":{"due":4,"begun":1,"late":1,)"
                              R"("not_begun":3,"unfinished":4,"delay":{"p50_us":2000.000)"));
  EXPECT_THAT(TextReport(options, result),
              HasSubstr("due         4 at 400 per s; begun 1, of these late 1 (p99 2000.0 us "
                        "after it was due), not begun 3; begun or not, not done at the end 4\n"));
}

TEST(ReportTest, SaysWhatACrowdCosts) {
  RunResult result;
  result.seconds = 1;
  result.crowd = Crowd{.connections = 10, .opening_seconds = 0.5};
  EXPECT_EQ(Emptiness(result), "");
  result.memory_before = ServerMemory{.anon_bytes = 4096, .descriptors = 7, .group_bytes = 0};
  result.memory_begin = ServerMemory{.anon_bytes = 24576, .descriptors = 17, .group_bytes = 10240};
  result.memory_end = ServerMemory{.anon_bytes = 3 << 20, .descriptors = 17, .group_bytes = {}};
  std::string json = JsonReport(Options{}, result);
  EXPECT_THAT(json, HasSubstr(R"("crowd":{"connections":10,"opening_seconds":0.500,)"
                              R"("per_connection":{"anon_bytes":2048.000,"group_bytes":1024.000},)"
                              R"("per_connection_at_end":{"anon_bytes":314163.200}})"));
  EXPECT_THAT(json, HasSubstr(R"("server_memory":{"before":{"anon_bytes":4096,"group_bytes":0,)"
                              R"("descriptors":7},"begin":)"));
  std::string text = TextReport(Options{}, result);
  EXPECT_THAT(text, HasSubstr("10 connections, all there after 0.50 s\n"));
  EXPECT_THAT(text, HasSubstr("of a connection, when all were there: 2.00 KiB anonymous, 1.00 KiB "
                              "in the group\n"));
  EXPECT_THAT(text, HasSubstr("at the end: 3.00 MiB anonymous, 17 descriptors\n"));
}

TEST(ReportTest, ARunWithoutOperationsIsNoResult) {
  EXPECT_EQ(Emptiness(Example()), "");
  EXPECT_NE(Emptiness(RunResult{}), "");
}

}  // namespace
}  // namespace poplar::load
