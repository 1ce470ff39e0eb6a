#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "core/app/doctor/certificates.h"

namespace poplar::app {
namespace {

using Names = std::vector<std::string>;

setup::SetupFacts Facts() {
  setup::SetupFacts facts;
  facts.pop3_host = "pop.provider.example";
  return facts;
}

void AddTenant(TenantPolicies& policies, uint64_t id, const std::string& pop3_host) {
  const std::string name = "t" + std::to_string(id);
  policies.by_domain[name + ".example"] = {.tenant = TenantId(id), .name = name};
  policies.by_tenant[id].rules.pop3_host = pop3_host;
}

TEST(Pop3Hosts, OfACustomerItIsHisDomains) {
  TenantPolicies policies;
  AddTenant(policies, 1, "");
  AddTenant(policies, 2, "pop.two.example");
  EXPECT_EQ(Pop3HostsOf(Facts(), policies, "a@t1.example").names, Names{"pop.provider.example"});
  EXPECT_EQ(Pop3HostsOf(Facts(), policies, "a@T2.example").names, Names{"pop.two.example"});
  EXPECT_EQ(Pop3HostsOf(Facts(), policies, "nobody").names, Names{"pop.provider.example"});
}

TEST(Pop3Hosts, OfNobodyTheyAreAllThatAreInUseEachOnce) {
  TenantPolicies policies;
  AddTenant(policies, 1, "");
  AddTenant(policies, 2, "pop.two.example");
  AddTenant(policies, 3, "pop.two.example");
  AddTenant(policies, 4, "pop.provider.example");
  AddTenant(policies, 5, "pop.five.example");
  policies.by_tenant[5].rules.pop3 = false;
  AddTenant(policies, 6, "pop.six.example");
  policies.by_domain["t6.example"].enabled = false;
  const Pop3Hosts hosts = Pop3HostsOf(Facts(), policies, "");
  EXPECT_EQ(hosts.names, (Names{"pop.provider.example", "pop.two.example"}));
  EXPECT_EQ(hosts.left_out, 0U);
}

TEST(Pop3Hosts, OfVeryManySomeAreCounted) {
  TenantPolicies policies;
  for (uint64_t id = 1; id <= kTenantHostsMax + 7; ++id) {
    AddTenant(policies, id, "pop." + std::to_string(id) + ".example");
  }
  const Pop3Hosts hosts = Pop3HostsOf(Facts(), policies, "");
  EXPECT_EQ(hosts.names.size(), 1 + kTenantHostsMax);
  EXPECT_EQ(hosts.left_out, 7U);
}

}  // namespace
}  // namespace poplar::app
