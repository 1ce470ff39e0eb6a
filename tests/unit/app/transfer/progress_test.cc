#include "core/app/transfer/progress.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>

#include "core/base/units.h"

namespace poplar::app {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

// What `err` was told since the last call.
std::string Taken(std::ostringstream& err) {
  std::string text = err.str();
  err.str("");
  return text;
}

TEST(Progress, OneLineThatIsWrittenOver) {
  std::ostringstream err;
  Progress progress(err, true, 1);
  progress.Found(4, 8 * kMiB);
  const std::string empty = "\r[" + std::string(30, '.') + "] 0/4 messages, 0 MiB, 0 KiB/s";
  EXPECT_EQ(Taken(err), empty);
  progress.Clear();
  const std::string blank(empty.size() - 1, ' ');
  EXPECT_EQ(Taken(err), "\r" + blank + "\r");
  // After other text it is shown at once.
  progress.Did(2, 4 * kMiB);
  EXPECT_THAT(Taken(err), StartsWith("\r[" + std::string(15, '#') + std::string(15, '.') +
                                     "] 2/4 messages, 4 MiB, "));
  progress.Clear();
  Taken(err);
  progress.Clear();
  EXPECT_EQ(Taken(err), "");
  // More than was announced, as sizes are about: the bar is full and no longer.
  progress.Did(2, 6 * kMiB);
  EXPECT_THAT(Taken(err), StartsWith("\r[" + std::string(30, '#') + "] 4/4 messages, 10 MiB, "));
}

TEST(Progress, MaildropsAreCountedWhereThereAreSeveral) {
  std::ostringstream err;
  Progress progress(err, true, 3);
  progress.Found(1, 10);
  EXPECT_THAT(Taken(err), AllOf(HasSubstr("0/1 messages, 0/3 maildrops, "), Not(HasSubstr("\n"))));
  progress.Clear();
  Taken(err);
  progress.MailboxDone();
  EXPECT_THAT(Taken(err), HasSubstr("0/1 messages, 1/3 maildrops, "));
  progress.Clear();
  Taken(err);
  progress.Found(2, 20);
  EXPECT_THAT(Taken(err), HasSubstr("0/3 messages, 1/3 maildrops, "));
}

TEST(Progress, WhereThereIsNoTerminalNothingIsSaid) {
  std::ostringstream err;
  Progress progress(err, false, 3);
  progress.Found(1, 10);
  progress.Did(1, 10);
  progress.MailboxDone();
  progress.Clear();
  EXPECT_EQ(err.str(), "");
}

}  // namespace
}  // namespace poplar::app
