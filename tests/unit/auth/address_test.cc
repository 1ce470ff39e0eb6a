#include "auth/users/address.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "core/base/limits.h"

namespace poplar::auth {
namespace {

TEST(AddressTest, KeepsTheSpellingAndFindsInAnyCase) {
  const auto address = ParseAddress("Alice.B@Example.ORG");
  ASSERT_TRUE(address.ok());
  EXPECT_EQ(address->spelled, "Alice.B@example.org");
  EXPECT_EQ(address->key, "alice.b@example.org");
  EXPECT_EQ(address->domain, "example.org");
  EXPECT_EQ(LookupKey("aLICE.b@eXAMPLE.org"), address->key);
}

TEST(AddressTest, TakesUtf8AsItComes) {
  const auto address = ParseAddress("J\xc3\x96rg@M\xc3\xbcnchen.example");
  ASSERT_TRUE(address.ok());
  EXPECT_EQ(address->key, "j\xc3\x96rg@m\xc3\xbcnchen.example");
}

TEST(AddressTest, TheWholeLocalPartCounts) {
  EXPECT_EQ(ParseAddress("alice+lists@example.org")->key, "alice+lists@example.org");
}

TEST(AddressTest, RefusesWhatIsNoAddress) {
  for (const std::string_view bad : {
           "",
           "alice",
           "@example.org",
           "alice@",
           "a b@example.org",
           "a@b@example.org",
           ".a@example.org",
           "a.@example.org",
           "a..b@example.org",
           "\"a b\"@example.org",
           "a@example..org",
           "a@-example.org",
           "a@example-.org",
           "a@example.org.",
           "a@exa_mple.org",
           "a@[127.0.0.1]",
           "a\x01@example.org",
           "a\xff@example.org",
           "a\xc0\x80@example.org",
           "a\xed\xa0\x80@example.org",
           "a\xf4\x90\x80\x80@example.org",
           "a\xe2\x82@example.org",
       }) {
    EXPECT_FALSE(ParseAddress(bad).ok()) << bad;
  }
  EXPECT_FALSE(ParseAddress(std::string_view("a\0b@example.org", 15)).ok());
}

TEST(LoginNameTest, AllOfItIsSeen) {
  for (const std::string_view good :
       {"alice", "alice@example.org", "o'neil@example.org", "*", "\"a\"@example.org",
        "j\xc3\x96rg@example.org", "\xe5\xad\x97", "\xf0\x9f\x90\x98"}) {
    EXPECT_TRUE(IsLoginName(good)) << good;
  }
  const auto with = [](std::string_view part) { return "al" + std::string(part) + "ice"; };
  for (const std::string_view bad : {" ",
                                     "\t",
                                     "\x1f",
                                     "\x7f",
                                     "\xff",
                                     "\xc3",
                                     "\xc2\x85",
                                     "\xc2\xa0",
                                     "\xc2\xad",
                                     "\xcd\x8f",
                                     "\xe1\x9a\x80",
                                     "\xe2\x80\x83",
                                     "\xe2\x80\x8b",
                                     "\xe2\x80\x8f",
                                     "\xe2\x80\xa8",
                                     "\xe2\x80\xa9",
                                     "\xe2\x81\xa0",
                                     "\xe3\x80\x80",
                                     "\xef\xb8\x8f",
                                     "\xef\xbb\xbf",
                                     "\xf3\xa0\x80\xa0"}) {
    EXPECT_FALSE(IsLoginName(with(bad))) << bad;
    EXPECT_FALSE(ParseAddress(with(bad) + "@example.org").ok()) << bad;
  }
  EXPECT_FALSE(IsLoginName(with(std::string_view("\0", 1))));
  EXPECT_FALSE(IsLoginName(""));
  EXPECT_TRUE(IsLoginName(std::string(kAddressBytesMax, 'a')));
  EXPECT_FALSE(IsLoginName(std::string(kAddressBytesMax + 1, 'a')));
}

TEST(AddressTest, KeepsToTheLengthsOfTheRfc) {
  const std::string local64(64, 'a');
  EXPECT_TRUE(ParseAddress(local64 + "@example.org").ok());
  EXPECT_FALSE(ParseAddress(local64 + "a@example.org").ok());
  const std::string label63(63, 'd');
  EXPECT_TRUE(ParseDomain(label63 + ".org").ok());
  EXPECT_FALSE(ParseDomain(label63 + "d.org").ok());
  std::string domain = label63 + "." + label63 + "." + label63 + "." + std::string(63, 'e');
  EXPECT_EQ(domain.size(), 255U);
  EXPECT_TRUE(ParseDomain(domain).ok());
  domain.insert(0, "x.");
  EXPECT_FALSE(ParseDomain(domain).ok());
}

}  // namespace
}  // namespace poplar::auth
