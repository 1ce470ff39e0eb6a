#include "core/tenant/tenant_file.h"

#include <toml++/toml.h>

#include <algorithm>
#include <filesystem>
#include <utility>

#include "core/tenant/tenant_setting.h"
#include "core/tenant/text_file.h"

namespace poplar::tenant {
namespace {

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
    const Status set = SetTenantSetting(parsed_.tenant, name, TextOf(node));
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
