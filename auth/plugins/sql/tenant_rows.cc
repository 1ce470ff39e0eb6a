#include "auth/plugins/sql/tenant_rows.h"

#include <algorithm>
#include <string_view>
#include <unordered_map>
#include <utility>

namespace poplar::sql {
namespace {

constexpr std::string_view kName = "name";
constexpr std::string_view kDomain = "domain";

std::string Lower(std::string text) {
  for (char& c : text) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return text;
}

// A value cannot begin a line of its own.
void AddLine(std::string& lines, std::string_view name, std::string_view value) {
  lines += name;
  lines += '=';
  const size_t begin = lines.size();
  lines += value;
  std::replace_if(
      lines.begin() + static_cast<std::ptrdiff_t>(begin), lines.end(),
      [](char c) { return c >= 0 && c < ' '; }, '?');
  lines += '\n';
}

struct TenantRow {
  std::string name;
  std::string domain;  // As a line; empty: none.
  std::string settings;
};

TenantRow ReadTenantRow(const Row& row) {
  TenantRow read;
  for (const Column& column : row) {
    if (!column.value.has_value()) continue;
    const std::string name = Lower(column.name);
    if (name == kName) {
      read.name = *column.value;
    } else if (name == kDomain) {
      AddLine(read.domain, kDomain, *column.value);
    } else {
      AddLine(read.settings, name, *column.value);
    }
  }
  return read;
}

struct Tenant {
  std::string lines;
  std::string settings;  // Of its first row.
};

}  // namespace

std::vector<std::string> TenantsOf(const std::vector<Row>& rows, std::string& fault) {
  if (rows.size() > kTenantRowsMax) {
    fault = "it gives more than " + std::to_string(kTenantRowsMax) + " rows";
    return {};
  }
  std::vector<Tenant> tenants;
  std::unordered_map<std::string, size_t> by_name;
  for (const Row& row : rows) {
    TenantRow read = ReadTenantRow(row);
    if (read.name.empty()) {
      fault = "a row has no column name, or NULL in it";
      return {};
    }
    const auto [place, is_new] = by_name.emplace(read.name, tenants.size());
    if (is_new) {
      Tenant& tenant = tenants.emplace_back();
      AddLine(tenant.lines, kName, read.name);
      tenant.lines += read.settings;
      tenant.settings = read.settings;
    }
    Tenant& tenant = tenants[place->second];
    // Which of them would hold? A line that is no setting makes the tenant a faulty one.
    if (tenant.settings != read.settings) tenant.lines += "its rows say different things\n";
    tenant.lines += read.domain;
  }
  std::vector<std::string> told;
  told.reserve(tenants.size());
  for (Tenant& tenant : tenants) told.push_back(std::move(tenant.lines));
  return told;
}

}  // namespace poplar::sql
