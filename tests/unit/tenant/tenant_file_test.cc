#include "core/tenant/tenant_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace poplar::tenant {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::vector<std::string> FaultsOf(std::string_view text) {
  std::vector<std::string> faults;
  for (const ConfigFault& fault : ParseTenant(text, "/etc/poplar/tenants.d/acme.toml").faults) {
    faults.push_back(fault.ToString());
  }
  return faults;
}

TEST(TenantFileTest, EverythingThatATenantHas) {
  const ParsedTenant parsed = ParseTenant(R"(
domains = ["acme.example", "acme.test"]
enabled = false
quota_octets = 500_000_000_000
quota_messages = 7
maildrop_quota_octets = 2_000_000_000
maildrop_quota_messages = 3
keep_deleted_days = 30
expire_days = 365
expire_read_days = 0
require_tls = true
sessions_max = 100
subaddress_delimiter = "-"
auth_chain = ["ldap", "users"]
mechanisms = ["SCRAM-SHA-256", "PLAIN"]
)",
                                          "/etc/poplar/tenants.d/acme.toml");
  EXPECT_TRUE(parsed.faults.empty());
  const TenantSpec& tenant = parsed.tenant;
  EXPECT_EQ(tenant.name, "acme");
  EXPECT_EQ(tenant.source, "tenants.d/acme.toml");
  EXPECT_FALSE(tenant.enabled);
  EXPECT_THAT(tenant.domains, ElementsAre("acme.example", "acme.test"));
  EXPECT_EQ(tenant.policy.quota, (Quota{.octets = 500'000'000'000, .messages = 7}));
  EXPECT_EQ(tenant.maildrop_quota, (Quota{.octets = 2'000'000'000, .messages = 3}));
  EXPECT_EQ(tenant.policy.keep_deleted_days, 30U);
  EXPECT_EQ(tenant.policy.expire_days, 365U);
  EXPECT_EQ(tenant.policy.expire_read_days, 0U);
  EXPECT_TRUE(tenant.policy.rules.require_tls);
  EXPECT_EQ(tenant.policy.rules.sessions_max, 100U);
  EXPECT_EQ(tenant.policy.rules.subaddress_delimiter, "-");
  EXPECT_EQ(tenant.policy.rules.auth_chain, "ldap,users");
  EXPECT_EQ(tenant.policy.rules.mechanisms.Text(), "PLAIN,SCRAM-SHA-256");
}

TEST(TenantFileTest, ADomainIsEnough) {
  const ParsedTenant parsed = ParseTenant("domains = ['acme.example']", "acme.toml");
  EXPECT_TRUE(parsed.faults.empty());
  EXPECT_TRUE(parsed.tenant.enabled);
  EXPECT_EQ(parsed.tenant.policy.rules, TenantRules());
  EXPECT_FALSE(parsed.tenant.policy.expire_read_days.has_value());
}

TEST(TenantFileTest, EveryFaultIsToldWithItsLine) {
  EXPECT_THAT(FaultsOf("domains = 'acme.example'\nquota_octets = -1\nexpire_days = '1 month'\n"
                       "sesions_max = 3\nlogin_delay_s = 'soon'\n"),
              ElementsAre(HasSubstr("acme.toml:1: domains: write a list"),
                          HasSubstr("acme.toml:2: quota_octets: write a number from 0"),
                          HasSubstr("acme.toml:3: expire_days: write a number from 0 to 36500"),
                          HasSubstr("acme.toml:4: there is no setting \"sesions_max\" of a tenant; "
                                    "did you mean sessions_max?"),
                          HasSubstr("acme.toml:5: login_delay_s: \"soon\" is not seconds")));
  EXPECT_THAT(FaultsOf("domains = ['acme.example']\nauth_chain = ['users', 'ldap', 'users']\n"),
              ElementsAre(HasSubstr("acme.toml:2: auth_chain: \"users\" is there twice")));
  EXPECT_THAT(FaultsOf(""), ElementsAre(HasSubstr("domains is missing")));
  EXPECT_THAT(FaultsOf("domains = [1]"), ElementsAre(HasSubstr("domains: write a list")));
  EXPECT_THAT(FaultsOf("[limits]\nx = 1\n"), ElementsAre(HasSubstr("no setting \"limits\"")));
  EXPECT_THAT(FaultsOf("domains = ["), ElementsAre(HasSubstr("acme.toml:1: ")));
}

}  // namespace
}  // namespace poplar::tenant
