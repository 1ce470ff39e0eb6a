#include "core/proto/pop3/xclient.h"

#include <gtest/gtest.h>

namespace poplar::pop3 {
namespace {

TEST(ParseXclient, WhatDovecotSays) {
  const auto told = ParseXclient("ADDR=203.0.113.9 PORT=40312 SESSION=Vg3GcyQ+A TTL=5");
  ASSERT_TRUE(told.has_value());
  EXPECT_EQ(told->address->Text(), "203.0.113.9");
  EXPECT_EQ(told->port, 40312);
}

TEST(ParseXclient, InAnyOrderAndCase) {
  const auto told = ParseXclient(" port=1  TTL addr=::ffff:192.0.2.1 ");
  ASSERT_TRUE(told.has_value());
  EXPECT_EQ(told->address->Text(), "192.0.2.1");
  EXPECT_EQ(told->port, 1);
}

TEST(ParseXclient, WhatIsNotToldHasNoValue) {
  for (const char* const rest : {"", " ", "SESSION=x", "ADDRESS=x", "PORTX=y", "ADDR"}) {
    const auto told = ParseXclient(rest);
    ASSERT_TRUE(told.has_value()) << rest;
    EXPECT_FALSE(told->address.has_value());
    EXPECT_EQ(told->port, 0);
  }
}

TEST(ParseXclient, Faults) {
  for (const char* const rest :
       {"ADDR=", "ADDR=host", "ADDR=192.0.2.1/32", "ADDR=[::1]", "ADDR=192.0.2.1 ADDR=x",
        "PORT=", "PORT=65536", "PORT=-1", "PORT=1x", "ADDR=IPV6:::1"}) {
    EXPECT_FALSE(ParseXclient(rest).has_value()) << rest;
  }
}

}  // namespace
}  // namespace poplar::pop3
