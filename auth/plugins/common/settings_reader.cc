#include "auth/plugins/common/settings_reader.h"

#include <unistd.h>

#include <charconv>

#include "auth/plugins/common/secret_file.h"

namespace poplar::plugins {
namespace {

constexpr size_t kSecretFileBytesMax = 64 * 1024;

}  // namespace

SettingsReader::SettingsReader(const poplar_setting* settings, std::string page, std::string& fault)
    : page_(std::move(page)), fault_(fault) {
  for (; settings->name != nullptr; ++settings) {
    values_[settings->name].emplace_back(settings->value);
  }
}

std::vector<std::string> SettingsReader::List(const std::string& name) {
  const auto found = values_.find(name);
  if (found == values_.end()) return {};
  std::vector<std::string> list = std::move(found->second);
  values_.erase(found);
  return list;
}

std::optional<std::string> SettingsReader::Text(const std::string& name) {
  std::vector<std::string> list = List(name);
  if (list.empty()) return std::nullopt;
  if (list.size() > 1) Fault(name + " has one value");
  return std::move(list[0]);
}

void SettingsReader::Text(const std::string& name, std::string& to) {
  if (std::optional<std::string> text = Text(name)) to = std::move(*text);
}

void SettingsReader::Number(const std::string& name, uint32_t least, uint32_t most, uint32_t& to) {
  const std::optional<std::string> text = Text(name);
  if (!text.has_value()) return;
  const auto parsed = std::from_chars(text->data(), text->data() + text->size(), to);
  if (parsed.ec != std::errc() || parsed.ptr != text->data() + text->size() || to < least ||
      to > most) {
    Fault(name + " is a number from " + std::to_string(least) + " to " + std::to_string(most));
  }
}

void SettingsReader::Truth(const std::string& name, bool& to) {
  const std::optional<std::string> text = Text(name);
  if (!text.has_value()) return;
  if (*text != "true" && *text != "false") Fault(name + " is true or false");
  to = *text == "true";
}

void SettingsReader::Secret(const std::string& name, std::string& to) {
  Text(name, to);
  const std::optional<std::string> path = Text(name + "_file");
  if (!path.has_value()) return;
  if (!to.empty()) return Fault(name + " and " + name + "_file: write one of them");
  std::string why;
  const std::optional<SecretText> text = ReadSecretFile(*path, kSecretFileBytesMax, why);
  if (!text.has_value()) return Fault(name + "_file: " + why);
  if (text->empty()) return Fault(name + "_file: " + *path + " is empty");
  to = std::string_view(*text).substr(0, text->find('\n'));
}

void SettingsReader::Times(Limits& to) {
  Number("connections", 1, 64, to.connections);
  Number("connect_timeout_ms", 10, 60'000, to.connect_timeout_ms);
  Number("timeout_ms", 10, 60'000, to.timeout_ms);
}

void SettingsReader::CaFile(bool used, std::string& to) {
  Text("ca_file", to);
  if (used && ::access(to.c_str(), R_OK) != 0) Fault("ca_file: " + to + " cannot be read");
}

void SettingsReader::NothingElse() {
  if (!values_.empty()) {
    Fault("there is no setting \"" + values_.begin()->first + "\"; " + page_ + " lists them");
  }
}

}  // namespace poplar::plugins
