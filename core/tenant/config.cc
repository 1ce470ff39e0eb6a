#include "core/tenant/config.h"

#include <toml++/toml.h>

#include <algorithm>
#include <filesystem>
#include <set>

#include "core/tenant/config_reader.h"
#include "core/tenant/settings.h"
#include "core/tenant/text_file.h"

namespace poplar::tenant {
namespace {

// The first of a list with commas, which is taken off it.
std::string_view TakeName(std::string_view& list) {
  const std::string_view name = list.substr(0, list.find(','));
  list.remove_prefix(std::min(name.size() + 1, list.size()));
  return name;
}

}  // namespace

std::string AdminConfig::Beside(std::string_view name) const {
  return (std::filesystem::path(socket).parent_path() / name).string();
}

std::string ConfigFault::ToString() const {
  const std::string where = line == 0 ? file : file + ":" + std::to_string(line);
  return where + ": " + message;
}

ParsedConfig ParseConfig(std::string_view text, std::string_view file) {
  try {
    return ConfigReader(file).Read(toml::parse(text));
  } catch (const toml::parse_error& error) {
    const auto& description = error.description();
    ParsedConfig parsed;
    parsed.faults.push_back(
        {std::string(file), error.source().begin.line, SyntaxMessage(description)});
    return parsed;
  }
}

std::string StoreConfig::snapshots_folder() const {
  if (!snapshots.empty()) return snapshots;
  return (std::filesystem::path(path).parent_path() / "snapshots").string();
}

ParsedConfig ReadConfig(const std::string& path) {
  auto text = ReadTextFile(path);
  if (text.ok()) return ParseConfig(*text, path);
  ParsedConfig parsed;
  std::string message(Message(text.status()));
  if (text.status().code() == StatusCode::kNotFound)
    message += "; name the file with --config, or make one with `poplar init DIR`";
  parsed.faults.push_back({path, 0, std::move(message)});
  return parsed;
}

StatusOr<Config> LoadConfig(const std::string& path) {
  ParsedConfig parsed = ReadConfig(path);
  if (parsed.faults.empty()) return std::move(parsed.config);
  std::string message;
  for (const ConfigFault& fault : parsed.faults) {
    if (!message.empty()) message += '\n';
    message += fault.ToString();
  }
  return MakeStatus(StatusCode::kInvalidArgument, message);
}

std::string MissingBackend(const Config& config, std::string_view chain) {
  while (!chain.empty()) {
    const std::string_view name = TakeName(chain);
    const bool is_there =
        name == kUsersBackend || std::ranges::any_of(config.backends, [name](const auto& backend) {
          return backend.name == name;
        });
    if (!is_there) return std::string(name);
  }
  return "";
}

std::string TwiceInChain(std::string_view chain) {
  std::set<std::string_view> seen;
  while (!chain.empty()) {
    const std::string_view name = TakeName(chain);
    if (!seen.insert(name).second) return std::string(name);
  }
  return "";
}

std::vector<std::string> SettingsThatNeedRestart(const Config& running, const Config& next) {
  std::vector<std::string> names;
  for (const Setting& setting : Settings()) {
    if (setting.takes == Takes::kReload) continue;
    if (ValueText(setting, running) != ValueText(setting, next)) names.push_back(setting.Name());
  }
  if (running.backends != next.backends) names.emplace_back("backend");
  return names;
}

}  // namespace poplar::tenant
