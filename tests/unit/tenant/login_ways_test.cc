#include "core/tenant/login_ways.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace poplar::tenant {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TenantRules Only(std::string_view mechanisms) {
  TenantRules rules;
  rules.mechanisms = *LoginMechanisms::Parse(mechanisms);
  return rules;
}

BackendConfig Backend(const std::string& name, BackendDriver driver, bool weak_schemes = false) {
  BackendConfig backend;
  backend.name = name;
  backend.driver = driver;
  backend.weak_schemes = weak_schemes;
  return backend;
}

TEST(LoginWaysTest, WithoutRulesWhatIsOffered) {
  const Config config;
  EXPECT_THAT(WaysIn(config, {}), ElementsAre("USER", "PLAIN", "LOGIN"));
  EXPECT_EQ(WhyNobodyLogsIn(config, {}), "");
  EXPECT_THAT(WaysIn(config, Only("PLAIN,EXTERNAL")), ElementsAre("PLAIN"));
  EXPECT_EQ(WhyNobodyLogsIn(config, Only("PLAIN,EXTERNAL")), "");
}

TEST(LoginWaysTest, WhatIsNotOfferedLetsNobodyIn) {
  const Config config;
  EXPECT_THAT(WaysIn(config, Only("EXTERNAL,APOP")), IsEmpty());
  EXPECT_EQ(WhyNobodyLogsIn(config, Only("EXTERNAL,APOP")),
            "nobody can log in: auth.mechanisms does not have APOP; auth.mechanisms does not have "
            "EXTERNAL");
}

TEST(LoginWaysTest, CertificatesNeedSomebodyWhoVouches) {
  Config config;
  config.auth.mechanisms = {"EXTERNAL", "SCRAM-SHA-256-PLUS"};
  EXPECT_EQ(WhyNobodyLogsIn(config, Only("EXTERNAL")),
            "nobody can log in: EXTERNAL needs tls.client_ca");
  config.tls.client_ca = "ca.pem";
  EXPECT_EQ(WhyNobodyLogsIn(config, Only("EXTERNAL")), "");
  EXPECT_EQ(WhyNobodyLogsIn(config, Only("SCRAM-SHA-256-PLUS")), "");
  config.tls.certificate = "";
  EXPECT_EQ(WhyNobodyLogsIn(config, Only("EXTERNAL")),
            "nobody can log in: EXTERNAL needs tls.client_ca");
  EXPECT_EQ(WhyNobodyLogsIn(config, Only("SCRAM-SHA-256-PLUS")),
            "nobody can log in: SCRAM-SHA-256-PLUS needs TLS");
  config.pop3.proxy_networks.push_back(*base::IpNetwork::Parse("192.0.2.0/24"));
  EXPECT_EQ(WhyNobodyLogsIn(config, Only("EXTERNAL")), "");
}

TEST(LoginWaysTest, BackEndsHaveToServeIt) {
  Config config;
  config.auth.mechanisms = {"APOP", "OAUTHBEARER"};
  EXPECT_EQ(WhyNobodyLogsIn(config, {}),
            "nobody can log in: no back end of auth.chain can serve APOP; no back end of "
            "auth.chain can serve OAUTHBEARER");
  config.backends = {Backend("old", BackendDriver::kPasswdFile, /*weak_schemes=*/true),
                     Backend("issuer", BackendDriver::kPlugin)};
  config.auth.chain = {"users", "old", "issuer"};
  EXPECT_THAT(WaysIn(config, {}), ElementsAre("APOP", "OAUTHBEARER"));
  TenantRules rules = Only("APOP");
  rules.auth_chain = "users,old";
  EXPECT_THAT(WaysIn(config, rules), ElementsAre("APOP"));
  rules.auth_chain = "users,issuer";
  EXPECT_EQ(WhyNobodyLogsIn(config, rules),
            "nobody can log in: no back end of its auth_chain can serve APOP");
  rules.weak_schemes = true;
  EXPECT_THAT(WaysIn(config, rules), ElementsAre("APOP"));
  // What a tenant's own chain can do is offered, whatever the server's can.
  config.auth.chain = {"users"};
  rules = Only("OAUTHBEARER");
  rules.auth_chain = "issuer";
  EXPECT_THAT(WaysIn(config, rules), ElementsAre("OAUTHBEARER"));
}

}  // namespace
}  // namespace poplar::tenant
