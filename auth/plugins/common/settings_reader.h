// Reads what [backend.NAME] says, setting by setting, and keeps a sentence about the first mistake.

#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "auth/plugin.h"
#include "auth/plugins/common/pool.h"

namespace poplar::plugins {

class SettingsReader {
 public:
  // `page` is where the settings are described; `fault`, empty at first, outlives this.
  SettingsReader(const poplar_setting* settings, std::string page, std::string& fault);

  bool ok() const { return fault_.empty(); }
  void Fault(const std::string& sentence) {
    if (fault_.empty()) fault_ = sentence;
  }

  // Each takes a setting. Where it is missing, what is given as `to` stays.
  std::vector<std::string> List(const std::string& name);
  std::optional<std::string> Text(const std::string& name);
  void Text(const std::string& name, std::string& to);
  void Number(const std::string& name, uint32_t least, uint32_t most, uint32_t& to);
  void Truth(const std::string& name, bool& to);
  template <typename Value, size_t n>
  void OneOf(const std::string& name, const std::array<std::pair<std::string_view, Value>, n>& all,
             Value& to) {
    const std::optional<std::string> text = Text(name);
    if (!text.has_value()) return;
    std::string choices;
    for (const auto& [word, value] : all) {
      if (word == *text) {
        to = value;
        return;
      }
      choices += choices.empty() ? "" : ", ";
      choices += '"' + std::string(word) + '"';
    }
    Fault(name + " is one of " + choices);
  }
  // A secret, as `name` itself or as the first line of the file that `name`_file names.
  void Secret(const std::string& name, std::string& to);
  // "connections", "connect_timeout_ms", "timeout_ms".
  void Times(Limits& to);
  // "ca_file", which must be there if it is `used`.
  void CaFile(bool used, std::string& to);

  // Whatever was not taken is a mistake.
  void NothingElse();

 private:
  std::map<std::string, std::vector<std::string>> values_;
  const std::string page_;
  std::string& fault_;
};

inline constexpr const char* kSystemCaFile = "/etc/ssl/certs/ca-certificates.crt";

}  // namespace poplar::plugins
