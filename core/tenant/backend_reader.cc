// The part of ConfigReader that reads [backend.NAME]: back ends of authentication beside the
// server's own database. What a plug-in understands is not known here; it says so when it starts.

#include <algorithm>

#include "core/tenant/config_reader.h"

namespace poplar::tenant {
namespace {

constexpr std::string_view kNextAfter = "write next_after = [\"refused\"], [\"failed\"] or both";

bool IsName(std::string_view text) {
  constexpr size_t kNameBytesMax = 64;
  return !text.empty() && text.size() <= kNameBytesMax && std::ranges::all_of(text, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
  });
}

}  // namespace

bool NamesFile(std::string_view plugin_setting) {
  return plugin_setting == "file" || plugin_setting.ends_with("_file");
}

void ConfigReader::ReadBackends(const toml::node& node) {
  const auto* const table = node.as_table();
  if (table == nullptr) {
    return Fault(node.source().begin.line,
                 "backend is a section for each back end: write [backend.NAME]");
  }
  for (const auto& [key, value] : *table) {
    const std::string name(key.str());
    const uint32_t line = value.source().begin.line;
    if (!value.is_table()) {
      Fault(line, "backend." + name + ": write [backend." + name + "] on a line of its own");
    } else if (!IsName(name) || name == kUsersBackend) {
      Fault(line, "[backend." + name +
                      "]: a back end's name has small letters, digits, '-' and '_'; \"" +
                      std::string(kUsersBackend) + "\" is the server's own database");
    } else {
      parsed_.lines.emplace("backend." + name, line);
      ReadBackend(name, *value.as_table(), line);
    }
  }
}

void ConfigReader::ReadBackend(const std::string& name, const toml::table& table, uint32_t line) {
  BackendConfig backend;
  backend.name = name;
  const std::string driver = table["driver"].value_or(std::string("plugin"));
  if (driver == "passwd-file") {
    backend.driver = BackendDriver::kPasswdFile;
  } else if (driver == "static") {
    backend.driver = BackendDriver::kStatic;
  } else if (driver != "plugin") {
    return Fault(line,
                 "backend." + name + ".driver: write \"plugin\", \"passwd-file\" or \"static\"");
  }
  for (const auto& [key, value] : table) {
    const std::string setting(key.str());
    const std::string where = "backend." + name + "." + setting;
    const uint32_t at = value.source().begin.line;
    if (setting == "driver") continue;
    if (setting == "next_after") {
      ReadNextAfter(where, value, backend);
    } else if (setting == "weak_schemes") {
      if (!value.is_boolean()) Fault(at, where + ": write true or false");
      backend.weak_schemes = value.value_or(false);
    } else if (backend.driver == BackendDriver::kPlugin && setting == "cache_seconds") {
      const int64_t seconds = value.value_or(int64_t{-1});
      if (!value.is_integer() || seconds < 0 || seconds > 60) {
        Fault(at, where + ": write a number from 0 to 60");
      }
      backend.cache_seconds = static_cast<uint32_t>(seconds);
    } else if (backend.driver == BackendDriver::kPasswdFile) {
      if (!TakePasswdFileSetting(setting, value, backend)) {
        Fault(at, where + ": a passwd-file has file = \"…\" and default_domain = \"…\"");
      }
    } else if (backend.driver == BackendDriver::kStatic) {
      if (!TakeStaticSetting(setting, value, backend)) {
        Fault(at, where + ": a static back end has address = \"probe@…\" and password = \"$6$…\"");
      }
    } else if (setting == "plugin") {
      if (!TakePath(value, backend.plugin)) {
        Fault(at,
              where + ": write the path of the plug-in, like \"/usr/local/lib/poplar/ldap.so\"");
      }
    } else if (!AddPluginSetting(setting, value, backend)) {
      Fault(at, where + ": write a text, a number, true or false, or a list of these");
    }
  }
  if (backend.driver == BackendDriver::kPlugin && backend.plugin.empty()) {
    Fault(line,
          "[backend." + name + "] names no plug-in: write plugin = \"/usr/local/lib/poplar/….so\"");
  } else if (backend.driver == BackendDriver::kPasswdFile && backend.file.empty()) {
    Fault(line, "[backend." + name + "] names no file: write file = \"/etc/dovecot/users\"");
  } else if (backend.driver == BackendDriver::kStatic &&
             (backend.address.empty() || backend.password.empty())) {
    Fault(line, "[backend." + name + "] names no user: write address and password, as stored");
  }
  parsed_.config.backends.push_back(std::move(backend));
}

