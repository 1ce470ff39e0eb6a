#include "core/proto/pop3/command.h"

#include <gtest/gtest.h>

#include <string>

namespace poplar::pop3 {
namespace {

TEST(ParseCommand, EveryVerbInEitherCase) {
  for (size_t i = 1; i < kVerbs; ++i) {
    const Verb verb = static_cast<Verb>(i);
    std::string name(VerbName(verb));
    EXPECT_EQ(ParseCommand(name).verb, verb) << name;
    EXPECT_EQ(ParseCommand(name + " rest").verb, verb);
    for (char& c : name) c = static_cast<char>(c | 0x20);
    EXPECT_EQ(ParseCommand(name).verb, verb) << name;
    name[0] = static_cast<char>(name[0] & ~0x20);
    EXPECT_EQ(ParseCommand(name).verb, verb) << name;
  }
}

TEST(ParseCommand, ExactlyTheLettersOfAVerb) {
  // Every byte in every place of every verb: only the two cases of its letter are that verb.
  for (size_t i = 1; i < kVerbs; ++i) {
    const std::string name(VerbName(static_cast<Verb>(i)));
    for (size_t place = 0; place < name.size(); ++place) {
      for (int byte = 0; byte < 256; ++byte) {
        std::string changed = name;
        changed[place] = static_cast<char>(byte);
        const bool same_letter = (byte | 0x20) == (name[place] | 0x20);
        EXPECT_EQ(ParseCommand(changed).verb == static_cast<Verb>(i), same_letter) << changed;
      }
    }
    EXPECT_EQ(ParseCommand(name + "X").verb, Verb::kUnknown);
    EXPECT_EQ(ParseCommand(name + "\t").verb, Verb::kUnknown);
    EXPECT_EQ(ParseCommand(" " + name).verb, Verb::kUnknown);
    EXPECT_EQ(ParseCommand(name.substr(1)).verb, Verb::kUnknown);
  }
  EXPECT_EQ(ParseCommand("").verb, Verb::kUnknown);
  EXPECT_EQ(ParseCommand(" ").verb, Verb::kUnknown);
}

TEST(ParseCommand, TheRestIsVerbatimBehindOneBlank) {
  EXPECT_EQ(ParseCommand("PASS").rest, "");
  EXPECT_EQ(ParseCommand("PASS ").rest, "");
  EXPECT_EQ(ParseCommand("PASS a b ").rest, "a b ");
  EXPECT_EQ(ParseCommand("PASS  a").rest, " a");
  EXPECT_EQ(ParseCommand("PASS \xFF").rest, "\xFF");
}

TEST(SplitArguments, WordsBetweenBlanks) {
  EXPECT_EQ(SplitArguments("").count, 0);
  EXPECT_EQ(SplitArguments("   ").count, 0);
  const Arguments one = SplitArguments(" 1  ");
  EXPECT_EQ(one.count, 1);
  EXPECT_EQ(one.first, "1");
  EXPECT_EQ(one.second, "");
  const Arguments two = SplitArguments("1   22 ");
  EXPECT_EQ(two.count, 2);
  EXPECT_EQ(two.first, "1");
  EXPECT_EQ(two.second, "22");
  EXPECT_EQ(SplitArguments("1 2 3").count, 3);
  EXPECT_EQ(SplitArguments("1 2 3 4 5").count, 3);
}

TEST(ParseNumber, DigitsOnlyAndTheLargestForAllBeyond) {
  EXPECT_EQ(ParseNumber("0"), 0u);
  EXPECT_EQ(ParseNumber("1"), 1u);
  EXPECT_EQ(ParseNumber("007"), 7u);
  for (const char* text : {"4294967295", "4294967296", "4294967297", "18446744073709551617"}) {
    EXPECT_EQ(ParseNumber(text), 4294967295u) << text;
  }
  for (const char* text : {"", " 1", "1 ", "-1", "-0", "+1", "1e3", "0x1", "one", "1.5", "\xC2\xB2",
                           "4294967296x", "-4294967296"}) {
    EXPECT_EQ(ParseNumber(text), std::nullopt) << text;
  }
}

TEST(HasControlByte, FindsThemAnywhere) {
  for (int byte = 0; byte < 256; ++byte) {
    std::string text = "NOOP";
    text[3] = static_cast<char>(byte);
    EXPECT_EQ(HasControlByte(text), byte < 0x20 || byte == 0x7F) << byte;
  }
  EXPECT_FALSE(HasControlByte(""));
}

}  // namespace
}  // namespace poplar::pop3
