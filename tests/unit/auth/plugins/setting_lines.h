// Settings as a test writes them.

#pragma once

#include <string>
#include <utility>
#include <vector>

#include "auth/plugin.h"

namespace poplar::plugins {

using Lines = std::vector<std::pair<std::string, std::string>>;

// As a plug-in gets them; `lines` outlives the list.
inline std::vector<poplar_setting> SettingList(const Lines& lines) {
  std::vector<poplar_setting> settings;
  for (const auto& [name, value] : lines) settings.push_back({name.c_str(), value.c_str()});
  settings.push_back({nullptr, nullptr});
  return settings;
}

inline Lines With(Lines lines, const Lines& more) {
  lines.insert(lines.end(), more.begin(), more.end());
  return lines;
}

inline Lines Without(Lines lines, const std::string& name) {
  std::erase_if(lines, [&](const auto& line) { return line.first == name; });
  return lines;
}

}  // namespace poplar::plugins
