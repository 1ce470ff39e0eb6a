#include "auth/schemes/app_password.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <string>

#include "auth/schemes/password_hasher.h"

namespace poplar::auth {
namespace {

TEST(AppPasswordTest, IsTakenAsItWasShown) {
  const NewAppPassword made = MakeAppPassword();
  const std::string text(made.text.Reveal());
  EXPECT_EQ(text.size(), 30U);
  EXPECT_EQ(text.substr(0, 6), made.id);
  const auto parsed = ParseAppPassword(text);
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->id, made.id);
  EXPECT_TRUE(IsAppPassword(made.hash, parsed->secret));
  EXPECT_EQ(made.hash.find(std::string(parsed->secret.Reveal())), std::string::npos);
}

TEST(AppPasswordTest, IsTakenAsPeopleTypeIt) {
  const NewAppPassword made = MakeAppPassword();
  std::string bare(made.text.Reveal());
  std::erase(bare, '-');
  std::string loud = bare;
  std::ranges::transform(loud, loud.begin(), [](char c) { return std::toupper(c); });
  std::string spaced(made.text.Reveal());
  std::ranges::replace(spaced, '-', ' ');
  for (const std::string& typed : {bare, loud, spaced, " " + bare + " "}) {
    const auto parsed = ParseAppPassword(typed);
    ASSERT_TRUE(parsed) << typed;
    EXPECT_TRUE(IsAppPassword(made.hash, parsed->secret)) << typed;
  }
}

TEST(AppPasswordTest, OthersAreNone) {
  const std::string text(MakeAppPassword().text.Reveal());
  for (const std::string& other :
       {std::string(), std::string("secret"), text + "a", text.substr(0, text.size() - 1),
        "0" + text.substr(1), "l" + text.substr(1), "\xc3" + text.substr(1),
        text.substr(0, 5) + std::string(1, '\0') + text.substr(6), std::string(100'000, '-'),
        std::string(100'000, 'a')}) {
    EXPECT_FALSE(ParseAppPassword(other)) << other.size();
  }
}

TEST(AppPasswordTest, OneDoesNotFitAnother) {
  const NewAppPassword one = MakeAppPassword();
  const NewAppPassword other = MakeAppPassword();
  const auto secret = ParseAppPassword(one.text.Reveal());
  EXPECT_FALSE(IsAppPassword(other.hash, secret->secret));
  // Nor is a stored value taken that is of another kind, or damaged.
  for (const std::string& stored :
       {std::string(), "{PLAIN}" + std::string(secret->secret.Reveal()), std::string("{SSHA256}"),
        std::string("{SSHA256}!!"), one.hash.substr(0, one.hash.size() - 4), std::string("$y$")}) {
    EXPECT_FALSE(IsAppPassword(stored, secret->secret)) << stored;
  }
}

TEST(AppPasswordTest, NoTwoAreEqual) {
  std::set<std::string> seen;
  std::set<char> letters;
  for (int i = 0; i < 1000; ++i) {
    const NewAppPassword made = MakeAppPassword();
    EXPECT_TRUE(seen.emplace(made.text.Reveal()).second);
    EXPECT_TRUE(seen.insert(made.hash).second);
    for (const char c : made.text.Reveal()) letters.insert(c);
  }
  EXPECT_EQ(letters.size(), 33U) << "all of the alphabet, and the hyphen";
}

}  // namespace
}  // namespace poplar::auth
