#include "core/setup/dns_records.h"

#include <gtest/gtest.h>

#include "tests/unit/setup/settings_sample.h"

namespace poplar::setup {
namespace {

TEST(DnsRecords, AllThatProgramsLookFor) {
  const auto settings = SettingsOfDomain(SampleFacts(), SamplePolicies(), "acme.example");
  ASSERT_TRUE(settings.has_value());
  EXPECT_EQ(DnsRecordsOf(*settings, "setup.provider.example"),
            (std::vector<DnsRecord>{
                {"_pop3s._tcp.acme.example.", "SRV", "0 1 995 pop.provider.example."},
                {"_pop3._tcp.acme.example.", "SRV", "10 1 110 pop.provider.example."},
                {"_submissions._tcp.acme.example.", "SRV", "0 1 465 smtp.provider.example."},
                {"autoconfig.acme.example.", "CNAME", "setup.provider.example."},
                {"_autodiscover._tcp.acme.example.", "SRV", "0 1 443 setup.provider.example."}}));
}

TEST(DnsRecords, NoNameStandsForItself) {
  const auto settings = SettingsOf(SampleFacts(), TenantRules(), "acme.example");
  ASSERT_TRUE(settings.has_value());
  const std::string zone = ZoneText(DnsRecordsOf(*settings, "autoconfig.acme.example"));
  EXPECT_EQ(zone.find("CNAME"), std::string::npos) << zone;
  EXPECT_NE(zone.find("443 autoconfig.acme.example."), std::string::npos) << zone;
}

TEST(DnsRecords, WithoutPagesAndWithStarttls) {
  SetupFacts facts = SampleFacts();
  facts.smtp_port = 587;
  facts.smtp_starttls = true;
  facts.stls_port = 0;
  const auto settings = SettingsOf(facts, TenantRules(), "b\u00fccher.example");
  ASSERT_TRUE(settings.has_value());
  EXPECT_EQ(ZoneText(DnsRecordsOf(*settings, "")),
            "_pop3s._tcp.xn--bcher-kva.example.       3600  IN  SRV    0 1 995 "
            "pop.provider.example.\n"
            "_submission._tcp.xn--bcher-kva.example.  3600  IN  SRV    0 1 587 "
            "smtp.provider.example.\n");
}

}  // namespace
}  // namespace poplar::setup
