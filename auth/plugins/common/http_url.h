// URLs of the configuration. Any thread.

#pragma once

#include <string>

#include "auth/plugins/common/settings_reader.h"

namespace poplar::plugins {

// A fault of the setting `name`, unless it is https, or http to this machine: what travels decides
// who is let in. Nothing of it is a user's name or a fragment.
void CheckUrl(const std::string& name, const std::string& url, SettingsReader& reader);

}  // namespace poplar::plugins
