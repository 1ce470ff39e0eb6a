#include "core/app/transfer/uidl_format.h"

#include <gtest/gtest.h>

namespace poplar::app {
namespace {

std::string Expanded(std::string_view format) {
  const auto parsed = UidlFormat::Parse(format);
  if (!parsed.ok()) return "error: " + std::string(Message(parsed.status()));
  return parsed->Expand({.uid = 43981,
                         .uid_validity = 1'275'660'208,
                         .filename = "1275.M1.Host,S=5",
                         .guid = "3085f01b"});
}

// What Dovecot 2.3.19 says for the same message.
TEST(UidlFormat, AsDovecotExpands) {
  EXPECT_EQ(Expanded(kDefaultUidlFormat), "0000abcd4c0907b0");
  EXPECT_EQ(Expanded("%u"), "43981");
  EXPECT_EQ(Expanded("%v.%u"), "1275660208.43981");
  EXPECT_EQ(Expanded("UID%u-%v"), "UID43981-1275660208");
  EXPECT_EQ(Expanded("%f"), "1275.M1.Host,S=5");
  EXPECT_EQ(Expanded("%g"), "3085f01b");
  EXPECT_EQ(Expanded("%Lf %Uf"), "1275.m1.host,s=5 1275.M1.HOST,S=5");
  EXPECT_EQ(Expanded("100%%-%u"), "100%-43981");
  EXPECT_EQ(Expanded("%{uid}.%{uidvalidity}"), "43981.1275660208");
  EXPECT_EQ(Expanded("%08X{uid}"), "0000abcd");
}

TEST(UidlFormat, ModifiersGoInOrder) {
  EXPECT_EQ(Expanded("%XUu"), "ABCD");
  EXPECT_EQ(Expanded("%UXu"), "abcd");
  EXPECT_EQ(Expanded("%Xf%u"), "043981");  // What is no number is 0.
}

TEST(UidlFormat, WidthAndOffset) {
  EXPECT_EQ(Expanded("%3u"), "439");
  EXPECT_EQ(Expanded("%9u"), "43981");
  EXPECT_EQ(Expanded("%03u"), "43981");
  EXPECT_EQ(Expanded("%2.u"), "981");
  EXPECT_EQ(Expanded("%2.2u"), "98");
  EXPECT_EQ(Expanded("%-2.u"), "81");
  EXPECT_EQ(Expanded("%-9.u"), "43981");
  EXPECT_EQ(Expanded("%1.-1u"), "398");
  EXPECT_EQ(Expanded("%9.u%u"), "43981");
}

TEST(UidlFormat, AsDovecot24Says) {
  EXPECT_EQ(Expanded("%{uid | hex(8)}%{uidvalidity | hex(8)}"), "0000abcd4c0907b0");
  EXPECT_EQ(Expanded("%{uid|hex|upper}"), "ABCD");
  EXPECT_EQ(Expanded("%{uid | md5}"), Expanded("%Mu"));
}

// As `printf 43981 | md5sum` says.
TEST(UidlFormat, Digests) {
  EXPECT_EQ(Expanded("%Mu"), "20f67cf04a6b254f71a4079ac1b0c10b");
  EXPECT_EQ(Expanded("%8.4Mu"), std::string("20f67cf04a6b254f71a4079ac1b0c10b").substr(8, 4));
}

TEST(UidlFormat, WhatIsNotKnownIsRefused) {
  for (const char* const bad : {"", "%v", "fixed", "%m", "%x", "%Hu", "%", "%08", "%{uid", "%{x}",
                                "%{uid | hash}", "%{uid | hex(8}", "%{uid | hex)}", "%{}"}) {
    EXPECT_TRUE(Expanded(bad).starts_with("error: pop3_uidl_format: ")) << bad;
  }
  EXPECT_NE(Expanded("%m").find("import pop3"), std::string::npos);
}

}  // namespace
}  // namespace poplar::app
