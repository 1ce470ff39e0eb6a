#include "core/tenant/tenant_setting.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "core/base/tenant_rules.h"
#include "core/tenant/config.h"
#include "core/tenant/nearest.h"

namespace poplar::tenant {
namespace {

constexpr uint64_t kDaysMax = 36'500;
constexpr auto kNumberMax = static_cast<uint64_t>(std::numeric_limits<int64_t>::max());
constexpr std::string_view kEnabled = "enabled";

struct NumberSetting {
  std::string_view name;
  uint64_t max;
  void (*set)(TenantSpec& tenant, uint64_t number);
};

constexpr std::array<NumberSetting, 7> kNumbers = {{
    {"quota_octets", kNumberMax, [](TenantSpec& t, uint64_t n) { t.policy.quota.octets = n; }},
    {"quota_messages", kNumberMax, [](TenantSpec& t, uint64_t n) { t.policy.quota.messages = n; }},
    {"maildrop_quota_octets", kNumberMax,
     [](TenantSpec& t, uint64_t n) { t.maildrop_quota.octets = n; }},
    {"maildrop_quota_messages", kNumberMax,
     [](TenantSpec& t, uint64_t n) { t.maildrop_quota.messages = n; }},
    {"keep_deleted_days", kDaysMax,
     [](TenantSpec& t, uint64_t n) { t.policy.keep_deleted_days = static_cast<uint32_t>(n); }},
    {"expire_days", kDaysMax,
     [](TenantSpec& t, uint64_t n) { t.policy.expire_days = static_cast<uint32_t>(n); }},
    {"expire_read_days", kDaysMax,
     [](TenantSpec& t, uint64_t n) { t.policy.expire_read_days = static_cast<uint32_t>(n); }},
}};

Status SetNumber(TenantSpec& tenant, const NumberSetting& setting, std::string_view text) {
  uint64_t number = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), number);
  if (read.ec != std::errc() || read.ptr != text.data() + text.size() || number > setting.max) {
    return MakeStatus(
        StatusCode::kInvalidArgument,
        std::string(setting.name) + ": write a number from 0 to " + std::to_string(setting.max));
  }
  setting.set(tenant, number);
  return OkStatus();
}

Status Unknown(std::string_view name) {
  std::vector<std::string_view> known = {"domains", kEnabled};
  for (const NumberSetting& setting : kNumbers) known.push_back(setting.name);
  for (const TenantRuleInfo& rule : AllTenantRules()) known.push_back(rule.name);
  std::string message = "there is no setting \"" + std::string(name) + "\" of a tenant";
  const std::string_view near = Nearest(name, known);
  if (!near.empty()) message += "; did you mean " + std::string(near) + "?";
  return MakeStatus(StatusCode::kNotFound, message);
}

}  // namespace

Status SetTenantSetting(TenantSpec& tenant, std::string_view name, std::string_view text) {
  if (name == kEnabled) {
    if (text != "true" && text != "false") {
      return MakeStatus(StatusCode::kInvalidArgument, "enabled: write true or false");
    }
    tenant.enabled = text == "true";
    return OkStatus();
  }
  const auto* const number = std::ranges::find(kNumbers, name, &NumberSetting::name);
  if (number != kNumbers.end()) return SetNumber(tenant, *number, text);
  const std::string twice = name == "auth_chain" ? TwiceInChain(text) : "";
  if (!twice.empty()) {
    return MakeStatus(StatusCode::kInvalidArgument,
                      "auth_chain: \"" + twice + "\" is there twice; remove one of the two");
  }
  const Status set = SetTenantRule(tenant.policy.rules, name, text);
  return set.code() == StatusCode::kNotFound ? Unknown(name) : set;
}

bool IsTruthSetting(std::string_view name) {
  if (name == kEnabled) return true;
  const auto rules = AllTenantRules();
  const auto rule = std::ranges::find(rules, name, &TenantRuleInfo::name);
  return rule != rules.end() && (rule->default_value == "true" || rule->default_value == "false");
}

}  // namespace poplar::tenant
