// How many connections each client address holds on one shard. Addresses without connections cost
// nothing.

#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>

namespace poplar::server {

class AddressLimit {
 public:
  // False, and nothing counted, where the address holds `connections_max` already.
  bool Enter(const std::string& address, uint32_t connections_max) {
    const auto found = held_.find(address);
    if ((found == held_.end() ? 0 : found->second) >= connections_max) return false;
    ++held_[address];
    return true;
  }
  void Leave(const std::string& address) {
    const auto found = held_.find(address);
    if (found != held_.end() && --found->second == 0) held_.erase(found);
  }

 private:
  std::unordered_map<std::string, uint32_t> held_;
};

}  // namespace poplar::server
