#include "core/tenant/tenant_lines.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace poplar::tenant {
namespace {

using testing::ElementsAre;

std::string FaultOf(std::string_view lines) {
  TenantSpec tenant;
  const Status parsed = ParseTenantLines(lines, tenant);
  EXPECT_FALSE(parsed.ok());
  return std::string(Message(parsed));
}

TEST(TenantLinesTest, EverythingThatATenantHas) {
  TenantSpec tenant;
  ASSERT_TRUE(ParseTenantLines("name=acme\ndomain=acme.example\ndomain=acme.test\nenabled=f\n"
                               "quota_octets=500000000000\nexpire_days=365\nrequire_tls=1\n"
                               "sessions_max=100\nsubaddress_delimiter=-\nauth_chain=ldap,users",
                               tenant)
                  .ok());
  EXPECT_EQ(tenant.name, "acme");
  EXPECT_EQ(tenant.policy.name, "acme");
  EXPECT_THAT(tenant.domains, ElementsAre("acme.example", "acme.test"));
  EXPECT_FALSE(tenant.enabled);
  EXPECT_EQ(tenant.policy.quota.octets, 500'000'000'000);
  EXPECT_EQ(tenant.policy.expire_days, 365U);
  EXPECT_TRUE(tenant.policy.rules.require_tls);
  EXPECT_EQ(tenant.policy.rules.sessions_max, 100U);
  EXPECT_EQ(tenant.policy.rules.subaddress_delimiter, "-");
  EXPECT_EQ(tenant.policy.rules.auth_chain, "ldap,users");
}

TEST(TenantLinesTest, DatabasesHaveSeveralWordsForTruth) {
  for (const char* yes : {"t", "1", "true"}) {
    TenantSpec tenant;
    EXPECT_TRUE(ParseTenantLines(std::string("name=a\ndomain=a.example\nrequire_tls=") + yes +
                                     "\nenabled=" + yes,
                                 tenant)
                    .ok());
    EXPECT_TRUE(tenant.policy.rules.require_tls && tenant.enabled) << yes;
  }
  // A number is none of them.
  TenantSpec tenant;
  EXPECT_TRUE(ParseTenantLines("name=a\ndomain=a.example\nsessions_max=1\n", tenant).ok());
  EXPECT_EQ(tenant.policy.rules.sessions_max, 1U);
}

TEST(TenantLinesTest, WhatIsWrongIsToldOfTheTenant) {
  EXPECT_EQ(FaultOf(""), "a tenant: it has no name");
  EXPECT_EQ(FaultOf("domain=a.example\n"), "a tenant: it has no name");
  EXPECT_EQ(FaultOf("name=acme\n"), "tenant acme: it has no domain");
  EXPECT_EQ(FaultOf("name=acme\nits rows say different things\ndomain=a.example\n"),
            "tenant acme: no setting: \"its rows say different things\"");
  EXPECT_EQ(FaultOf("name=acme\nexpire_days=-1\n"),
            "tenant acme: expire_days: write a number from 0 to 36500");
  EXPECT_EQ(FaultOf("name=acme\nenabled=perhaps\n"), "tenant acme: enabled: write true or false");
  EXPECT_EQ(FaultOf("name=acme\nsesions_max=3\n"),
            "tenant acme: there is no setting \"sesions_max\" of a tenant; did you mean "
            "sessions_max?");
  TenantSpec tenant;
  EXPECT_FALSE(ParseTenantLines("name=acme\nx=y\n", tenant).ok());
  EXPECT_EQ(tenant.name, "acme");
  // Also where the name comes last.
  TenantSpec late;
  EXPECT_FALSE(ParseTenantLines("x=y\ndomain=a.example\nname=acme", late).ok());
  EXPECT_EQ(late.name, "acme");
  EXPECT_EQ(FaultOf("name=acme\ndomain=a.example\nname=other\n"), "tenant acme: it has two names");
}

}  // namespace
}  // namespace poplar::tenant
