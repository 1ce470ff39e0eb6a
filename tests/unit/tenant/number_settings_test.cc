#include "core/tenant/number_settings.h"

#include <gtest/gtest.h>

#include <map>

namespace poplar::tenant {
namespace {

std::map<std::string, uint32_t> ByName(const std::vector<NumberSetting>& numbers) {
  std::map<std::string, uint32_t> by_name;
  for (const NumberSetting& number : numbers) by_name[number.name] = number.value;
  return by_name;
}

TEST(NumberSettings, WhatAReloadCannotChangeStaysAsItWasAtTheStart) {
  Config started;
  started.store.segment_mib = 32;
  Config reloaded = started;
  reloaded.store.segment_mib = 128;
  reloaded.pop3.idle_timeout_s = 77;
  const auto numbers = ByName(NumbersInForce(started, reloaded));
  EXPECT_EQ(numbers.at("store.segment_mib"), 32U);
  EXPECT_EQ(numbers.at("pop3.idle_timeout_s"), 77U);
  EXPECT_EQ(numbers.at("tenant_limits.sessions_max"), 0U);
  EXPECT_FALSE(numbers.contains("tls.certificate"));
  EXPECT_FALSE(numbers.contains("pop3.allow_cleartext"));
}

}  // namespace
}  // namespace poplar::tenant
