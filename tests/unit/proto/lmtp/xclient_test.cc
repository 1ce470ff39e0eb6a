#include "core/proto/lmtp/xclient.h"

#include <gtest/gtest.h>

#include <string>

#include "core/proto/lmtp/replies.h"
#include "core/proto/lmtp/xtext.h"

namespace poplar::lmtp {
namespace {

Xclient Told(std::string_view rest) {
  Xclient told;
  EXPECT_EQ(ParseXclient(rest, told), "") << rest;
  return told;
}

std::string_view Fault(std::string_view rest) {
  Xclient told;
  return ParseXclient(rest, told);
}

TEST(ParseXclient, TakesAllThatPostfixKnows) {
  const Xclient told = Told(
      "NAME=mx.example ADDR=203.0.113.9 PORT=40312 PROTO=ESMTP HELO=[192.0.2.1] LOGIN=a+40b "
      "DESTADDR=IPV6:2001:db8::1 DESTPORT=24");
  EXPECT_EQ(told.name, "mx.example");
  EXPECT_TRUE(told.tells_address);
  EXPECT_EQ(told.address->Text(), "203.0.113.9");
  EXPECT_EQ(told.port, 40312);
  EXPECT_EQ(told.helo, "[192.0.2.1]");
  EXPECT_EQ(told.login, "a@b");
}

TEST(ParseXclient, WhatIsNotToldHasNoValue) {
  const Xclient told = Told("PROTO=lmtp");
  EXPECT_FALSE(told.name.has_value());
  EXPECT_FALSE(told.tells_address);
  EXPECT_FALSE(told.port.has_value());
  EXPECT_FALSE(told.helo.has_value());
  EXPECT_FALSE(told.login.has_value());
}

TEST(ParseXclient, WhatIsUnavailableIsEmpty) {
  for (const std::string word : {"[UNAVAILABLE]", "[TEMPUNAVAIL]", "[unavailable]"}) {
    std::string rest;
    for (const char* const name : {"NAME", "ADDR", "PORT", "HELO", "LOGIN"}) {
      rest.append(name).append("=").append(word).append(" ");
    }
    const Xclient told = Told(rest);
    EXPECT_EQ(told.name, "");
    EXPECT_TRUE(told.tells_address);
    EXPECT_FALSE(told.address.has_value());
    EXPECT_EQ(told.port, 0);
    EXPECT_EQ(told.helo, "");
    EXPECT_EQ(told.login, "");
  }
}

TEST(ParseXclient, AddressesOfBothFamilies) {
  EXPECT_EQ(Told("ADDR=IPV6:2001:db8::1").address->Text(), "2001:db8::1");
  EXPECT_EQ(Told("addr=ipv6:::1").address->Text(), "::1");
  EXPECT_EQ(Told("ADDR=2001:db8::1").address->Text(), "2001:db8::1");
  EXPECT_EQ(Told("ADDR=IPV6:::ffff:192.0.2.1").address->Text(), "192.0.2.1");
  for (const char* const value : {"IPV6:192.0.2.1", "IPV6:", "[192.0.2.1]", "192.0.2.1+20", "x"}) {
    EXPECT_EQ(Fault(std::string("ADDR=") + value), reply::kBadAttribute) << value;
  }
}

// It gets into a header: what would add a line or a comment to it is no name.
TEST(ParseXclient, NoNameCanSpoilAHeader) {
  for (const char* const value : {"a+0Ab", "a+0D", "a+28b+29", "a+20b", "a+00", "a..b", "+FF"}) {
    EXPECT_EQ(Fault(std::string("NAME=") + value), reply::kBadAttribute) << value;
  }
  EXPECT_EQ(Told("HELO=+28x+29").helo, "");
  EXPECT_EQ(Fault("HELO=a+0Ab"), reply::kBadAttribute);
}

TEST(ParseXclient, Faults) {
  EXPECT_EQ(Fault(""), reply::kMissingArgument);
  EXPECT_EQ(Fault("TTL=3"), reply::kUnknownAttribute);
  EXPECT_EQ(Fault("NAME"), reply::kBadAttribute);
  EXPECT_EQ(Fault("NAME=a NAME=a"), reply::kParameterTwice);
}

TEST(DecodeXtext, DecodesAndRefuses) {
  EXPECT_EQ(DecodeXtext(""), "");
  EXPECT_EQ(DecodeXtext("a+2Bb+3D+20c"), "a+b= c");
  EXPECT_EQ(DecodeXtext("+C3+BC"), "\xc3\xbc");
  for (const char* const text : {"+", "+2", "+2b", "+GG", "a=b", "+0A", "+1F", "+7F", "+00"}) {
    EXPECT_FALSE(DecodeXtext(text).has_value()) << text;
  }
}

}  // namespace
}  // namespace poplar::lmtp
