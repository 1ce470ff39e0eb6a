#include "core/app/tenant_metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/ops/exposition.h"
#include "tests/unit/app/memory_store.h"

namespace poplar::app {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

class TenantMetricsTest : public testing::Test {
 protected:
  TenantMetricsTest() {
    auto policies = std::make_shared<TenantPolicies>();
    policies->by_tenant[1].name = "acme";
    policies->by_tenant[1].quota = {.octets = 1000, .messages = 0};
    policies->by_tenant[2].name = "beta";
    policies->by_tenant[7].name = "gamma";
    board_.Publish(std::move(policies));
    store_.tenants[1] = {.messages = 3, .octets = 900, .kept_messages = 1, .kept_octets = 70};
    metrics_.Register(registry_);
  }
  std::string Text() const { return ops::ExpositionText(registry_); }

  PolicyBoard board_;
  MemoryStore store_;
  base::MetricRegistry registry_;
  TenantMetrics metrics_{board_, store_, 2};
};

TEST_F(TenantMetricsTest, TellUseAndWhereThereIsOneTheLimit) {
  EXPECT_THAT(Text(), AllOf(HasSubstr("poplar_tenant_octets{tenant=\"acme\"} 900\n"),
                            HasSubstr("poplar_tenant_messages{tenant=\"acme\"} 3\n"),
                            HasSubstr("poplar_tenant_kept_octets{tenant=\"acme\"} 70\n"),
                            HasSubstr("poplar_tenant_quota_octets{tenant=\"acme\"} 1000\n"),
                            HasSubstr("poplar_tenant_octets{tenant=\"beta\"} 0\n")));
  EXPECT_THAT(Text(), Not(HasSubstr("poplar_tenant_quota_messages")));
}

TEST_F(TenantMetricsTest, AreBoundedAndTheRestIsCounted) {
  EXPECT_THAT(Text(),
              AllOf(Not(HasSubstr("gamma")), HasSubstr("\npoplar_tenants_without_metrics 1\n")));
  metrics_.SetTenantsMax(3);
  EXPECT_THAT(Text(), AllOf(HasSubstr("poplar_tenant_octets{tenant=\"gamma\"} 0\n"),
                            HasSubstr("\npoplar_tenants_without_metrics 0\n")));
  metrics_.SetTenantsMax(0);
  EXPECT_THAT(Text(), AllOf(Not(HasSubstr("acme")),
                            HasSubstr("poplar_tenant_octets{tenant=\"(rest)\"} 900\n"),
                            HasSubstr("\npoplar_tenants_without_metrics 3\n")));
}

TEST_F(TenantMetricsTest, ThoseThatHaveAndMoveMostAreTold) {
  board_.Current()->GateOf(TenantId(7))->usage.octets_out = 5000;
  board_.Current()->GateOf(TenantId(2))->usage.sessions = 3;
  EXPECT_THAT(Text(),
              AllOf(HasSubstr("poplar_tenant_fetched_octets_total{tenant=\"gamma\"} 5000\n"),
                    HasSubstr("poplar_tenant_octets{tenant=\"acme\"} 900\n"),
                    HasSubstr("poplar_tenant_sessions_total{tenant=\"(rest)\"} 3\n"),
                    Not(HasSubstr("beta"))));
}

TEST_F(TenantMetricsTest, WhatWasRefusedIsToldByLimit) {
  TenantGate& gate = *board_.Current()->GateOf(TenantId(1));
  for (size_t i = 0; i < kTenantLimits; ++i) {
    for (size_t times = 0; times <= i; ++times) gate.CountRefused(static_cast<TenantLimit>(i));
  }
  size_t count = 0;
  for (const char* const setting :
       {"require_tls", "require_tls13", "mechanisms", "login_delay_s", "logins_per_minute",
        "sessions_max", "sessions_per_address_max", "deliveries_per_minute"}) {
    EXPECT_THAT(Text(), HasSubstr("poplar_tenant_refused_total{tenant=\"acme\",limit=\"" +
                                  std::string(setting) + "\"} " + std::to_string(++count) + "\n"));
  }
}

TEST_F(TenantMetricsTest, TenantsComeAndGo) {
  auto policies = std::make_shared<TenantPolicies>();
  policies->by_tenant[9].name = "late";
  board_.Publish(std::move(policies));
  EXPECT_THAT(Text(), AllOf(HasSubstr("tenant=\"late\""), Not(HasSubstr("tenant=\"acme\""))));
}

}  // namespace
}  // namespace poplar::app
