#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <string>

#include "auth/sasl/mechanism.h"
#include "core/base/limits.h"

namespace poplar::auth {
namespace {

std::string Plain(std::string_view authzid, std::string_view user, std::string_view password) {
  std::string message(authzid);
  message += '\0';
  message += user;
  message += '\0';
  return message += password;
}

bool IsChallenge(const SaslStep& step, std::string_view bytes) {
  const auto* challenge = std::get_if<SaslChallenge>(&step);
  return challenge != nullptr && challenge->bytes == bytes;
}

bool IsMalformed(const SaslStep& step) { return std::holds_alternative<SaslMalformed>(step); }

bool IsLogin(const SaslStep& step, std::string_view user, std::string_view password) {
  const auto* credentials = std::get_if<SaslCredentials>(&step);
  return credentials != nullptr && credentials->user == user &&
         credentials->password.Reveal() == password;
}

SaslStep PlainStep(std::string_view message) { return MakeSaslMechanism("PLAIN")->Step(message); }

TEST(SaslTest, WhatWorksFollowsTheCapabilities) {
  const auto works = [](const Capabilities& can) { return MechanismsThatWork(can).Text(); };
  EXPECT_EQ(works({.resolve = false, .password = true}), "USER,PLAIN,LOGIN");
  EXPECT_EQ(works({.token = true}), "EXTERNAL,OAUTHBEARER,XOAUTH2");
  EXPECT_EQ(works({.resolve = false, .verifiers = true}),
            "SCRAM-SHA-256-PLUS,SCRAM-SHA-256,SCRAM-SHA-1-PLUS,SCRAM-SHA-1");
  EXPECT_EQ(works({.resolve = false, .clear_text = true}), "APOP");
  EXPECT_EQ(MechanismsThatWork({.resolve = false}), LoginMechanisms::None());
  EXPECT_NE(MakeSaslMechanism("plain"), nullptr);
  EXPECT_NE(MakeSaslMechanism("Login"), nullptr);
  for (const char* name : {"", "PLAI", "PLAINX", "CRAM-MD5", "SCRAM-SHA-512"}) {
    EXPECT_EQ(MakeSaslMechanism(name), nullptr) << name;
  }
}

// RFC 4616 §4 has both examples.
TEST(Rfc4616Test, InitialResponse) {
  EXPECT_TRUE(IsLogin(PlainStep(Plain("", "tim", "tanstaaftanstaaf")), "tim", "tanstaaftanstaaf"));
  EXPECT_TRUE(IsMalformed(PlainStep(Plain("Ursel", "Kurt", "xipj3plmq")))) << "for somebody else";
}

TEST(Rfc4616Test, WithoutInitialResponse) {
  const auto plain = MakeSaslMechanism("PLAIN");
  EXPECT_TRUE(IsChallenge(plain->Step(std::nullopt), ""));
  EXPECT_TRUE(IsLogin(plain->Step(Plain("tim", "tim", "pw")), "tim", "pw"));
  EXPECT_TRUE(IsMalformed(plain->Step(Plain("", "tim", "pw")))) << "once only";
}

TEST(Rfc4616Test, UnusualButAllowed) {
  EXPECT_TRUE(IsLogin(PlainStep(Plain("Tim@Example.ORG", "tim@example.org", "pw")),
                      "tim@example.org", "pw"));
  EXPECT_TRUE(IsLogin(PlainStep(Plain("", "j\xc3\xb6rg@example.org", "p\xc3\xa4ss w:\x01\xff")),
                      "j\xc3\xb6rg@example.org", "p\xc3\xa4ss w:\x01\xff"));
  EXPECT_TRUE(IsLogin(PlainStep(Plain("", "tim", "")), "tim", "")) << "refused later, by name";
  EXPECT_TRUE(IsLogin(PlainStep(Plain("", "u", std::string(kPasswordBytesMax, 'x'))), "u",
                      std::string(kPasswordBytesMax, 'x')));
}

TEST(Rfc4616Test, Malformed) {
  EXPECT_TRUE(IsMalformed(PlainStep("")));
  EXPECT_TRUE(IsMalformed(PlainStep("tim")));
  EXPECT_TRUE(IsMalformed(PlainStep(std::string_view("\0", 1))));
  EXPECT_TRUE(IsMalformed(PlainStep(std::string_view("\0tim", 4))));
  EXPECT_TRUE(IsMalformed(PlainStep(std::string_view("\0\0", 2)))) << "no user";
  EXPECT_TRUE(IsMalformed(PlainStep(Plain("", "", "pw"))));
  EXPECT_TRUE(IsMalformed(PlainStep(Plain("", "tim", std::string_view("a\0b", 3)))));
  EXPECT_TRUE(IsMalformed(PlainStep(Plain("", "tim", std::string_view("a\0", 2)))));
  EXPECT_TRUE(IsMalformed(PlainStep(Plain("", std::string(kAddressBytesMax + 1, 'u'), "pw"))));
  EXPECT_TRUE(IsMalformed(PlainStep(Plain("", "u", std::string(kPasswordBytesMax + 1, 'x')))));
  const auto plain = MakeSaslMechanism("PLAIN");
  EXPECT_TRUE(IsChallenge(plain->Step(std::nullopt), ""));
  EXPECT_TRUE(IsMalformed(plain->Step(std::nullopt)));
}

TEST(SaslLoginTest, Prompts) {
  const auto login = MakeSaslMechanism("LOGIN");
  EXPECT_TRUE(IsChallenge(login->Step(std::nullopt), "Username:"));
  EXPECT_TRUE(IsChallenge(login->Step("alice@example.org"), "Password:"));
  EXPECT_TRUE(IsLogin(login->Step("secret"), "alice@example.org", "secret"));
  EXPECT_TRUE(IsMalformed(login->Step("secret"))) << "once only";
}

TEST(SaslLoginTest, InitialResponseIsTheUserName) {
  const auto login = MakeSaslMechanism("LOGIN");
  EXPECT_TRUE(IsChallenge(login->Step("alice"), "Password:"));
  EXPECT_TRUE(IsLogin(login->Step("x"), "alice", "x"));
}

TEST(SaslLoginTest, Malformed) {
  EXPECT_TRUE(IsMalformed(MakeSaslMechanism("LOGIN")->Step("")));
  EXPECT_TRUE(IsMalformed(MakeSaslMechanism("LOGIN")->Step(std::string_view("a\0b", 3))));
  EXPECT_TRUE(
      IsMalformed(MakeSaslMechanism("LOGIN")->Step(std::string(kAddressBytesMax + 1, 'u'))));
  const auto nul = MakeSaslMechanism("LOGIN");
  EXPECT_TRUE(IsChallenge(nul->Step("alice"), "Password:"));
  EXPECT_TRUE(IsMalformed(nul->Step(std::string_view("a\0b", 3))));
  EXPECT_TRUE(IsMalformed(nul->Step("right now"))) << "it is over";
  const auto longest = MakeSaslMechanism("LOGIN");
  EXPECT_TRUE(IsChallenge(longest->Step("alice"), "Password:"));
  EXPECT_TRUE(IsMalformed(longest->Step(std::string(kPasswordBytesMax + 1, 'x'))));
  const auto silent = MakeSaslMechanism("LOGIN");
  EXPECT_TRUE(IsChallenge(silent->Step(std::nullopt), "Username:"));
  EXPECT_TRUE(IsMalformed(silent->Step(std::nullopt)));
  EXPECT_TRUE(IsMalformed(silent->Step("alice")));
}

// Whatever comes in: the exchange ends, and what it yields keeps to the limits.
TEST(SaslTest, AnyOctets) {
  std::mt19937 random(4616);  // NOLINT(bugprone-random-generator-seed): the same run every time.
  for (int round = 0; round < 20'000; ++round) {
    const auto mechanism = MakeSaslMechanism(round % 2 == 0 ? "PLAIN" : "LOGIN");
    int challenges = 0;
    for (int step = 0; step < 5; ++step) {
      std::string bytes(random() % 12, '\0');
      for (char& c : bytes) c = "\0a\0b\xff "[random() % 6];
      const SaslStep result =
          random() % 8 == 0 ? mechanism->Step(std::nullopt) : mechanism->Step(bytes);
      if (std::holds_alternative<SaslChallenge>(result)) {
        ++challenges;
        continue;
      }
      if (const auto* credentials = std::get_if<SaslCredentials>(&result)) {
        EXPECT_FALSE(credentials->user.empty());
        EXPECT_EQ(credentials->user.find('\0'), std::string::npos);
        EXPECT_EQ(credentials->password.Reveal().find('\0'), std::string_view::npos);
        EXPECT_TRUE(credentials->authzid.empty() || credentials->authzid == credentials->user);
      }
      EXPECT_TRUE(IsMalformed(mechanism->Step("x")));
      break;
    }
    EXPECT_LE(challenges, 2);
  }
}

}  // namespace
}  // namespace poplar::auth
