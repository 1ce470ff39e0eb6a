#include "core/proto/lmtp/command.h"

#include <gtest/gtest.h>

#include <limits>
#include <string>

#include "core/proto/lmtp/replies.h"

namespace poplar::lmtp {
namespace {

TEST(ParseCommand, VerbsInEitherCase) {
  EXPECT_EQ(ParseCommand("LHLO x").verb, Verb::kLhlo);
  EXPECT_EQ(ParseCommand("mail from:<>").verb, Verb::kMail);
  EXPECT_EQ(ParseCommand("HELO x").verb, Verb::kHelo);
  EXPECT_EQ(ParseCommand("ehlo x").verb, Verb::kHelo);
  EXPECT_EQ(ParseCommand("Quit").verb, Verb::kQuit);
  EXPECT_EQ(ParseCommand("QUIT   ").rest, "");
  EXPECT_EQ(ParseCommand("NOOP  a  b  ").rest, "a  b");
}

TEST(ParseCommand, WhatIsNoVerb) {
  for (const char* const line : {"", " ", "QUITX", "QUI", " QUIT", "DATA\t", "unknown", "\xff"}) {
    EXPECT_EQ(ParseCommand(line).verb, Verb::kUnknown) << line;
  }
}

std::string_view Mail(std::string_view rest, MailArguments* arguments = nullptr) {
  static MailArguments ignored;
  return ParseMail(rest, false, arguments == nullptr ? ignored : *arguments);
}

TEST(ParseMail, ParametersOfImports) {
  MailArguments arguments;
  EXPECT_EQ(ParseMail("FROM:<> XUIDL=+21+7E XRECEIVED=-1000000000000000000", true, arguments), "");
  EXPECT_EQ(arguments.uidl, "!~");
  EXPECT_EQ(arguments.received_us, -1'000'000'000'000'000'000);
  EXPECT_EQ(ParseMail("FROM:<>", true, arguments), "");
  EXPECT_EQ(arguments.uidl, "");
  EXPECT_FALSE(arguments.received_us.has_value());
  for (const char* const bad :
       {"XUIDL=+", "XUIDL=+2", "XUIDL=+GG", "XUIDL=+80", "XUIDL=a=b", "XUIDL", "XRECEIVED",
        "XRECEIVED=", "XRECEIVED=-", "XRECEIVED=+1"}) {
    const std::string rest = std::string("FROM:<> ") + bad;
    EXPECT_TRUE(ParseMail(rest, true, arguments).starts_with("501 5.5.4")) << bad;
    EXPECT_TRUE(ParseMail(rest, false, arguments).starts_with("555 5.5.4")) << bad;
  }
}

TEST(ParseMail, Parameters) {
  MailArguments arguments;
  EXPECT_EQ(Mail("FROM:<a@b> SIZE=123 BODY=8BITMIME SMTPUTF8", &arguments), "");
  EXPECT_EQ(arguments.path.address, "a@b");
  EXPECT_EQ(arguments.declared_octets, 123u);
  EXPECT_TRUE(arguments.smtputf8);
  EXPECT_EQ(Mail("from: <>  size=0  body=7bit", &arguments), "");
  EXPECT_TRUE(arguments.path.is_null());
  EXPECT_FALSE(arguments.smtputf8);
  EXPECT_EQ(Mail("FROM:<root>"), "");
}

TEST(ParseMail, HugeSizesSaturate) {
  MailArguments arguments;
  EXPECT_EQ(Mail("FROM:<> SIZE=18446744073709551615", &arguments), "");
  EXPECT_EQ(arguments.declared_octets, std::numeric_limits<uint64_t>::max());
  EXPECT_EQ(Mail("FROM:<> SIZE=18446744073709551616", &arguments), "");
  EXPECT_EQ(arguments.declared_octets, std::numeric_limits<uint64_t>::max());
  EXPECT_EQ(Mail("FROM:<> SIZE=99999999999999999999", &arguments), "");
  EXPECT_EQ(arguments.declared_octets, std::numeric_limits<uint64_t>::max());
}

TEST(ParseMail, Faults) {
  EXPECT_EQ(Mail(""), reply::kMailSyntax);
  EXPECT_EQ(Mail("<a@b>"), reply::kMailSyntax);
  EXPECT_EQ(Mail("TO:<a@b>"), reply::kMailSyntax);
  EXPECT_EQ(Mail("FROM:a@b"), reply::kBadSender);
  EXPECT_EQ(Mail("FROM:<a@b>SIZE=1"), reply::kBadSender);
  EXPECT_EQ(Mail("FROM:<" + std::string(400, 'a') + "@b>"), reply::kAddressTooLong);
  for (const char* const size :
       {"SIZE", "SIZE=", "SIZE=x", "SIZE=-1", "SIZE=+1", "SIZE=1x", "SIZE=000000000000000000001"}) {
    EXPECT_EQ(Mail(std::string("FROM:<> ") + size), reply::kBadSize) << size;
  }
  EXPECT_EQ(Mail("FROM:<> BODY=BINARYMIME"), reply::kBadBody);
  EXPECT_EQ(Mail("FROM:<> BODY"), reply::kBadBody);
  EXPECT_EQ(Mail("FROM:<> SMTPUTF8=1"), reply::kBadSmtputf8);
  EXPECT_EQ(Mail("FROM:<> AUTH=<>"), reply::kUnknownParameter);
  EXPECT_EQ(Mail("FROM:<> RET=FULL"), reply::kUnknownParameter);
  EXPECT_EQ(Mail("FROM:<> SIZE=1 SIZE=1"), reply::kParameterTwice);
  EXPECT_EQ(Mail("FROM:<> BODY=7BIT BODY=7BIT"), reply::kParameterTwice);
  EXPECT_EQ(Mail("FROM:<> SMTPUTF8 SMTPUTF8"), reply::kParameterTwice);
  EXPECT_EQ(Mail("FROM:<ü@b>"), reply::kNonAsciiSender);
  EXPECT_EQ(Mail("FROM:<ü@b> SMTPUTF8"), "");
}

TEST(ParseRcpt, Paths) {
  Path path;
  EXPECT_EQ(ParseRcpt("TO:<a@b>", false, path), "");
  EXPECT_EQ(path.address, "a@b");
  EXPECT_EQ(ParseRcpt("to: <Postmaster>", false, path), "");
  EXPECT_EQ(ParseRcpt("TO:<a>", false, path), reply::kBadRecipient);
  EXPECT_EQ(ParseRcpt("TO:<>", false, path), reply::kBadRecipient);
  EXPECT_EQ(ParseRcpt("TO:a@b", false, path), reply::kBadRecipient);
  EXPECT_EQ(ParseRcpt("<a@b>", false, path), reply::kRcptSyntax);
  EXPECT_EQ(ParseRcpt("TO:<a@b> NOTIFY=NEVER", false, path), reply::kUnknownParameter);
  EXPECT_EQ(ParseRcpt("TO:<ü@b>", false, path), reply::kNonAsciiRecipient);
  EXPECT_EQ(ParseRcpt("TO:<ü@b>", true, path), "");
  EXPECT_EQ(ParseRcpt("TO:<" + std::string(400, 'a') + "@b>", true, path), reply::kAddressTooLong);
}

TEST(ParseBdat, Sizes) {
  BdatArguments arguments;
  EXPECT_EQ(ParseBdat("0", arguments), "");
  EXPECT_FALSE(arguments.last);
  EXPECT_EQ(ParseBdat("86400 last", arguments), "");
  EXPECT_EQ(arguments.octets, 86400u);
  EXPECT_TRUE(arguments.last);
  for (const char* const bad :
       {"", "LAST", "x", "-1", "1 LAS", "1 LAST x", "1LAST", "111111111111111111111"}) {
    EXPECT_EQ(ParseBdat(bad, arguments), reply::kBadBdat) << bad;
  }
}

}  // namespace
}  // namespace poplar::lmtp
