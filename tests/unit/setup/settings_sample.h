// Two tenants and what mail programs of their users are told.

#pragma once

#include "core/setup/mail_settings.h"

namespace poplar::setup {

inline SetupFacts SampleFacts() {
  SetupFacts facts;
  facts.pop3_host = "pop.provider.example";
  facts.pop3s_port = 995;
  facts.stls_port = 110;
  facts.smtp_host = "smtp.provider.example";
  facts.smtp_port = 465;
  facts.page_host = "setup.provider.example";
  return facts;
}

inline TenantPolicies SamplePolicies() {
  TenantPolicies policies;
  policies.by_domain["acme.example"] = {.tenant = TenantId(1), .name = "acme"};
  policies.by_domain["b\u00fccher.example"] = {.tenant = TenantId(1), .name = "acme"};
  policies.by_domain["other.example"] = {.tenant = TenantId(2), .name = "other"};
  policies.by_domain["off.example"] = {.tenant = TenantId(3), .name = "off"};
  policies.by_tenant[1].name = "acme";
  policies.by_tenant[2].rules.pop3_host = "pop.other.example";
  policies.by_tenant[2].rules.smtp_host = "smtp.other.example";
  policies.by_tenant[3].rules.pop3 = false;
  return policies;
}

}  // namespace poplar::setup
