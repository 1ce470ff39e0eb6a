#include "core/base/recent_name.h"

#include <gtest/gtest.h>

#include <string_view>

namespace poplar {
namespace {

TEST(RecentName, TheWordComesOff) {
  for (const std::string_view given :
       {"recent:alice@example.org", "Recent:alice@example.org", "RECENT:alice@example.org"}) {
    std::string_view user = given;
    EXPECT_TRUE(TakeRecentPrefix(user)) << given;
    EXPECT_EQ(user, "alice@example.org");
  }
  std::string_view twice = "recent:recent:alice";
  EXPECT_TRUE(TakeRecentPrefix(twice));
  EXPECT_EQ(twice, "recent:alice");
}

TEST(RecentName, OtherNamesStay) {
  for (const std::string_view given : {"", "recent", "recent@example.org", "recently:alice",
                                       "alice+recent:x@example.org", " recent:a"}) {
    std::string_view user = given;
    EXPECT_FALSE(TakeRecentPrefix(user)) << given;
    EXPECT_EQ(user, given);
  }
}

}  // namespace
}  // namespace poplar
