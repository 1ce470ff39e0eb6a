#include "core/base/ip.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace poplar::base {
namespace {

using std::string_literals::operator""s;
using ::testing::HasSubstr;

IpAddress Ip(std::string_view text) { return IpAddress::Parse(text).value(); }
IpNetwork Network(std::string_view text) { return IpNetwork::Parse(text).value(); }

std::string FaultOf(std::string_view text) {
  const StatusOr<IpNetwork> network = IpNetwork::Parse(text);
  return network.ok() ? "" : std::string(Message(network.status()));
}

TEST(IpAddress, ReadsWhatItWrites) {
  for (const char* const text : {"0.0.0.0", "192.0.2.1", "255.255.255.255", "::", "2001:db8::1"}) {
    EXPECT_EQ(Ip(text).Text(), text);
  }
  EXPECT_FALSE(Ip("192.0.2.1").is_ipv6);
  EXPECT_TRUE(Ip("::1").is_ipv6);
  EXPECT_EQ(Ip("2001:DB8:0::1"), Ip("2001:db8::1"));
}

TEST(IpAddress, MappedIntoIpv6ItIsIpv4) {
  EXPECT_EQ(Ip("::ffff:192.0.2.1"), Ip("192.0.2.1"));
  EXPECT_EQ(Ip("::FFFF:c000:201").Text(), "192.0.2.1");
  EXPECT_TRUE(Ip("::fffe:c000:201").is_ipv6);
  EXPECT_TRUE(Ip("::192.0.2.1").is_ipv6);
}

TEST(IpAddress, WhatIsNone) {
  for (const std::string& text :
       {""s, "192.0.2"s, "192.0.2.256"s, "192.0.2.1 "s, " ::1"s, "[::1]"s, "fe80::1%lo"s, "host"s,
        "192.0.2.1:110"s, "1::2::3"s, "192.0.2.1\0"s, "192.0.2.1\0x"s, std::string(200, '1'),
        std::string(200, ':')}) {
    EXPECT_FALSE(IpAddress::Parse(text).has_value()) << text;
  }
}

TEST(IpNetwork, ContainsWhatBeginsAlike) {
  const IpNetwork network = Network("10.32.0.0/11");
  EXPECT_TRUE(network.Contains(Ip("10.32.0.0")));
  EXPECT_TRUE(network.Contains(Ip("10.63.255.255")));
  EXPECT_FALSE(network.Contains(Ip("10.64.0.0")));
  EXPECT_FALSE(network.Contains(Ip("10.31.255.255")));
  EXPECT_FALSE(network.Contains(Ip("11.32.0.0")));

  const IpNetwork of_ipv6 = Network("2001:db8:80::/41");
  EXPECT_TRUE(of_ipv6.Contains(Ip("2001:db8:ff:ffff::1")));
  EXPECT_FALSE(of_ipv6.Contains(Ip("2001:db8:7f::1")));
}

TEST(IpNetwork, OfAllAndOfOne) {
  EXPECT_TRUE(Network("0.0.0.0/0").Contains(Ip("203.0.113.9")));
  EXPECT_TRUE(Network("::/0").Contains(Ip("2001:db8::1")));
  EXPECT_TRUE(Network("192.0.2.7").Contains(Ip("192.0.2.7")));
  EXPECT_FALSE(Network("192.0.2.7").Contains(Ip("192.0.2.6")));
  EXPECT_TRUE(Network("::1/128").Contains(Ip("::1")));
  EXPECT_FALSE(Network("::1").Contains(Ip("::")));
}

TEST(IpNetwork, FamiliesStayApart) {
  EXPECT_FALSE(Network("::/0").Contains(Ip("10.0.0.1")));
  EXPECT_FALSE(Network("0.0.0.0/0").Contains(Ip("::1")));
  // The first octets are the same.
  EXPECT_FALSE(Network("32.1.13.184/32").Contains(Ip("2001:db8::1")));
  EXPECT_TRUE(Network("10.0.0.0/8").Contains(Ip("::ffff:10.1.2.3")));
  EXPECT_EQ(Network("::ffff:10.0.0.0/104"), Network("10.0.0.0/8"));
}

TEST(IpNetwork, TextIsWhatParseReads) {
  for (const char* const text : {"10.0.0.0/8", "0.0.0.0/0", "192.0.2.7", "::/0", "2001:db8::/32"}) {
    EXPECT_EQ(Network(text).Text(), text);
  }
  EXPECT_EQ(Network("192.0.2.7/32").Text(), "192.0.2.7");
}

TEST(IpNetwork, FaultsSayWhatToWrite) {
  for (const char* const text : {"", "/8", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/8x",
                                 "10.0.0.0/8/8", "::/129", "10/8", "example.org", "10.0.0.0 /8"}) {
    EXPECT_THAT(FaultOf(text), HasSubstr("write one like \"10.0.0.0/8\"")) << text;
  }
  EXPECT_EQ(FaultOf("10.1.2.3/8"),
            "\"10.1.2.3/8\" is no network; write \"10.0.0.0/8\", or \"10.1.2.3\" alone");
  EXPECT_THAT(FaultOf("::ffff:0:0/90"), HasSubstr("as an IPv4 network"));
}

}  // namespace
}  // namespace poplar::base
