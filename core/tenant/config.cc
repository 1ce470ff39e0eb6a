#include "core/tenant/config.h"

#include <toml++/toml.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <memory>

#include "core/base/units.h"
#include "core/tenant/config_reader.h"
#include "core/tenant/settings.h"

namespace poplar::tenant {
namespace {

constexpr uint64_t kConfigBytesMax = 1 * kMiB;

StatusOr<std::string> ReadAll(const std::string& path) {
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "re"),
                                                             &std::fclose);
  if (file == nullptr) return ErrnoStatus(errno, "cannot open it");
  std::string text(kConfigBytesMax + 1, '\0');
  text.resize(std::fread(text.data(), 1, text.size(), file.get()));
  if (std::ferror(file.get()) != 0) return ErrnoStatus(errno, "cannot read it");
  if (text.size() > kConfigBytesMax)
    return MakeStatus(StatusCode::kInvalidArgument,
                      "it is larger than 1 MiB, so it is not a configuration; name the right file");
  return text;
}

// What the TOML reader says, in our words where they are clearer.
std::string SyntaxMessage(std::string_view description) {
  if (description.find("redefine") != std::string_view::npos) {
    const size_t quote = description.find('\'');
    const size_t end = quote == std::string_view::npos ? quote : description.find('\'', quote + 1);
    if (end != std::string_view::npos)
      return std::string(description.substr(quote + 1, end - quote - 1)) +
             " is written twice; remove one of the two";
  }
  return std::string(description);
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

ParsedConfig ReadConfig(const std::string& path) {
  auto text = ReadAll(path);
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
