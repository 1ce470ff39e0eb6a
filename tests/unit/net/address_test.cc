#include "core/net/address.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>

#include <cstring>
#include <vector>

namespace poplar::net {
namespace {

TEST(Address, ReadsAndWritesTheSameText) {
  for (const char* text : {"127.0.0.1:1110", "0.0.0.0:0", "192.0.2.255:65535", "[::1]:995",
                           "[2001:db8::1]:110", "unix:/run/poplar/lmtp"}) {
    const StatusOr<Address> address = Address::Parse(text);
    ASSERT_TRUE(address.ok()) << address.status();
    EXPECT_EQ(address->Text(), text);
    sockaddr_storage storage;
    const socklen_t bytes = address->ToSockaddr(storage);
    EXPECT_EQ(Address::FromSockaddr(storage, bytes), *address);
  }
  EXPECT_EQ(Address::Parse("/run/lmtp")->Text(), "unix:/run/lmtp");
  EXPECT_EQ(Address::Parse("[2001:db8::1]:110")->HostText(), "2001:db8::1");
  EXPECT_EQ(Address().Text(), "unix");
}

TEST(Address, SaysWhatIsWrong) {
  for (const std::string text :
       {"", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:-1", "127.0.0.1:11 ",
        "localhost:110", "::1:110", "[::1", "[]:1", "[127.0.0.1]:1", "[::g]:1", "unix:"}) {
    const StatusOr<Address> address = Address::Parse(text);
    ASSERT_FALSE(address.ok()) << text;
    EXPECT_EQ(address.status().code(), StatusCode::kInvalidArgument);
    EXPECT_NE(Message(address.status()).find("\"" + text + "\""), std::string_view::npos);
  }
  EXPECT_FALSE(Address::Parse("unix:/" + std::string(107, 'x')).ok());
  EXPECT_TRUE(Address::Parse("unix:/" + std::string(106, 'x')).ok());
}

TEST(Address, KnowsThisMachine) {
  EXPECT_TRUE(Address::Parse("127.0.0.1:1")->is_loopback());
  EXPECT_TRUE(Address::Parse("127.255.0.9:1")->is_loopback());
  EXPECT_TRUE(Address::Parse("[::1]:1")->is_loopback());
  EXPECT_TRUE(Address::Parse("/x")->is_loopback());
  EXPECT_FALSE(Address::Parse("128.0.0.1:1")->is_loopback());
  EXPECT_FALSE(Address::Parse("[::2]:1")->is_loopback());
  EXPECT_FALSE(Address::Parse("[::]:1")->is_loopback());
  EXPECT_FALSE(Address::Parse("[1::1]:1")->is_loopback());
}

TEST(Address, IsInANetworkOfItsFamily) {
  const std::vector<base::IpNetwork> networks = {*base::IpNetwork::Parse("10.0.0.0/8"),
                                                 *base::IpNetwork::Parse("2001:db8::/32")};
  EXPECT_TRUE(Address::Parse("10.1.2.3:1")->IsIn(networks));
  EXPECT_TRUE(Address::Parse("[2001:db8::7]:1")->IsIn(networks));
  EXPECT_FALSE(Address::Parse("11.1.2.3:1")->IsIn(networks));
  EXPECT_FALSE(Address::Parse("/run/x")->IsIn(networks));
  EXPECT_FALSE(Address().IsIn(std::vector{*base::IpNetwork::Parse("0.0.0.0/0")}));
  EXPECT_FALSE(Address::Parse("10.1.2.3:1")->IsIn({}));
}

TEST(Address, MappedIpv4IsIpv4) {
  sockaddr_in6 in{};
  in.sin6_family = AF_INET6;
  in.sin6_port = htons(7);
  ASSERT_EQ(inet_pton(AF_INET6, "::ffff:127.0.0.1", &in.sin6_addr), 1);
  sockaddr_storage storage{};
  std::memcpy(&storage, &in, sizeof(in));
  const Address address = Address::FromSockaddr(storage, sizeof(in));
  EXPECT_EQ(address.Text(), "127.0.0.1:7");
  EXPECT_TRUE(address.is_loopback());
}

}  // namespace
}  // namespace poplar::net
