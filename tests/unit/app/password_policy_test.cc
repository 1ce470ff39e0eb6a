#include "core/app/password_policy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "auth/schemes/app_password.h"

namespace poplar::app {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr const char* kAlice = "Alice.Liddell@wonder-land.example";

std::string Fault(std::string_view password, const PasswordPolicy& policy,
                  std::string_view address = kAlice) {
  return std::string(Message(JudgePassword(policy, password, address)));
}
std::string Fault(std::string_view password) {
  return Fault(password, PasswordPolicyOf(tenant::UsersConfig()));
}

TEST(PasswordPolicy, TheDefaultTakesWhatIsHardToGuess) {
  for (const char* const good : {"correct horse battery", "vK3$pQ!x9w", "Tr0mbone-quill-88",
                                 "grüne Tinte fließt", "kelp sofa drum"}) {
    EXPECT_EQ(Fault(good), "") << good;
  }
}

TEST(PasswordPolicy, ItSaysWhatIsWrong) {
  EXPECT_THAT(Fault("kX9!q"), HasSubstr("has 5 characters, and needs 8 at least"));
  EXPECT_THAT(Fault("ärger"), HasSubstr("has 5 characters"));
  EXPECT_THAT(Fault("password"), HasSubstr("words or passwords that many use"));
  EXPECT_THAT(Fault("P@ssw0rd"), HasSubstr("words or passwords that many use"));
  EXPECT_THAT(Fault("aaaaaaaaaaaa"), HasSubstr("too easy to guess"));
  EXPECT_THAT(Fault("abcdefgh"), HasSubstr("too easy to guess"));
  EXPECT_THAT(Fault("qwertyuiop"), HasSubstr("too easy to guess"));
  EXPECT_THAT(Fault("12/12/1987"), HasSubstr("too easy to guess"));
  for (const char* const common :
       {"iloveyou", "letmein1", "12345678", "football", "baseball1", "dragon12"}) {
    EXPECT_THAT(Fault(common), HasSubstr("too easy to guess")) << common;
    EXPECT_THAT(Fault(common), HasSubstr("add two or three words"));
  }
}

TEST(PasswordPolicy, WhatIsWellKnownElsewhere) {
  for (const char* const known :
       {"qwertzuiop", "azertyuiop", "motdepasse", "Sommer2026", "passwort1", "Tequiero!"}) {
    EXPECT_THAT(Fault(known), HasSubstr("a well-known word")) << known;
  }
}

TEST(PasswordPolicy, SaidTwiceIsSaidOnce) {
  EXPECT_THAT(Fault("hunter2hunter2"), HasSubstr("repeated characters"));
  EXPECT_THAT(Fault("xk9xk9xk9xk9"), HasSubstr("repeated characters"));
  EXPECT_EQ(Fault("kelp sofa drum kelp sofa drum "), "");
}

TEST(PasswordPolicy, NeverTheAddress) {
  for (const char* const known :
       {"alice.liddell@wonder-land.example", "Alice.Liddell", "WONDER-LAND.EXAMPLE", "alice2026",
        "liddell-alice", "1alice.liddell1", "wonderlandalice", "AliceLiddell!"}) {
    EXPECT_NE(Fault(known), "") << known;
  }
  EXPECT_THAT(Fault("alice2026"), HasSubstr("\"alice\" of the address"));
  EXPECT_THAT(Fault("alice2026"), HasSubstr("take at least 8 other characters"));
  EXPECT_THAT(Fault("ali.ce.1984"), HasSubstr("\"alice\" of the address"));
  EXPECT_EQ(Fault("ali-ce kelp sofa drum"), "");
  EXPECT_NE(Fault("jrsmith1984", PasswordPolicyOf(tenant::UsersConfig()), "j.r.smith@x.example"),
            "");
  // What else is there counts, and nothing but that.
  EXPECT_EQ(Fault("alice kelp sofa drum"), "");
  EXPECT_EQ(Fault("alice.liddell@wonder-land.example lkjw93xz"), "");
  for (const std::string weak : {"dragon12", "football1", "password", "abcdefgh"}) {
    EXPECT_THAT(Fault("alice.liddell@wonder-land.example  " + weak), HasSubstr("too easy")) << weak;
    EXPECT_THAT(Fault("Alice-" + weak), HasSubstr("too easy")) << weak;
  }
  // However little is asked for.
  const PasswordPolicy any{.characters_min = 1, .strength_min = 0};
  EXPECT_NE(Fault("alice.liddell", any), "");
  EXPECT_NE(Fault("bob@example.org", any, "bob@example.org"), "");
  EXPECT_EQ(Fault("x", any), "");
}

TEST(PasswordPolicy, TheOperatorSaysHowMuch) {
  EXPECT_EQ(Fault("ab", {.characters_min = 2, .strength_min = 0}), "");
  EXPECT_NE(Fault("kelp sofa drum", {.characters_min = 20, .strength_min = 2}), "");
  const PasswordPolicy strict{.characters_min = 8, .strength_min = 4};
  EXPECT_NE(Fault("sofa drum", strict), "");
  EXPECT_EQ(Fault("kelp sofa drum velvet quarry", strict), "");
}

TEST(PasswordPolicy, NothingOfThePasswordIsTold) {
  EXPECT_THAT(Fault("dragon12"), Not(HasSubstr("dragon")));
}

TEST(PasswordPolicy, OnesThatAreMadePass) {
  const PasswordPolicy strict{.characters_min = 12, .strength_min = 4};
  for (int i = 0; i < 200; ++i) {
    const auth::NewAppPassword made = auth::MakeAppPassword();
    EXPECT_EQ(Fault(made.text.Reveal(), strict), "") << made.text.Reveal();
  }
}

// Any octets, and as many as there may be, in little time.
TEST(PasswordPolicy, AnythingCanBeJudged) {
  std::string all;
  for (int i = 1; i < 256; ++i) all += static_cast<char>(i);
  EXPECT_EQ(Fault(all), "");
  EXPECT_EQ(Fault(std::string(900, 'x') + "kelp sofa drum"), Fault(std::string(900, 'x')));
  EXPECT_NE(Fault(std::string(900, 'a')), "");
  Fault(std::string("\0abc", 4) + all);
  Fault("kelp sofa drum", PasswordPolicyOf(tenant::UsersConfig()), "");
  Fault("kelp sofa drum", PasswordPolicyOf(tenant::UsersConfig()), std::string(320, '.'));
}

}  // namespace
}  // namespace poplar::app
