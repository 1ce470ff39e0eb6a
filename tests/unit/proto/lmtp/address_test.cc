#include "core/proto/lmtp/address.h"

#include <gtest/gtest.h>

#include <string>

#include "core/base/limits.h"

namespace poplar::lmtp {
namespace {

std::string Address(std::string_view text) {
  Path path;
  if (ParsePath(text, path) != PathResult::kOk) return "fault";
  return path.address + (text.empty() ? "" : " left: " + std::string(text));
}

TEST(ParsePath, Mailboxes) {
  EXPECT_EQ(Address("<a@b>"), "a@b");
  EXPECT_EQ(Address("<A.b+c=d@Mail.Example.COM>"), "A.b+c=d@Mail.Example.COM");
  EXPECT_EQ(Address("<!#$%&'*+-/=?^_`{|}~@x.y>"), "!#$%&'*+-/=?^_`{|}~@x.y");
  EXPECT_EQ(Address("<a@b> SIZE=1"), "a@b left:  SIZE=1");
  EXPECT_EQ(Address("<postmaster>"), "postmaster");
}

TEST(ParsePath, NullPath) {
  std::string_view text = "<>";
  Path path;
  ASSERT_EQ(ParsePath(text, path), PathResult::kOk);
  EXPECT_TRUE(path.is_null());
  EXPECT_FALSE(path.has_domain);
}

TEST(ParsePath, QuotedLocalPartsAreUnquotedWhereThatIsSafe) {
  EXPECT_EQ(Address("<\"a.b\"@c>"), "a.b@c");
  EXPECT_EQ(Address("<\"a\\b\"@c>"), "ab@c");
  EXPECT_EQ(Address("<\"john doe\"@c>"), "\"john doe\"@c");
  EXPECT_EQ(Address("<\"a@b\"@c>"), "\"a@b\"@c");
  EXPECT_EQ(Address("<\"a>b\"@c>"), "\"a>b\"@c");
  EXPECT_EQ(Address("<\"a\\\"b\\\\\"@c>"), "\"a\\\"b\\\\\"@c");
  EXPECT_EQ(Address("<\"\"@c>"), "\"\"@c");
}

TEST(ParsePath, OriginalIsWhatTheClientWrote) {
  std::string_view text = "<@r,@s.t:\"a\"@b>";
  Path path;
  ASSERT_EQ(ParsePath(text, path), PathResult::kOk);
  EXPECT_EQ(path.address, "a@b");
  EXPECT_EQ(path.original, "@r,@s.t:\"a\"@b");
  EXPECT_TRUE(path.has_domain);
}

TEST(ParsePath, RealMailIsLaxAboutDots) {
  EXPECT_EQ(Address("<a..b@c>"), "a..b@c");
  EXPECT_EQ(Address("<a.@c>"), "a.@c");
  EXPECT_EQ(Address("<a@under_score.example>"), "a@under_score.example");
}

TEST(ParsePath, AddressLiterals) {
  EXPECT_EQ(Address("<a@[192.0.2.1]>"), "a@[192.0.2.1]");
  EXPECT_EQ(Address("<a@[IPv6:2001:db8::1]>"), "a@[IPv6:2001:db8::1]");
  for (const char* const bad : {"<a@[]>", "<a@[1.2.3]>", "<a@[1.2.3.4>", "<a@[IPv6:xyz]>",
                                "<a@[2001:db8::1]>", "<a@[IPv6]>", "<a@[1.2.3.4]x>"}) {
    EXPECT_EQ(Address(bad), "fault") << bad;
  }
}

TEST(ParsePath, Utf8) {
  std::string_view text = "<ü@müller.example>";
  Path path;
  ASSERT_EQ(ParsePath(text, path), PathResult::kOk);
  EXPECT_EQ(path.address, "ü@müller.example");
  EXPECT_FALSE(path.is_ascii);
  // Cut short, overlong, a surrogate, beyond U+10FFFF, a C1 control, Latin-1.
  for (const char* const bad :
       {"<\xc3@b>", "<\xc0\xaf@b>", "<\xed\xa0\x80@b>", "<\xf4\x90\x80\x80@b>", "<\xc2\x85@b>",
        "<\xfc@b>", "<\xe0\x80\x80@b>", "<\xf0\x80\x80\x80@b>", "<\x80@b>"}) {
    EXPECT_EQ(Address(bad), "fault") << bad;
  }
  EXPECT_EQ(Address("<\xe2\x82\xac\xf0\x9f\x93\xac@b>"), "\xe2\x82\xac\xf0\x9f\x93\xac@b");
}

TEST(ParsePath, Faults) {
  for (const std::string_view bad :
       {"",        "a@b",       "<",          "<a",       "<a@",        "<a@>",
        "<@>",     "<@b>",      "<a@b",       "<a b@c>",  "<a@b c>",    "<a@@b>",
        "<a@b@c>", "<a@.b>",    "<a@b.>",     "<a@b..c>", "<a@b\r>",    "<a\nb@c>",
        "<\"a@b>", "<\"a\\\">", "<\"a\"b@c>", "<@r:>",    "<@r a@b>",   "<@r,:a@b>",
        "<@:a@b>", "<<a@b>>",   "<a,b@c>",    "<(x)a@b>", "<a\"b\"@c>", "<\"a\nb\"@c>"}) {
    EXPECT_EQ(Address(bad), "fault") << bad;
  }
  EXPECT_EQ(Address(std::string_view("<a\0b@c>", 7)), "fault");
  EXPECT_EQ(Address(std::string_view("<a@[1.2.3.4\0]>", 14)), "fault");
}

TEST(ParsePath, Lengths) {
  const std::string domain = "@" + std::string(63, 'd') + ".example";
  const std::string fits(kAddressBytesMax - domain.size(), 'a');
  EXPECT_EQ(Address("<" + fits + domain + ">"), fits + domain);
  const std::string longer = "<a" + fits + domain + ">";
  std::string_view text = longer;
  Path path;
  EXPECT_EQ(ParsePath(text, path), PathResult::kTooLong);
  EXPECT_EQ(Address("<a@" + std::string(64, 'd') + ">"), "fault");
  std::string labels = "d";
  while (labels.size() <= 255) labels += ".d";
  EXPECT_EQ(Address("<a@" + labels + ">"), "fault");
}

TEST(IsClientName, DomainsAndLiterals) {
  for (const char* const good :
       {"localhost", "mx1.example.com", "[192.0.2.1]", "[IPv6:::1]", "_dmarc.host", "a-b.c"}) {
    EXPECT_TRUE(IsClientName(good)) << good;
  }
  for (const char* const bad : {"", ".", "a..b", "a b", "mx1 (evil)", "a\r\nb", "[", "[1.2.3.4",
                                "müller.example", "a)b", "a;b", "<a>"}) {
    EXPECT_FALSE(IsClientName(bad)) << bad;
  }
}

TEST(SplitSubaddress, AtTheFirstDelimiter) {
  EXPECT_EQ(SplitSubaddress("user+detail", '+').user, "user");
  EXPECT_EQ(SplitSubaddress("user+detail", '+').detail, "detail");
  EXPECT_EQ(SplitSubaddress("user+a+b", '+').detail, "a+b");
  EXPECT_EQ(SplitSubaddress("user+", '+').user, "user");
  EXPECT_EQ(SplitSubaddress("user-detail", '-').user, "user");
  EXPECT_EQ(SplitSubaddress("user+detail", '-').user, "user+detail");
  EXPECT_EQ(SplitSubaddress("+detail", '+').user, "+detail");
  EXPECT_EQ(SplitSubaddress("user+detail", '\0').user, "user+detail");
  EXPECT_EQ(SplitSubaddress("\"a b+c\"", '+').user, "\"a b+c\"");
}

TEST(WithoutDetail, KeepsTheDomain) {
  EXPECT_EQ(WithoutDetail("user+detail@a+b", '+'), "user@a+b");
  EXPECT_EQ(WithoutDetail("user@d", '+'), "user@d");
  EXPECT_EQ(WithoutDetail("postmaster", '+'), "postmaster");
  EXPECT_EQ(WithoutDetail("\"a@b+c\"@d", '+'), "\"a@b+c\"@d");
}

}  // namespace
}  // namespace poplar::lmtp
