#include "core/base/utf8.h"

#include <gtest/gtest.h>

#include <array>
#include <string_view>
#include <tuple>

namespace poplar::base {
namespace {

TEST(Utf8Test, WhatRfc3629Allows) {
  for (const char* text : {"", "plain", "\xc2\x80", "\xdf\xbf", "\xe0\xa0\x80", "\xed\x9f\xbf",
                           "\xee\x80\x80", "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf", "a\xc3\xa9z"})
    EXPECT_TRUE(IsUtf8(text)) << text;
  EXPECT_TRUE(IsUtf8(std::string_view("\0", 1)));
}

TEST(Utf8Test, WhatItDoesNot) {
  for (const char* text :
       {"\x80", "\xbf", "\xc0\xaf", "\xc1\xbf", "\xc3", "\xc3(", "\xe0\x9f\xbf", "\xe2\x82",
        "\xe2\x82(", "\xed\xa0\x80", "\xf0\x8f\xbf\xbf", "\xf0\x90\x80", "\xf4\x90\x80\x80",
        "\xf5\x80\x80\x80", "\xff", "caf\xe9"})
    EXPECT_FALSE(IsUtf8(text)) << text;
}

TEST(Utf8Test, TheFirstCharacter) {
  EXPECT_EQ(FirstUtf8("").bytes, 0U);
  EXPECT_EQ(FirstUtf8("\xff"
                      "a")
                .bytes,
            0U);
  for (const auto& [text, point, bytes] : {std::tuple("az", 0x61U, 1U),
                                           {"\xc2\x85z", 0x85U, 2U},
                                           {"\xe2\x80\xa8z", 0x2028U, 3U},
                                           {"\xf0\x9f\x98\x80z", 0x1f600U, 4U}}) {
    EXPECT_EQ(FirstUtf8(text).point, point) << text;
    EXPECT_EQ(FirstUtf8(text).bytes, bytes) << text;
  }
}

TEST(Utf8Test, APrefixEndsWithinNoCharacter) {
  const std::string_view text = "a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80";
  const std::array<size_t, 12> ends = {0, 1, 1, 3, 3, 3, 6, 6, 6, 6, 10, 10};
  for (size_t bytes = 0; bytes < ends.size(); ++bytes) {
    EXPECT_EQ(Utf8Prefix(text, bytes), text.substr(0, ends.at(bytes))) << bytes;
  }
  EXPECT_EQ(Utf8Prefix("\xf0\xff\xff\xff", 3), "\xf0\xff\xff");
  EXPECT_EQ(Utf8Prefix("\x80\x80\x80\x80", 2), "\x80\x80");
}

}  // namespace
}  // namespace poplar::base
