#include "core/server/settings.h"

#include <gtest/gtest.h>

#include "core/base/limits.h"

namespace poplar::server {
namespace {

TEST(Settings, UnitsAreThoseOfTheDrivers) {
  tenant::Config config;
  config.pop3.idle_timeout_s = 600;
  config.pop3.login_timeout_s = 60;
  config.pop3.output_buffer_kib = 64;
  config.lmtp.idle_timeout_s = 300;
  config.lmtp.message_mib_max = 3;
  const auto settings = MakeSettings(config, {});
  EXPECT_EQ(settings->pop3.idle_timeout_ms, 600'000u);
  EXPECT_EQ(settings->pop3.login_timeout_ms, 60'000u);
  EXPECT_EQ(settings->pop3.session.out_bytes_soft_max, 64u * 1024);
  EXPECT_EQ(settings->lmtp.idle_timeout_ms, 300'000u);
  EXPECT_EQ(settings->lmtp.session.message_octets_max, 3u * 1024 * 1024);
}

TEST(Settings, ThePrivateSocketsHaveLimitsOfTheirOwn) {
  tenant::Config config;
  config.pop3.session_age_max_s = 60;
  config.lmtp.message_mib_max = 1;
  config.auth.mechanisms = {"PLAIN"};
  const auto settings = MakeSettings(config, {});
  EXPECT_FALSE(settings->pop3.session.exports);
  EXPECT_EQ(settings->pop3.session.login.sasl, std::vector<std::string>{"PLAIN"});
  EXPECT_TRUE(settings->exports.session.exports);
  EXPECT_EQ(settings->exports.session.login.sasl, std::vector<std::string>{"EXTERNAL"});
  EXPECT_EQ(settings->exports.session_age_max_ms, 0u);
  EXPECT_FALSE(settings->lmtp.session.imports);
  EXPECT_TRUE(settings->imports.session.imports);
  EXPECT_EQ(settings->imports.session.message_octets_max, kMessageOctetsCeiling);
}

TEST(Settings, WhoSpeaksForOthers) {
  tenant::Config config;
  config.pop3.proxy_networks = {*base::IpNetwork::Parse("10.0.0.0/8")};
  config.lmtp.xclient_networks = {*base::IpNetwork::Parse("::1")};
  const auto settings = MakeSettings(config, {});
  EXPECT_EQ(settings->pop3.proxy_networks, config.pop3.proxy_networks);
  EXPECT_EQ(settings->lmtp.xclient_networks, config.lmtp.xclient_networks);
  EXPECT_TRUE(settings->pop3.xclient_networks.empty());
  EXPECT_FALSE(settings->pop3.common_name_is_user);
  config.tls.client_name = tenant::ClientName::kCommonName;
  EXPECT_TRUE(MakeSettings(config, {})->pop3.common_name_is_user);
}

TEST(Settings, WithoutCertificateNoStls) {
  tenant::Config config;
  EXPECT_FALSE(MakeSettings(config, {})->pop3.session.stls_offered);
}

TEST(Settings, TheConfiguredNameOrElseTheMachines) {
  tenant::Config config;
  config.server.hostname = "mail.example";
  EXPECT_EQ(HostName(config), "mail.example");
  config.server.hostname.clear();
  EXPECT_FALSE(HostName(config).empty());
}

TEST(Settings, NoDelimiterMeansAddressesAreTakenAsTheyAre) {
  tenant::Config config;
  config.lmtp.subaddress_delimiter = "-";
  EXPECT_EQ(MakeSettings(config, {})->lmtp.session.subaddress_delimiter, '-');
  config.lmtp.subaddress_delimiter.clear();
  EXPECT_EQ(MakeSettings(config, {})->lmtp.session.subaddress_delimiter, '\0');
}

// What is configured, in that order, whatever works now: tenants come later.
TEST(Settings, LoginMethods) {
  tenant::Config config;
  const auto by_default = MakeSettings(config, {});
  EXPECT_TRUE(by_default->pop3.session.login.user);
  EXPECT_FALSE(by_default->pop3.apop);
  EXPECT_EQ(by_default->pop3.session.login.sasl, (std::vector<std::string>{"PLAIN", "LOGIN"}));

  config.auth.mechanisms = {"APOP", "PLAIN", "SCRAM-SHA-256"};
  const auto chosen =
      MakeSettings(config, {.tls = nullptr, .work = LoginMechanisms::None(), .run = ""});
  EXPECT_FALSE(chosen->pop3.session.login.user);
  EXPECT_TRUE(chosen->pop3.apop);
  EXPECT_FALSE(chosen->exports.apop);
  EXPECT_EQ(chosen->pop3.session.login.sasl, (std::vector<std::string>{"PLAIN", "SCRAM-SHA-256"}));
}

}  // namespace
}  // namespace poplar::server
