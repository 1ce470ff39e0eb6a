// Where the start would fail to listen, and a store that is not as the settings have it: what
// `poplar check` can see without taking an address or opening the store. Blocks for a moment.

#pragma once

#include <string>
#include <vector>

#include "core/tenant/config.h"

namespace poplar::app {

struct PlaceFinding {
  std::string setting;
  std::string message;
  bool fault = true;  // Else a warning: it may be right by the time of the start.
};

// Of sockets of the file system, and of addresses that this machine does not have.
std::vector<PlaceFinding> CheckPlaces(const tenant::Config& config);

// Empty, or that the store's own number of partitions counts.
std::string WhyPartitionsDoNotCount(const tenant::StoreConfig& store);

}  // namespace poplar::app
