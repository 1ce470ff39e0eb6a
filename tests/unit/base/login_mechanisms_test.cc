#include "core/base/login_mechanisms.h"

#include <gtest/gtest.h>

namespace poplar {
namespace {

TEST(LoginMechanismsTest, AllUnlessSomeAreNamed) {
  EXPECT_EQ(LoginMechanisms::Parse(""), LoginMechanisms());
  for (const std::string_view name : kLoginMechanisms) {
    EXPECT_TRUE(LoginMechanisms().Contains(name)) << name;
    const std::optional<LoginMechanisms> alone = LoginMechanisms::Parse(name);
    ASSERT_TRUE(alone.has_value()) << name;
    EXPECT_EQ(alone->Text(), name);
    for (const std::string_view other : kLoginMechanisms) {
      EXPECT_EQ(alone->Contains(other), other == name) << name << ' ' << other;
    }
  }
}

TEST(LoginMechanismsTest, ReadsBackInItsOwnOrder) {
  const std::optional<LoginMechanisms> some = LoginMechanisms::Parse("SCRAM-SHA-256,USER,USER");
  ASSERT_TRUE(some.has_value());
  EXPECT_EQ(some->Text(), "USER,SCRAM-SHA-256");
  EXPECT_EQ(LoginMechanisms::Parse(some->Text()), some);
  std::string all;
  for (const std::string_view name : kLoginMechanisms) all.append(",").append(name);
  EXPECT_EQ(LoginMechanisms::Parse(all.substr(1)), LoginMechanisms());
  EXPECT_EQ(LoginMechanisms().Text(), "");
}

TEST(LoginMechanismsTest, WhatIsNoneIsRefused) {
  for (const char* const wrong : {",", "USER,", ",USER", "USER,,PLAIN", "user", "PLAIN LOGIN",
                                  "PLAIN, LOGIN", "CRAM-MD5", "SCRAM-SHA-256-PLU"}) {
    EXPECT_FALSE(LoginMechanisms::Parse(wrong).has_value()) << wrong;
  }
  EXPECT_FALSE(LoginMechanisms().Contains("CRAM-MD5"));
  EXPECT_FALSE(LoginMechanisms().Contains(""));
}

TEST(LoginMechanismsTest, AreAddedAndCutWithOthers) {
  LoginMechanisms some = LoginMechanisms::None();
  for (const std::string_view name : kLoginMechanisms) EXPECT_FALSE(some.Contains(name)) << name;
  some.Add("PLAIN");
  some.Add("XOAUTH2");
  some.Add("CRAM-MD5");
  EXPECT_EQ(some.Text(), "PLAIN,XOAUTH2");
  EXPECT_EQ(some & LoginMechanisms(), some);
  EXPECT_EQ(some & *LoginMechanisms::Parse("USER,PLAIN"), *LoginMechanisms::Parse("PLAIN"));
  EXPECT_EQ(some & LoginMechanisms::None(), LoginMechanisms::None());
}

}  // namespace
}  // namespace poplar
