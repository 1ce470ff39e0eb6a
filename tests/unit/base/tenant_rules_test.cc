#include "core/base/tenant_rules.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace poplar {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Pair;

TEST(TenantRulesTest, EveryOneReadsBackAndHasItsDefault) {
  for (const TenantRuleInfo& rule : AllTenantRules()) {
    TenantRules rules;
    EXPECT_EQ(TenantRuleText(rules, rule.name), rule.default_value) << rule.name;
    ASSERT_TRUE(SetTenantRule(rules, rule.name, rule.default_value).ok()) << rule.name;
    EXPECT_EQ(rules, TenantRules()) << rule.name;
  }
  EXPECT_THAT(ChangedTenantRules({}), IsEmpty());
}

TEST(TenantRulesTest, WhatIsChangedIsToldInOrder) {
  TenantRules rules;
  ASSERT_TRUE(SetTenantRule(rules, "auth_chain", "ldap,users").ok());
  ASSERT_TRUE(SetTenantRule(rules, "pop3", "false").ok());
  ASSERT_TRUE(SetTenantRule(rules, "mechanisms", "PLAIN,APOP").ok());
  ASSERT_TRUE(SetTenantRule(rules, "subaddress_delimiter", "").ok());
  ASSERT_TRUE(SetTenantRule(rules, "login_delay_s", "60").ok());
  EXPECT_THAT(ChangedTenantRules(rules),
              ElementsAre(Pair("pop3", "false"), Pair("login_delay_s", "60"),
                          Pair("subaddress_delimiter", ""), Pair("mechanisms", "APOP,PLAIN"),
                          Pair("auth_chain", "ldap,users")));
  for (const TenantRuleInfo& rule : AllTenantRules()) {
    ASSERT_TRUE(SetTenantRule(rules, rule.name, "default").ok());
  }
  EXPECT_EQ(rules, TenantRules());
}

TEST(TenantRulesTest, NoHostToSendBy) {
  TenantRules rules;
  ASSERT_TRUE(SetTenantRule(rules, "smtp_host", "smtp.acme.example").ok());
  EXPECT_EQ(rules.smtp_host, "smtp.acme.example");
  ASSERT_TRUE(SetTenantRule(rules, "smtp_host", "none").ok());
  EXPECT_EQ(TenantRuleText(rules, "smtp_host"), "none");
  EXPECT_EQ(rules.smtp_host, kNoHost);
}

TEST(TenantRulesTest, WhatIsWrongIsSaidAndChangesNothing) {
  TenantRules rules;
  for (const auto& [name, value] :
       std::vector<std::pair<std::string, std::string>>{{"pop3", "yes"},
                                                        {"pop3", ""},
                                                        {"login_delay_s", "-1"},
                                                        {"login_delay_s", "86401"},
                                                        {"login_delay_s", "60s"},
                                                        {"sessions_max", "99999999999"},
                                                        {"subaddress_delimiter", "++"},
                                                        {"subaddress_delimiter", "a"},
                                                        {"subaddress_delimiter", "@"},
                                                        {"auth_chain", "ldap,,users"},
                                                        {"auth_chain", ",users"},
                                                        {"auth_chain", "users,"},
                                                        {"auth_chain", "LDAP"},
                                                        {"mechanisms", "PLAIN,CRAM-MD5"},
                                                        {"mechanisms", "plain"},
                                                        {"hosts", "Pop.acme.example"},
                                                        {"hosts", "a.example b.example"},
                                                        {"hosts", "a.example,"},
                                                        {"default_domain", "a.example,b.example"},
                                                        {"default_domain", "@acme.example"},
                                                        {"pop3_host", "pop.acme.example."},
                                                        {"pop3_host", "Pop.acme.example"},
                                                        {"pop3_host", "192.0.2.5"},
                                                        {"pop3_host", "none"},
                                                        {"smtp_host", "localhost"},
                                                        {"smtp_host", "mailhost"}}) {
    const Status set = SetTenantRule(rules, name, value);
    EXPECT_EQ(set.code(), StatusCode::kInvalidArgument) << name << ' ' << value;
    EXPECT_THAT(set.ToString(), HasSubstr(name + ": \"" + value + "\" is not"));
  }
  EXPECT_EQ(SetTenantRule(rules, "pop4", "true").code(), StatusCode::kNotFound);
  EXPECT_EQ(rules, TenantRules());
}

}  // namespace
}  // namespace poplar
