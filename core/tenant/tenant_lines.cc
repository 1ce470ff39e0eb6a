#include "core/tenant/tenant_lines.h"

#include <string>

#include "core/tenant/tenant_setting.h"

namespace poplar::tenant {
namespace {

Status Wrong(const TenantSpec& tenant, std::string_view what) {
  const std::string who = tenant.name.empty() ? "a tenant" : "tenant " + tenant.name;
  return MakeStatus(StatusCode::kInvalidArgument, who + ": " + std::string(what));
}

std::string_view TruthText(std::string_view text) {
  if (text == "t" || text == "1") return "true";
  if (text == "f" || text == "0") return "false";
  return text;
}

Status Take(TenantSpec& tenant, std::string_view name, std::string_view value) {
  if (name == "name") {
    if (value != tenant.name) {
      return MakeStatus(StatusCode::kInvalidArgument, "it has two names");
    }
  } else if (name == "domain") {
    tenant.domains.emplace_back(value);
  } else {
    return SetTenantSetting(tenant, name, IsTruthSetting(name) ? TruthText(value) : value);
  }
  return OkStatus();
}

// What is wrong is told of a tenant, whatever comes first.
std::string NameIn(std::string_view lines) {
  constexpr std::string_view kName = "name=";
  size_t begin = 0;
  while (!lines.substr(begin).starts_with(kName)) {
    begin = lines.find('\n', begin);
    if (begin == std::string_view::npos) return "";
    ++begin;
  }
  begin += kName.size();
  return std::string(lines.substr(begin, lines.find('\n', begin) - begin));
}

}  // namespace

Status ParseTenantLines(std::string_view lines, TenantSpec& tenant) {
  tenant.name = NameIn(lines);
  while (!lines.empty()) {
    const size_t end = lines.find('\n');
    const std::string_view line = lines.substr(0, end);
    lines.remove_prefix(end == std::string_view::npos ? lines.size() : end + 1);
    const size_t sign = line.find('=');
    if (sign == std::string_view::npos)
      return Wrong(tenant, "no setting: \"" + std::string(line) + "\"");
    const Status taken = Take(tenant, line.substr(0, sign), line.substr(sign + 1));
    if (!taken.ok()) return Wrong(tenant, Message(taken));
  }
  if (tenant.name.empty()) return Wrong(tenant, "it has no name");
  if (tenant.domains.empty()) return Wrong(tenant, "it has no domain");
  tenant.policy.name = tenant.name;
  return OkStatus();
}

}  // namespace poplar::tenant
