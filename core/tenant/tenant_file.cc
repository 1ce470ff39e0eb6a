#include "core/tenant/tenant_file.h"

#include <toml++/toml.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <limits>
#include <optional>
#include <utility>

#include "core/tenant/nearest.h"
#include "core/tenant/text_file.h"

namespace poplar::tenant {
namespace {

constexpr int64_t kDaysMax = 36'500;
constexpr int64_t kNumberMax = std::numeric_limits<int64_t>::max();

struct NumberKey {
  std::string_view name;
  int64_t min;
  int64_t max;
  void (*set)(TenantSpec& tenant, uint64_t number);
};

constexpr std::array<NumberKey, 7> kNumbers = {{
    {"quota_octets", 0, kNumberMax, [](TenantSpec& t, uint64_t n) { t.policy.quota.octets = n; }},
    {"quota_messages", 0, kNumberMax,
     [](TenantSpec& t, uint64_t n) { t.policy.quota.messages = n; }},
    {"maildrop_quota_octets", 0, kNumberMax,
     [](TenantSpec& t, uint64_t n) { t.maildrop_quota.octets = n; }},
    {"maildrop_quota_messages", 0, kNumberMax,
     [](TenantSpec& t, uint64_t n) { t.maildrop_quota.messages = n; }},
    {"keep_deleted_days", 0, kDaysMax,
     [](TenantSpec& t, uint64_t n) { t.policy.keep_deleted_days = static_cast<uint32_t>(n); }},
    {"expire_days", 0, kDaysMax,
     [](TenantSpec& t, uint64_t n) { t.policy.expire_days = static_cast<uint32_t>(n); }},
    {"expire_read_days", 0, kDaysMax,
     [](TenantSpec& t, uint64_t n) { t.policy.expire_read_days = static_cast<uint32_t>(n); }},
}};

class Reader {
 public:
  Reader(std::string_view file, ParsedTenant& parsed) : file_(file), parsed_(parsed) {}

  void Read(const toml::table& document) {
    for (const auto& [key, node] : document) Take(std::string(key.str()), node);
    if (parsed_.faults.empty() && parsed_.tenant.domains.empty()) {
      Fault(0, "domains is missing: write domains = [\"acme.example\"]");
    }
    std::ranges::stable_sort(parsed_.faults, {}, &ConfigFault::line);
  }

 private:
  void Take(const std::string& name, const toml::node& node) {
    const uint32_t line = node.source().begin.line;
    if (name == "domains") return TakeDomains(node);
    if (name == "enabled") {
      if (!node.is_boolean()) return Fault(line, "enabled: write true or false");
      parsed_.tenant.enabled = node.value_or(true);
      return;
    }
    const auto* const number = std::ranges::find(kNumbers, name, &NumberKey::name);
    if (number != kNumbers.end()) return TakeNumber(*number, node);
    const Status set = SetTenantRule(parsed_.tenant.policy.rules, name, TextOf(node));
    if (set.code() == StatusCode::kNotFound) return Fault(line, Unknown(name));
    if (!set.ok()) Fault(line, std::string(Message(set)));
  }

  void TakeDomains(const toml::node& node) {
    const toml::array* const list = node.as_array();
    const bool fits = list != nullptr && std::ranges::all_of(*list, [](const toml::node& each) {
                        return each.is_string();
                      });
    if (!fits) {
      return Fault(node.source().begin.line, "domains: write a list like [\"acme.example\"]");
    }
    for (const toml::node& each : *list) {
      parsed_.tenant.domains.push_back(each.value_or(std::string()));
    }
  }

  void TakeNumber(const NumberKey& key, const toml::node& node) {
    const std::optional<int64_t> number = node.value_exact<int64_t>();
    if (!number.has_value() || *number < key.min || *number > key.max) {
      return Fault(node.source().begin.line, std::string(key.name) + ": write a number from " +
                                                 std::to_string(key.min) + " to " +
                                                 std::to_string(key.max));
    }
    key.set(parsed_.tenant, static_cast<uint64_t>(*number));
  }

  // As settings of tenants are written elsewhere: a truth value, a number, a text, a list of texts.
  static std::string TextOf(const toml::node& node) {
    if (const auto truth = node.value_exact<bool>()) return *truth ? "true" : "false";
    if (const auto number = node.value_exact<int64_t>()) return std::to_string(*number);
    const toml::array* const list = node.as_array();
    if (list == nullptr) return node.value_or(std::string("a table"));
    std::string text;
    for (const toml::node& each : *list) {
      text += (text.empty() ? "" : ",") + each.value_or(std::string("?"));
    }
    return text;
  }

  static std::string Unknown(const std::string& name) {
    std::vector<std::string_view> known = {"domains", "enabled"};
    for (const NumberKey& key : kNumbers) known.push_back(key.name);
    for (const TenantRuleInfo& rule : AllTenantRules()) known.push_back(rule.name);
    std::string message = "there is no setting \"" + name + "\" of a tenant";
    const std::string_view near = Nearest(name, known);
    return near.empty() ? message : message + "; did you mean " + std::string(near) + "?";
  }

  void Fault(uint32_t line, std::string message) {
    parsed_.faults.push_back({std::string(file_), line, std::move(message)});
  }

  const std::string_view file_;
  ParsedTenant& parsed_;
};

}  // namespace

ParsedTenant ParseTenant(std::string_view text, std::string_view file) {
  ParsedTenant parsed;
  const std::filesystem::path path(file);
  parsed.tenant.name = path.stem().string();
  parsed.tenant.source = (path.parent_path().filename() / path.filename()).string();
  try {
    Reader(file, parsed).Read(toml::parse(text));
  } catch (const toml::parse_error& error) {
    parsed.faults.push_back(
        {std::string(file), error.source().begin.line, SyntaxMessage(error.description())});
  }
  parsed.tenant.policy.name = parsed.tenant.name;
  return parsed;
}

ParsedTenant ReadTenant(const std::string& path) {
  const StatusOr<std::string> text = ReadTextFile(path);
  if (text.ok()) return ParseTenant(*text, path);
  ParsedTenant parsed;
  parsed.faults.push_back({path, 0, std::string(Message(text.status()))});
  return parsed;
}

}  // namespace poplar::tenant