bool ConfigReader::TakePath(const toml::node& node, std::string& path) const {
  const std::string text = node.value_or(std::string());
  if (text.empty() || text.find('\0') != std::string::npos) return false;
  path = (folder_ / text).lexically_normal().string();
  return true;
}

bool ConfigReader::TakePasswdFileSetting(const std::string& name, const toml::node& node,
                                         BackendConfig& backend) const {
  if (name == "file") return TakePath(node, backend.file);
  backend.default_domain = node.value_or(std::string());
  return name == "default_domain" && !backend.default_domain.empty();
}

bool ConfigReader::TakeStaticSetting(const std::string& name, const toml::node& node,
                                     BackendConfig& backend) {
  const std::string text = node.value_or(std::string());
  if (name == "address") backend.address = text;
  if (name == "password") backend.password = text;
  return (name == "address" && text.find('@') != std::string::npos) ||
         (name == "password" && !text.empty());
}

void ConfigReader::ReadNextAfter(const std::string& where, const toml::node& node,
                                 BackendConfig& backend) {
  const auto* const list = node.as_array();
  if (list == nullptr)
    return Fault(node.source().begin.line, where + ": " + std::string(kNextAfter));
  for (const toml::node& item : *list) {
    const std::string word = item.value_or(std::string());
    if (word == "refused") {
      backend.next_after_refused = true;
    } else if (word == "failed") {
      backend.next_after_failed = true;
    } else {
      Fault(item.source().begin.line, where + ": " + std::string(kNextAfter));
    }
  }
}

// As text: numbers and truth values too; a list is its values one after the other.
bool ConfigReader::AddPluginSetting(const std::string& name, const toml::node& node,
                                    BackendConfig& backend) {
  if (const auto* list = node.as_array()) {
    return std::ranges::all_of(*list, [&](const toml::node& item) {
      return !item.is_array() && AddPluginSetting(name, item, backend);
    });
  }
  std::string text;
  if (const auto* value = node.as_string()) {
    text = value->get();
    // A plug-in cannot know what a path is relative to.
    if (NamesFile(name) && !text.empty()) text = (folder_ / text).lexically_normal().string();
  } else if (const auto* number = node.as_integer()) {
    text = std::to_string(number->get());
  } else if (const auto* truth = node.as_boolean()) {
    text = truth->get() ? "true" : "false";
  } else {
    return false;
  }
  if (text.find('\0') != std::string::npos) return false;
  backend.settings.emplace_back(name, std::move(text));
  return true;
}

void ConfigReader::CheckTenantsBackend() {
  const std::string& name = parsed_.config.users.tenants_backend;
  if (name.empty()) return;
  const auto found = std::ranges::find(parsed_.config.backends, name, &BackendConfig::name);
  if (found == parsed_.config.backends.end() || found->driver != BackendDriver::kPlugin) {
    Fault(LineOf("users.tenants_backend"),
          "users.tenants_backend: there is no [backend." + name + "] with a plugin; write it");
  }
}

void ConfigReader::CheckChain() {
  const std::vector<std::string>& chain = parsed_.config.auth.chain;
  const uint32_t line = LineOf("auth.chain");
  if (chain.empty()) {
    Fault(line, "auth.chain is empty: nobody could log in; write [\"" + std::string(kUsersBackend) +
                    "\"]");
  }
  for (auto name = chain.begin(); name != chain.end(); ++name) {
    const auto found = std::ranges::find(parsed_.config.backends, *name, &BackendConfig::name);
    if (*name != kUsersBackend && found == parsed_.config.backends.end()) {
      Fault(line, "auth.chain: there is no [backend." + *name + "]; write it, or \"" +
                      std::string(kUsersBackend) + "\" for the server's own database");
    } else if (std::find(chain.begin(), name, *name) != name) {
      Fault(line, "auth.chain: \"" + *name + "\" is there twice; remove one of the two");
    }
  }
}

}  // namespace poplar::tenant
