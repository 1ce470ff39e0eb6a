#include "core/base/login_domain.h"

#include <gtest/gtest.h>

namespace poplar {
namespace {

class LoginDomainTest : public testing::Test {
 protected:
  void Add(uint64_t tenant, const std::vector<std::string>& domains, TenantRules rules = {}) {
    policies_.by_tenant[tenant].rules = std::move(rules);
    for (const std::string& domain : domains) {
      policies_.by_domain[domain] = {.tenant = TenantId(tenant), .name = "t"};
    }
  }
  std::string Of(std::string_view host) {
    IndexHosts(policies_);
    return LoginDomainOf(policies_, host);
  }

  TenantPolicies policies_;
};

TEST_F(LoginDomainTest, AHostHasTheDomainThatItIsCalledAfter) {
  Add(1, {"alpha.example", "mail.beta.example"});
  Add(2, {"beta.example"});
  EXPECT_EQ(Of("alpha.example"), "alpha.example");
  EXPECT_EQ(Of("pop.alpha.example"), "alpha.example");
  EXPECT_EQ(Of("mail.beta.example"), "mail.beta.example") << "itself first";
  EXPECT_EQ(Of("pop.beta.example"), "beta.example");
  EXPECT_EQ(Of("a.b.alpha.example"), "") << "one label only";
  EXPECT_EQ(Of("example"), "");
  EXPECT_EQ(Of("elsewhere.test"), "");
  EXPECT_EQ(Of(""), "");
}

TEST_F(LoginDomainTest, ATenantsHostsHaveItsDefaultDomain) {
  Add(1, {"alpha.example", "alpha.test"},
      {.hosts = "pop.provider.example,mail.alpha.example", .default_domain = "alpha.test"});
  Add(2, {"beta.example"}, {.hosts = "beta.provider.example"});
  EXPECT_EQ(Of("pop.provider.example"), "alpha.test");
  EXPECT_EQ(Of("mail.alpha.example"), "alpha.test") << "before the name of its own";
  EXPECT_EQ(Of("pop.alpha.example"), "alpha.example");
  EXPECT_EQ(Of("beta.provider.example"), "beta.example") << "the only one it has";
  EXPECT_EQ(Of("provider.example"), "");
}

TEST_F(LoginDomainTest, WhatIsNotSaidClearlyIsNothing) {
  Add(1, {"alpha.example", "alpha.test"}, {.hosts = "pop.provider.example,pop.alpha.test"});
  EXPECT_EQ(Of("pop.provider.example"), "") << "which of the two?";
  EXPECT_EQ(Of("pop.alpha.test"), "alpha.test") << "said by its name";
  Add(2, {"beta.example"}, {.hosts = "b.provider.example", .default_domain = "alpha.example"});
  EXPECT_EQ(Of("b.provider.example"), "") << "another's domain";
  Add(3, {}, {.hosts = "c.provider.example"});
  EXPECT_EQ(Of("c.provider.example"), "");
  const char* const names[] = {"alpha", "beta", "gamma"};
  for (auto& [tenant, policy] : policies_.by_tenant) policy.name = names[tenant - 1];
  const std::vector<HostClash> clashes = HostClashesOf(policies_);
  ASSERT_EQ(clashes.size(), 3);
  EXPECT_EQ(clashes[0].Why(),
            "tenant alpha names the host pop.provider.example in vain: it has several domains, and "
            "default_domain does not say which");
  EXPECT_EQ(clashes[1].Why(),
            "tenant beta names the host b.provider.example in vain: its default_domain, "
            "alpha.example, is none of its domains");
  EXPECT_EQ(clashes[2].Why(),
            "tenant gamma names the host c.provider.example in vain: it has no domain");
}

TEST_F(LoginDomainTest, NobodyHasAHostOfAnother) {
  Add(1, {"alpha.example"});
  Add(2, {"beta.example"}, {.hosts = "pop.alpha.example,shared.provider.example"});
  Add(3, {"gamma.example"}, {.hosts = "shared.provider.example,alpha.example"});
  EXPECT_EQ(Of("pop.alpha.example"), "alpha.example");
  EXPECT_EQ(Of("alpha.example"), "alpha.example");
  EXPECT_EQ(Of("shared.provider.example"), "beta.example") << "the older one's";
}

TEST_F(LoginDomainTest, WhoNamesAHostOfAnotherIsTold) {
  Add(3, {"gamma.example"}, {.hosts = "shared.provider.example,gamma.provider.example"});
  Add(1, {"alpha.example"});
  Add(2, {"beta.example"}, {.hosts = "pop.alpha.example,shared.provider.example"});
  const char* const names[] = {"alpha", "beta", "gamma"};
  for (auto& [tenant, policy] : policies_.by_tenant) policy.name = names[tenant - 1];
  for (auto& [domain, owner] : policies_.by_domain) owner.name = names[owner.tenant.value() - 1];
  const std::vector<HostClash> clashes = HostClashesOf(policies_);
  ASSERT_EQ(clashes.size(), 2);
  EXPECT_EQ(clashes[0].Why(),
            "tenant beta names the host pop.alpha.example in vain: tenant alpha has it, as its "
            "domain is alpha.example");
  EXPECT_EQ(clashes[1].Why(),
            "tenant gamma names the host shared.provider.example in vain: tenant beta has it, "
            "which is older and names it, too");
}

TEST_F(LoginDomainTest, IsPublishedWithTheRest) {
  PolicyBoard board;
  Add(1, {"alpha.example"}, {.hosts = "pop.provider.example"});
  board.Publish(std::make_shared<TenantPolicies>(policies_));
  EXPECT_EQ(LoginDomainOf(*board.Current(), "pop.provider.example"), "alpha.example");
  policies_.by_tenant[1].rules.hosts = "";
  board.Publish(std::make_shared<TenantPolicies>(policies_));
  EXPECT_EQ(LoginDomainOf(*board.Current(), "pop.provider.example"), "");
}

}  // namespace
}  // namespace poplar
