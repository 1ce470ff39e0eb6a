#include "core/base/secret.h"

#include <gtest/gtest.h>

#include <type_traits>

namespace poplar::base {
namespace {

static_assert(!std::is_copy_constructible_v<Secret>);
static_assert(!std::is_convertible_v<Secret, std::string_view>);

TEST(SecretTest, MovesAndClears) {
  Secret secret("hunter2");
  Secret moved = std::move(secret);
  EXPECT_EQ(moved.Reveal(), "hunter2");
  EXPECT_EQ(moved.Copy().Reveal(), "hunter2");
  moved.Clear();
  EXPECT_TRUE(moved.empty());
}

TEST(SecretTest, WipeOverwrites) {
  char bytes[] = "hunter2";
  Wipe(bytes, sizeof(bytes));
  for (const char c : bytes) EXPECT_EQ(c, '\0');
}

TEST(SecretTest, ComparesWhole) {
  EXPECT_TRUE(EqualConstantTime("", ""));
  EXPECT_TRUE(EqualConstantTime("abc", "abc"));
  EXPECT_FALSE(EqualConstantTime("abc", "abd"));
  EXPECT_FALSE(EqualConstantTime("abc", "ab"));
}

}  // namespace
}  // namespace poplar::base
