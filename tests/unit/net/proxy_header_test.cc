#include "core/net/proxy_header.h"

#include <gtest/gtest.h>

#include <string>

namespace poplar::net {
namespace {

using std::string_literals::operator""s;

ProxyParse Parse(const std::string& bytes, ProxyHeader& header) {
  return ParseProxyHeader(bytes, header);
}
ProxyParse Parse(const std::string& bytes) {
  ProxyHeader header;
  return ParseProxyHeader(bytes, header);
}

std::string Number(size_t number) {
  return {static_cast<char>(number >> 8), static_cast<char>(number)};
}
std::string Tlv(char type, const std::string& value) {
  return std::string(1, type) + Number(value.size()) + value;
}
std::string V2(char command, char family, const std::string& body) {
  return "\r\n\r\n\0\r\nQUIT\n"s + command + family + Number(body.size()) + body;
}
const std::string kIpv4 = "\xC0\x00\x02\x01\xCB\x00\x71\x05\x27\x0F\x03\xE3"s;

TEST(ProxyHeaderTest, Version1OfIpv4) {
  ProxyHeader header;
  const std::string text = "PROXY TCP4 192.0.2.1 203.0.113.5 9999 995\r\n";
  ASSERT_EQ(Parse(text + "USER alice\r\n", header), ProxyParse::kDone);
  EXPECT_EQ(header.bytes, text.size());
  ASSERT_TRUE(header.client.has_value());
  EXPECT_EQ(header.client->Text(), "192.0.2.1:9999");
  EXPECT_FALSE(header.tls.has_value());
}

TEST(ProxyHeaderTest, Version1OfIpv6) {
  ProxyHeader header;
  ASSERT_EQ(Parse("PROXY TCP6 2001:db8::1 2001:db8::2 65535 110\r\n", header), ProxyParse::kDone);
  EXPECT_EQ(header.client->Text(), "[2001:db8::1]:65535");
  ASSERT_EQ(Parse("PROXY TCP6 ::ffff:192.0.2.1 2001:db8::2 1 110\r\n", header), ProxyParse::kDone);
  EXPECT_EQ(header.client->Text(), "192.0.2.1:1");
}

TEST(ProxyHeaderTest, Version1Unknown) {
  ProxyHeader header;
  ASSERT_EQ(Parse("PROXY UNKNOWN\r\n", header), ProxyParse::kDone);
  EXPECT_FALSE(header.client.has_value());
  ASSERT_EQ(Parse("PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n", header), ProxyParse::kDone);
  EXPECT_FALSE(header.client.has_value());
}

TEST(ProxyHeaderTest, Version1ThatIsWrong) {
  for (const char* text :
       {"PROXY TCP4 192.0.2.1 203.0.113.5 9999\r\n",
        "PROXY TCP4 192.0.2.1 203.0.113.5 9999 995 1\r\n",
        "PROXY TCP4 192.0.2 203.0.113.5 9999 995\r\n", "PROXY TCP4 2001:db8::1 203.0.113.5 1 2\r\n",
        "PROXY TCP4 192.0.2.1 203.0.113.5 65536 995\r\n",
        "PROXY TCP4 192.0.2.1 203.0.113.5 1 x\r\n", "PROXY TCP4 192.0.2.1 203.0.113.5 01 995\r\n",
        "PROXY TCP4 192.0.2.1  203.0.113.5 1 2\r\n", "PROXY UDP4 192.0.2.1 203.0.113.5 1 2\r\n",
        "PROXY \r\n", "PROXY\r\n", "proxy TCP4\r\n", "USER alice\r\n", "\x16\x03\x01"}) {
    EXPECT_EQ(Parse(text), ProxyParse::kWrong) << text;
  }
  EXPECT_EQ(Parse("PROXY UNKNOWN " + std::string(200, 'x')), ProxyParse::kWrong);
}

TEST(ProxyHeaderTest, Version2OfIpv4) {
  ProxyHeader header;
  const std::string text = V2(0x21, 0x11, kIpv4);
  ASSERT_EQ(Parse(text + "more", header), ProxyParse::kDone);
  EXPECT_EQ(header.bytes, text.size());
  EXPECT_EQ(header.client->Text(), "192.0.2.1:9999");
}

TEST(ProxyHeaderTest, Version2OfIpv6) {
  ProxyHeader header;
  const std::string ip = "\x20\x01\x0D\xB8"s + std::string(11, '\0') + "\x01";
  ASSERT_EQ(Parse(V2(0x21, 0x21, ip + ip + "\x00\x07\x00\x6E"s), header), ProxyParse::kDone);
  EXPECT_EQ(header.client->Text(), "[2001:db8::1]:7");
}

TEST(ProxyHeaderTest, Version2OfTheProxyItself) {
  ProxyHeader header;
  ASSERT_EQ(Parse(V2(0x20, 0x00, ""), header), ProxyParse::kDone);
  EXPECT_FALSE(header.client.has_value());
  // What stands there is not looked at.
  ASSERT_EQ(Parse(V2(0x20, 0x11, kIpv4), header), ProxyParse::kDone);
  EXPECT_FALSE(header.client.has_value());
  ASSERT_EQ(Parse(V2(0x21, 0x00, "something"), header), ProxyParse::kDone);
  EXPECT_FALSE(header.client.has_value());
}

TEST(ProxyHeaderTest, Version2TellsOfTls) {
  ProxyHeader header;
  const std::string verified = "\x07\0\0\0\0"s;
  const std::string ssl = verified + Tlv(0x21, "TLSv1.3") + Tlv(0x22, "alice@example.org");
  const std::string body = kIpv4 + Tlv(0x02, "mail.example.org") + Tlv(0x20, ssl) + Tlv(0x30, "?");
  ASSERT_EQ(Parse(V2(0x21, 0x11, body), header), ProxyParse::kDone);
  EXPECT_EQ(header.server_name, "mail.example.org");
  ASSERT_TRUE(header.tls.has_value());
  EXPECT_EQ(header.tls->version, "TLSv1.3");
  EXPECT_EQ(header.tls->common_name, "alice@example.org");
}

TEST(ProxyHeaderTest, ACertificateThatWasNotVerifiedNamesNobody) {
  ProxyHeader header;
  for (const std::string& head : {"\x07\0\0\0\x01"s, "\x01\0\0\0\0"s}) {
    const std::string body = kIpv4 + Tlv(0x20, head + Tlv(0x22, "alice@example.org"));
    ASSERT_EQ(Parse(V2(0x21, 0x11, body), header), ProxyParse::kDone);
    ASSERT_TRUE(header.tls.has_value());
    EXPECT_EQ(header.tls->common_name, "");
  }
  const std::string clear = kIpv4 + Tlv(0x20, "\0\0\0\0\0"s);
  ASSERT_EQ(Parse(V2(0x21, 0x11, clear), header), ProxyParse::kDone);
  EXPECT_FALSE(header.tls.has_value());
}

TEST(ProxyHeaderTest, Version2ThatIsWrong) {
  EXPECT_EQ(Parse(V2(0x11, 0x11, kIpv4)), ProxyParse::kWrong);
  EXPECT_EQ(Parse(V2(0x22, 0x11, kIpv4)), ProxyParse::kWrong);
  EXPECT_EQ(Parse(V2(0x21, 0x12, kIpv4)), ProxyParse::kWrong);  // UDP
  EXPECT_EQ(Parse(V2(0x21, 0x11, kIpv4.substr(1))), ProxyParse::kWrong);
  EXPECT_EQ(Parse(V2(0x21, 0x11, kIpv4 + "\x02\0"s)), ProxyParse::kWrong);
  EXPECT_EQ(Parse(V2(0x21, 0x11, kIpv4 + "\x02"s + Number(5) + "abcd")), ProxyParse::kWrong);
  EXPECT_EQ(Parse(V2(0x21, 0x11, kIpv4 + Tlv(0x20, "\x01\0"s))), ProxyParse::kWrong);
  EXPECT_EQ(Parse(V2(0x21, 0x11, kIpv4 + std::string(5000, '\0'))), ProxyParse::kWrong);
}

TEST(ProxyHeaderTest, CutAnywhereItWaitsForMore) {
  const std::string verified = "\x07\0\0\0\0"s;
  for (const std::string& whole :
       {"PROXY TCP4 192.0.2.1 203.0.113.5 9999 995\r\n"s,
        V2(0x21, 0x11, kIpv4 + Tlv(0x20, verified + Tlv(0x21, "TLSv1.3")))}) {
    for (size_t bytes = 0; bytes < whole.size(); ++bytes) {
      EXPECT_EQ(Parse(whole.substr(0, bytes)), ProxyParse::kMore) << bytes;
    }
    EXPECT_EQ(Parse(whole), ProxyParse::kDone);
  }
}

}  // namespace
}  // namespace poplar::net
