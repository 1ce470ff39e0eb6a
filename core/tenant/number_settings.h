// The settings that are numbers (limits, times, sizes) as a running server goes by them; for
// metrics.

#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/tenant/config.h"

namespace poplar::tenant {

struct NumberSetting {
  std::string name;  // "pop3.connections_max".
  uint32_t value = 0;
};

// What a reload cannot change is as in `started`, the rest as in `reloaded`. In the order of the
// file.
std::vector<NumberSetting> NumbersInForce(Config started, Config reloaded);

}  // namespace poplar::tenant
