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

TEST(ReportTest, ARunWithoutOperationsIsNoResult) {
  EXPECT_EQ(Emptiness(Example()), "");
  EXPECT_NE(Emptiness(RunResult{}), "");
}

}  // namespace
}  // namespace poplar::load
