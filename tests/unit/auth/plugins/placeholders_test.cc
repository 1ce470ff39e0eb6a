// The parts of login names, and which octets are text.

#include "auth/plugins/common/placeholders.h"

#include <gtest/gtest.h>

#include <string>

namespace poplar::plugins {
namespace {

TEST(PlaceholderAt, KnowsThree) {
  EXPECT_EQ(PlaceholderAt("%{login} and more")->part, LoginPart::kLogin);
  EXPECT_EQ(PlaceholderAt("%{login} and more")->octets, 8U);
  EXPECT_EQ(PlaceholderAt("%{local}")->part, LoginPart::kLocal);
  EXPECT_EQ(PlaceholderAt("%{domain}")->part, LoginPart::kDomain);
  for (const char* none : {"", "%", "%{", "%{login", "%{Login}", "%u", " %{login}"}) {
    EXPECT_FALSE(PlaceholderAt(none).has_value()) << none;
  }
}

TEST(PartOf, CutsAtTheLastAt) {
  EXPECT_EQ(PartOf("a@b@c.example", LoginPart::kLogin), "a@b@c.example");
  EXPECT_EQ(PartOf("a@b@c.example", LoginPart::kLocal), "a@b");
  EXPECT_EQ(PartOf("a@b@c.example", LoginPart::kDomain), "c.example");
  EXPECT_EQ(PartOf("alice", LoginPart::kLocal), "alice");
  EXPECT_FALSE(PartOf("alice", LoginPart::kDomain).has_value());
  EXPECT_FALSE(PartOf("alice@", LoginPart::kDomain).has_value());
  EXPECT_FALSE(PartOf("@a.example", LoginPart::kLocal).has_value());
  EXPECT_FALSE(PartOf("", LoginPart::kLogin).has_value());
}

TEST(IsUtf8, TakesWhatRfc3629Allows) {
  EXPECT_TRUE(IsUtf8(""));
  EXPECT_TRUE(IsUtf8("alice\x7f\x01"));
  EXPECT_TRUE(IsUtf8("grüße €"));
  EXPECT_TRUE(IsUtf8("\xf0\x9f\x93\xac"));
  EXPECT_TRUE(IsUtf8("\xf4\x8f\xbf\xbf"));
  for (const char* wrong :
       {"\x80", "\xc3", "\xc3(", "\xc0\xaf", "\xe0\x80\xaf", "\xf0\x80\x80\xaf", "\xed\xa0\x80",
        "\xf4\x90\x80\x80", "\xf8\x88\x80\x80\x80", "\xff", "gr\xfc\xdf e", "\xe2\x82"}) {
    EXPECT_FALSE(IsUtf8(wrong)) << testing::PrintToString(std::string(wrong));
  }
}

}  // namespace
}  // namespace poplar::plugins
