#include "auth/users/networks.h"

#include <gtest/gtest.h>

#include <string>

namespace poplar::auth {
namespace {

TEST(NetworksTest, AreChecked) {
  for (const char* good : {"", "192.0.2.0/24", "192.0.2.7", "2001:db8::/32,::1", "0.0.0.0/0",
                           "::/0", "10.0.0.0/8,172.16.0.0/12,192.168.0.0/16"}) {
    EXPECT_TRUE(CheckNetworks(good).ok()) << good;
  }
  for (const char* bad :
       {"x", "192.0.2.0/33", "2001:db8::/129", "192.0.2.0/", "192.0.2.0/-1", "192.0.2.0/2x",
        "192.0.2/24", "192.0.2.0/24,,::1", ",::1", "192.0.2.0/24 ", "mail.example.org"}) {
    const Status status = CheckNetworks(bad);
    EXPECT_EQ(status.code(), StatusCode::kInvalidArgument) << bad;
  }
  std::string many;
  while (many.size() <= kNetworksBytesMax) many += many.empty() ? "::1" : ",::1";
  EXPECT_FALSE(CheckNetworks(many).ok());
}

TEST(NetworksTest, HoldTheirAddresses) {
  EXPECT_TRUE(InNetworks("192.0.2.0/24", "192.0.2.255"));
  EXPECT_FALSE(InNetworks("192.0.2.0/24", "192.0.3.0"));
  EXPECT_TRUE(InNetworks("192.0.2.128/25", "192.0.2.128"));
  EXPECT_FALSE(InNetworks("192.0.2.128/25", "192.0.2.127"));
  EXPECT_TRUE(InNetworks("192.0.2.7", "192.0.2.7"));
  EXPECT_FALSE(InNetworks("192.0.2.7", "192.0.2.8"));
  EXPECT_FALSE(InNetworks("192.0.2.7/24", "192.0.2.9")) << "it may be a slip, which holds nobody";
  EXPECT_EQ(CheckNetworks("192.0.2.0/24,192.0.2.7/24").code(), StatusCode::kInvalidArgument);
  EXPECT_TRUE(InNetworks("2001:db8::/33", "2001:db8:7fff::1"));
  EXPECT_FALSE(InNetworks("2001:db8::/33", "2001:db8:8000::1"));
  EXPECT_TRUE(InNetworks("10.0.0.0/8,2001:db8::/32", "2001:db8::1"));
}

TEST(NetworksTest, Ipv4InIpv6IsIpv4) {
  EXPECT_TRUE(InNetworks("192.0.2.0/24", "::ffff:192.0.2.1"));
  EXPECT_TRUE(InNetworks("::ffff:192.0.2.0/120", "192.0.2.1"));
  EXPECT_TRUE(InNetworks("0.0.0.0/0", "203.0.113.1"));
  EXPECT_FALSE(InNetworks("0.0.0.0/0", "2001:db8::1"));
}

TEST(NetworksTest, WhatIsNoAddressIsNowhere) {
  for (const char* none : {"", "unix", "192.0.2", "::/0"}) {
    EXPECT_FALSE(InNetworks("0.0.0.0/0,::/0", none)) << none;
  }
  EXPECT_FALSE(InNetworks("", "192.0.2.1"));
}

}  // namespace
}  // namespace poplar::auth
