#include "core/setup/mail_settings.h"

#include <gtest/gtest.h>

#include "tests/unit/setup/settings_sample.h"

namespace poplar::setup {
namespace {

tenant::Config SampleConfig() {
  tenant::Config config;
  config.server.hostname = "mail.provider.example";
  config.pop3.listen = {{"0.0.0.0", 110}};
  config.pop3s.listen = {{"0.0.0.0", 995}};
  return config;
}

TEST(MailSettings, TheConfigurationSaysMostByItself) {
  const SetupFacts facts = FactsOf(SampleConfig());
  EXPECT_EQ(facts.pop3_host, "mail.provider.example");
  EXPECT_EQ(facts.pop3s_port, 995);
  EXPECT_EQ(facts.stls_port, 110);
  EXPECT_EQ(facts.smtp_host, "");
  EXPECT_EQ(facts.page_host, "") << "nobody would answer there";
}

TEST(MailSettings, WhatIsReachedFromOutsideMayBeAnother) {
  tenant::Config config = SampleConfig();
  config.setup.listen = {{"127.0.0.1", 8080}};
  config.setup.pop3_host = "pop.provider.example";
  config.setup.pop3s_port = 9950;
  config.setup.smtp_host = "smtp.provider.example";
  config.setup.smtp_port = 587;
  config.setup.smtp_starttls = true;
  config.pop3.listen.clear();
  const SetupFacts facts = FactsOf(config);
  EXPECT_EQ(facts.page_host, "mail.provider.example");
  const auto settings = SettingsOf(facts, TenantRules(), "Acme.Example");
  ASSERT_TRUE(settings.has_value());
  EXPECT_EQ(settings->domain, "acme.example");
  EXPECT_EQ(settings->pop3, (std::vector<MailServer>{{"pop.provider.example", 9950, false}}));
  EXPECT_EQ(settings->smtp, (MailServer{"smtp.provider.example", 587, true}));
  EXPECT_EQ(settings->authentication, Authentication::kPassword);
}

TEST(MailSettings, NamesThatNobodyFindsAreNamed) {
  tenant::Config config = SampleConfig();
  config.setup.listen = {{"127.0.0.1", 8080}};
  EXPECT_TRUE(LostHostsOf(FactsOf(config)).empty());
  config.server.hostname = "mailhost";
  config.setup.smtp_host = "localhost";
  EXPECT_EQ(LostHostsOf(FactsOf(config)), (std::vector<LostHost>{{"setup.pop3_host", "mailhost"},
                                                                 {"setup.smtp_host", "localhost"},
                                                                 {"setup.host", "mailhost"}}));
}

TEST(MailSettings, ATenantHasHostsOfItsOwn) {
  const auto settings = SettingsOfDomain(SampleFacts(), SamplePolicies(), "OTHER.example");
  ASSERT_TRUE(settings.has_value());
  EXPECT_EQ(settings->pop3, (std::vector<MailServer>{{"pop.other.example", 995, false},
                                                     {"pop.other.example", 110, true}}));
  EXPECT_EQ(settings->smtp->host, "smtp.other.example");
}

TEST(MailSettings, ATenantMaySendNowhere) {
  TenantRules rules;
  ASSERT_TRUE(SetTenantRule(rules, "smtp_host", "none").ok());
  EXPECT_FALSE(SettingsOf(SampleFacts(), rules, "acme.example")->smtp.has_value());
}

TEST(MailSettings, InternationalDomainsAreFoundInBothForms) {
  for (const char* const name : {"b\u00fccher.example", "xn--bcher-kva.example"}) {
    const auto settings = SettingsOfDomain(SampleFacts(), SamplePolicies(), name);
    ASSERT_TRUE(settings.has_value()) << name;
    EXPECT_EQ(settings->domain, "xn--bcher-kva.example");
  }
}

TEST(MailSettings, WhoCannotFetchMailIsToldNothing) {
  EXPECT_FALSE(SettingsOfDomain(SampleFacts(), SamplePolicies(), "off.example"));
  EXPECT_FALSE(SettingsOfDomain(SampleFacts(), SamplePolicies(), "nobody.example"));
  EXPECT_FALSE(SettingsOfDomain(SampleFacts(), SamplePolicies(), ""));
  tenant::Config config = SampleConfig();
  config.tls.certificate.clear();
  EXPECT_FALSE(SettingsOf(FactsOf(config), TenantRules(), "acme.example")) << "in clear";
  config.setup.pop3s_port = 995;  // TLS ends in front of the server.
  EXPECT_TRUE(SettingsOf(FactsOf(config), TenantRules(), "acme.example"));
}

TEST(MailSettings, OfWhatIsOpenTheWayThatMostCanGo) {
  const SetupFacts facts = SampleFacts();
  const auto by = [&facts](std::string_view mechanisms) {
    TenantRules rules;
    rules.mechanisms = *LoginMechanisms::Parse(mechanisms);
    return SettingsOf(facts, rules, "acme.example")->authentication;
  };
  EXPECT_EQ(by(""), Authentication::kPassword);
  EXPECT_EQ(by("APOP,SCRAM-SHA-256,OAUTHBEARER,LOGIN"), Authentication::kPassword);
  EXPECT_EQ(by("APOP,SCRAM-SHA-256,XOAUTH2"), Authentication::kApop);
  EXPECT_EQ(by("SCRAM-SHA-256,OAUTHBEARER"), Authentication::kOAuth);
  EXPECT_EQ(by("EXTERNAL"), Authentication::kCertificate);
  EXPECT_EQ(by("SCRAM-SHA-1-PLUS"), Authentication::kScram);
}

TEST(MailSettings, BothTheServerAndTheTenantSayWhatIsOpen) {
  tenant::Config config = SampleConfig();
  config.auth.mechanisms = {"APOP", "PLAIN"};
  TenantRules rules;
  rules.mechanisms = *LoginMechanisms::Parse("APOP,USER");
  EXPECT_EQ(SettingsOf(FactsOf(config), rules, "acme.example")->authentication,
            Authentication::kApop);
  rules.mechanisms = *LoginMechanisms::Parse("USER");
  EXPECT_FALSE(SettingsOf(FactsOf(config), rules, "acme.example")) << "nobody gets in";
}

}  // namespace
}  // namespace poplar::setup
