#include "core/base/recent_faults.h"

#include <gtest/gtest.h>

#include <string>

namespace poplar::base {
namespace {

// Other tests of this process log as well: what counts is what comes on top.
TEST(RecentFaults, TheLatestComesFirstAndTheOldestGoes) {
  const uint64_t warnings = FaultsLogged(LogLevel::kWarning);
  const uint64_t errors = FaultsLogged(LogLevel::kError);
  for (size_t i = 0; i < kFaultsKept; ++i) RememberFault(LogLevel::kWarning, "old");
  RememberFault(LogLevel::kError, "first");
  RememberFault(LogLevel::kWarning, "second");
  const std::vector<std::string> lines = RecentFaults();
  ASSERT_EQ(lines.size(), kFaultsKept);
  EXPECT_EQ(lines[0], "second");
  EXPECT_EQ(lines[1], "first");
  EXPECT_EQ(lines[2], "old");
  EXPECT_EQ(FaultsLogged(LogLevel::kWarning), warnings + kFaultsKept + 1);
  EXPECT_EQ(FaultsLogged(LogLevel::kError), errors + 1);
}

TEST(RecentFaults, ALongOneIsCutAtACharacter) {
  std::string line(kFaultBytesMax - 1, 'x');
  RememberFault(LogLevel::kError, line + "\u00e9 and more");
  EXPECT_EQ(RecentFaults().front(), line);
}

TEST(RecentFaults, TheLogTellsWarningsAndErrorsWhateverItsLevelAndFormat) {
  testing::internal::CaptureStderr();
  StartLog({.level = LogLevel::kNone, .format = LogFormat::kJson});
  const uint64_t errors = FaultsLogged(LogLevel::kError);
  Log(LogLevel::kError, "something", {{"why", "it \"broke\""}});
  Log(LogLevel::kInfo, "nothing");
  StopLog();
  StartLog({});
  StopLog();
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
  EXPECT_EQ(FaultsLogged(LogLevel::kError), errors + 1);
  const std::string line = RecentFaults().front();
  EXPECT_NE(line.find(" error something why=\"it \\\"broke\\\"\""), std::string::npos) << line;
}

}  // namespace
}  // namespace poplar::base
