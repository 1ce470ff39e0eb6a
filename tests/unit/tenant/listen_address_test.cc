#include "core/tenant/listen_address.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>

namespace poplar::tenant {
namespace {

TEST(ListenAddress, ReadsIpv4AndIpv6) {
  const auto ipv4 = ListenAddress::Parse("127.0.0.1:1110");
  ASSERT_TRUE(ipv4.ok());
  EXPECT_EQ(ipv4->host, "127.0.0.1");
  EXPECT_EQ(ipv4->port, 1110);
  EXPECT_FALSE(ipv4->is_ipv6());

  const auto ipv6 = ListenAddress::Parse("[0:0::1]:0");
  ASSERT_TRUE(ipv6.ok());
  EXPECT_EQ(ipv6->host, "::1");
  EXPECT_EQ(ipv6->port, 0);
  EXPECT_TRUE(ipv6->is_ipv6());
  EXPECT_EQ(ipv6->ToString(), "[::1]:0");
}

TEST(ListenAddress, RefusesWhatIsNotAnAddressAndAPort) {
  for (const std::string_view text :
       {"", ":", "127.0.0.1", "127.0.0.1:", ":110", "127.0.0.1:65536", "127.0.0.1:-1",
        "127.0.0.1:1 ", "127.0.0.1: 1", "::1:110", "[::1]", "[::1]110", "[127.0.0.1]:110",
        "localhost:110", "127.0.0.1:110x", "127.1:110", "[fe80::1%lo]:110"}) {
    const auto address = ListenAddress::Parse(text);
    ASSERT_FALSE(address.ok()) << text;
    EXPECT_NE(Message(address.status()).find("write one like"), std::string_view::npos);
  }
  EXPECT_FALSE(ListenAddress::Parse(std::string_view("127.0.0.1\0:110", 14)).ok());
}

TEST(ListenAddress, FillsWhatBindTakes) {
  sockaddr_storage storage;
  ASSERT_EQ(ListenAddress::Parse("192.0.2.7:995")->ToSockaddr(storage), sizeof(sockaddr_in));
  const auto& ipv4 = reinterpret_cast<const sockaddr_in&>(storage);
  EXPECT_EQ(ipv4.sin_family, AF_INET);
  EXPECT_EQ(ntohs(ipv4.sin_port), 995);
  EXPECT_EQ(ntohl(ipv4.sin_addr.s_addr), 0xC0000207U);

  ASSERT_EQ(ListenAddress::Parse("[2001:db8::5]:1")->ToSockaddr(storage), sizeof(sockaddr_in6));
  const auto& ipv6 = reinterpret_cast<const sockaddr_in6&>(storage);
  EXPECT_EQ(ipv6.sin6_family, AF_INET6);
  EXPECT_EQ(ntohs(ipv6.sin6_port), 1);
  EXPECT_EQ(ipv6.sin6_addr.s6_addr[15], 5);
}

}  // namespace
}  // namespace poplar::tenant
