#include "core/setup/domain_name.h"

#include <gtest/gtest.h>

#include <string>

namespace poplar::setup {
namespace {

TEST(DomainName, AsDnsHasIt) {
  EXPECT_EQ(AsciiDomain("Example.ORG"), "example.org");
  EXPECT_EQ(AsciiDomain("b\u00fccher.example"), "xn--bcher-kva.example");
  EXPECT_EQ(AsciiDomain("xn--bcher-kva.example"), "xn--bcher-kva.example");
  EXPECT_EQ(AsciiDomain("localhost"), "localhost");
  for (const std::string& wrong :
       {std::string(), std::string("a..b"), std::string(".a"), std::string("a."),
        std::string("a b.example"), std::string("a<b.example"), std::string("-a.example"),
        std::string("a\0b.example", 11), std::string("\xff\xfe.example"),
        std::string(64, 'a') + ".example", std::string(300, 'a')}) {
    EXPECT_EQ(AsciiDomain(wrong), "") << wrong;
  }
}

TEST(DomainName, AsPeopleWriteIt) {
  EXPECT_EQ(UnicodeDomain("xn--bcher-kva.example"), "b\u00fccher.example");
  EXPECT_EQ(UnicodeDomain("example.org"), "example.org");
  EXPECT_EQ(UnicodeDomain("xn--\xff"), "xn--\xff");
}

TEST(DomainName, AddressesHaveTwoHalves) {
  EXPECT_EQ(SplitAddress("alice@example.org").user, "alice");
  EXPECT_EQ(SplitAddress("alice@example.org").domain, "example.org");
  EXPECT_EQ(SplitAddress("\"a@b\"@example.org").domain, "example.org");
  for (const std::string& wrong :
       {std::string(), std::string("alice"), std::string("@example.org"), std::string("alice@"),
        std::string("al\nice@example.org"), std::string("al ice@example.org"),
        std::string("al\0ice@example.org", 18), std::string("al\xffice@example.org"),
        std::string(400, 'a') + "@example.org"}) {
    EXPECT_EQ(SplitAddress(wrong).domain, "") << wrong;
  }
}

TEST(DomainName, OthersFindAHostByAWholeName) {
  for (const char* const found : {"pop.example.org", "example.org", "pop.b\u00fccher.example"}) {
    EXPECT_TRUE(IsPublicName(found)) << found;
  }
  for (const char* const lost : {"", "mailhost", "localhost", "localhost.localdomain", "192.0.2.1",
                                 "mail.localhost", ".org", "a b.org"}) {
    EXPECT_FALSE(IsPublicName(lost)) << lost;
  }
}

}  // namespace
}  // namespace poplar::setup
