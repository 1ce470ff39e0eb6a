#include "core/server/settings.h"

#include <gtest/gtest.h>

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

}  // namespace
}  // namespace poplar::server
