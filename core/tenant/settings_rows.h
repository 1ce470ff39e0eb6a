// How a row of the table says where in Config its value lies, and the parts of the table.
// Private to settings*.cc.

#pragma once

#include <vector>

#include "core/tenant/settings.h"

namespace poplar::tenant {

using C = Config;

inline constexpr auto kFile = PathForm::Kind::kFile;
inline constexpr auto kSocket = PathForm::Kind::kSocket;
inline constexpr uint32_t kDayS = 86'400;

template <auto section, auto member>
auto& At(Config& config) {
  return config.*section.*member;
}

template <auto section, auto member>
size_t GetChoice(const Config& config) {
  return static_cast<size_t>(config.*section.*member);
}

template <auto section, auto member>
void SetChoice(Config& config, size_t index) {
  auto& value = config.*section.*member;
  value = static_cast<std::remove_reference_t<decltype(value)>>(index);
}

// settings_network.cc.
std::vector<Setting> TlsSettings();
std::vector<Setting> Pop3Settings();
std::vector<Setting> LmtpSettings();
std::vector<Setting> OtherSettings();
// settings_setup.cc.
std::vector<Setting> SetupSettings();

}  // namespace poplar::tenant
