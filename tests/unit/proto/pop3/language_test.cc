#include "core/proto/pop3/language.h"

#include <gtest/gtest.h>

#include <fstream>
#include <regex>
#include <sstream>
#include <string>
#include <vector>

#include "core/base/utf8.h"
#include "core/proto/pop3/replies.h"

namespace poplar::pop3 {
namespace {

struct Parts {
  std::string head;  // Status and response code.
  std::string text;
  std::string end;
};

Parts Split(const std::string& reply) {
  static const std::regex kForm(R"(((?:(?:\+OK|-ERR)(?: \[[-A-Z0-9/]+\])? )?)([^]*?)((?:\r\n)?))");
  std::smatch match;
  EXPECT_TRUE(std::regex_match(reply, match, kForm)) << reply;
  return {match[1], match[2], match[3]};
}

// Every text that replies.h holds, read from it: none can be forgotten.
std::vector<std::string> Replies() {
  std::ifstream file(POPLAR_REPLIES_H);
  std::stringstream source;
  source << file.rdbuf();
  const std::string text = source.str();
  static const std::regex kConstant(R"re(std::string_view (k\w+) =\s*"([^"]*)";)re");
  std::vector<std::string> replies;
  for (std::sregex_iterator it(text.begin(), text.end(), kConstant), end; it != end; ++it) {
    // Said by status alone, or before anybody could ask for a language.
    if ((*it)[1] == "kOk" || (*it)[1] == "kEndOfList" || (*it)[1] == "kNotForYou") continue;
    replies.push_back(std::regex_replace((*it)[2].str(), std::regex(R"(\\r\\n)"), "\r\n"));
  }
  return replies;
}

TEST(LanguageTest, EveryReplyIsTranslatedAndKeepsItsStatusCodeAndLineEnd) {
  const std::vector<std::string> replies = Replies();
  ASSERT_GT(replies.size(), 50u);
  EXPECT_EQ(replies.front(), reply::kUnknownCommand) << "as the compiler reads it";
  for (const Language& language : Languages().subspan(2)) {
    EXPECT_EQ(language.texts.size(), replies.size()) << language.tag << ": each once";
    for (const std::string& reply : replies) {
      const std::string_view told = language.In(reply);
      ASSERT_NE(told.data(), reply.data()) << language.tag << " lacks: " << reply;
      const Parts before = Split(reply);
      const Parts after = Split(std::string(told));
      EXPECT_EQ(after.head, before.head) << told;
      EXPECT_EQ(after.end, before.end) << told;
      EXPECT_FALSE(after.text.empty()) << told;
      EXPECT_TRUE(base::IsUtf8(told)) << told;
      EXPECT_EQ(after.text.find_first_of("\r\n"), std::string::npos) << told;
      EXPECT_LE(told.size(), 512u) << "RFC 2449 §4";
    }
  }
}

TEST(LanguageTest, WhatATableLacksStaysEnglish) {
  for (const Language& language : Languages()) {
    EXPECT_EQ(language.In("+OK something else\r\n"), "+OK something else\r\n");
    EXPECT_EQ(language.In(reply::kOk), reply::kOk);
  }
}

// RFC 4647 §3.4.
TEST(LanguageTest, RangesAreLookedUp) {
  const auto tag = [](std::string_view range) -> std::string_view {
    const Language* const found = FindLanguage(range);
    return found == nullptr ? "none" : found->tag;
  };
  EXPECT_EQ(tag("*"), "i-default");
  EXPECT_EQ(tag("I-Default"), "i-default");
  EXPECT_EQ(tag("DE"), "de");
  EXPECT_EQ(tag("de-AT"), "de");
  EXPECT_EQ(tag("en-GB-oed"), "en");
  EXPECT_EQ(tag("fr-a-b"), "fr");
  EXPECT_EQ(tag("deu"), "none");
  EXPECT_EQ(tag("d"), "none");
  EXPECT_EQ(tag("x-de"), "none");
  EXPECT_EQ(tag("-"), "none");
  EXPECT_EQ(tag("de--"), "de");
  EXPECT_EQ(tag("i"), "none");
}

}  // namespace
}  // namespace poplar::pop3
