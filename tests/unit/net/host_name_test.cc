#include "core/net/host_name.h"

#include <gtest/gtest.h>

#include <random>

namespace poplar::net {
namespace {

// The body of a server_name extension with one name.
std::string Extension(std::string_view name, char type = 0) {
  const auto uint16 = [](size_t number) {
    return std::string{static_cast<char>(number >> 8), static_cast<char>(number & 0xFF)};
  };
  return uint16(name.size() + 3) + type + uint16(name.size()) + std::string(name);
}

TEST(HostNameTest, IsLabelsWithDotsBetween) {
  EXPECT_EQ(NormalHostName("pop.example.org"), "pop.example.org");
  EXPECT_EQ(NormalHostName("POP.Example.ORG"), "pop.example.org");
  EXPECT_EQ(NormalHostName("pop.example.org."), "pop.example.org");
  EXPECT_EQ(NormalHostName("_.example.org"), "_.example.org");
  EXPECT_EQ(NormalHostName("xn--bcher-kva.example"), "xn--bcher-kva.example");
  EXPECT_EQ(NormalHostName("localhost"), "localhost");
  EXPECT_EQ(NormalHostName(std::string(63, 'a') + ".b"), std::string(63, 'a') + ".b");
}

TEST(HostNameTest, NothingElseIsOne) {
  for (const std::string& name :
       {std::string(), std::string("."), std::string(".."), std::string("../etc"),
        std::string("a/b"), std::string("/etc/passwd"), std::string("a..b"), std::string(".a"),
        std::string("a.."), std::string("a b"), std::string("a\\b"), std::string("a\0b", 3),
        std::string("a\nb"), std::string("*.example.org"), std::string("b\xC3\xBC.example"),
        std::string("[::1]"), std::string("::1"), std::string(64, 'a') + ".b",
        std::string(254, 'a')}) {
    EXPECT_EQ(NormalHostName(name), "") << name;
  }
  std::string long_name;
  for (int i = 0; i < 63; ++i) long_name += "abc.";
  EXPECT_EQ(NormalHostName(long_name + "d"), long_name + "d");
  EXPECT_EQ(NormalHostName(long_name + "de"), "") << "254 octets";
}

// Whatever comes: a name that could leave the folder is none.
TEST(HostNameTest, NoOctetsMakeAPath) {
  std::mt19937 dice(7);
  constexpr std::string_view kAlphabet("a.A-_/\\:*\0\x7F\xFF\n ", 14);
  for (int round = 0; round < 200'000; ++round) {
    std::string octets(dice() % 12, '\0');
    for (char& c : octets) c = kAlphabet[dice() % kAlphabet.size()];
    const std::string name = NormalHostName(octets);
    if (name.empty()) continue;
    EXPECT_EQ(name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-_."), std::string::npos);
    EXPECT_EQ(name.find(".."), std::string::npos);
    EXPECT_NE(name.front(), '.');
    EXPECT_NE(name.back(), '.');
    EXPECT_EQ(NormalHostName(name), name);
  }
}

TEST(HostNameTest, IsFoundInTheExtension) {
  EXPECT_EQ(HostNameInExtension(Extension("Pop.Example.org")), "pop.example.org");
  EXPECT_EQ(HostNameInExtension(Extension("a/../b")), "");
  EXPECT_EQ(HostNameInExtension(Extension("pop.example.org", 1)), "") << "no host name";
  EXPECT_EQ(HostNameInExtension(""), "");
  const std::string whole = Extension("pop.example.org");
  for (size_t bytes = 0; bytes < whole.size(); ++bytes) {
    EXPECT_EQ(HostNameInExtension(whole.substr(0, bytes)), "") << bytes;
  }
  EXPECT_EQ(HostNameInExtension(whole + "x"), "");
  std::mt19937 dice(8);
  for (int round = 0; round < 100'000; ++round) {
    std::string octets = whole;
    for (int i = 0; i < 3; ++i) octets[dice() % octets.size()] = static_cast<char>(dice());
    octets.resize(dice() % (octets.size() + 1));
    const std::string name = HostNameInExtension(octets);
    EXPECT_EQ(NormalHostName(name), name);
  }
}

TEST(HostNameTest, WildcardsStandForTheFirstLabel) {
  EXPECT_EQ(WildcardOf("pop.example.org"), "_.example.org");
  EXPECT_EQ(WildcardOf("a.b.example.org"), "_.b.example.org");
  EXPECT_EQ(WildcardOf("localhost"), "");
}

}  // namespace
}  // namespace poplar::net
