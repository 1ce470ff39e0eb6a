// What [backend.NAME] says of a provider's API, read and checked. auth/HTTP.md describes each
// setting.

#pragma once

#include <optional>
#include <string>
#include <vector>

#include "auth/plugin.h"
#include "auth/plugins/common/settings_reader.h"

namespace poplar::http {

struct Settings {
  std::vector<std::string> urls;  // The first that works is asked.
  std::string ca_file = plugins::kSystemCaFile;
  std::string token;  // Empty: none is sent.
  plugins::Limits limits;
};

// nullopt: `fault` is a sentence about the first setting that is wrong, missing or not known. Reads
// the files that settings name.
std::optional<Settings> ReadSettings(const poplar_setting* settings, std::string& fault);

}  // namespace poplar::http
