// Whose turn a question takes in a pool's queue.

#pragma once

#include <cstdint>
#include <functional>
#include <string_view>

namespace poplar::auth {

// Pools are fair between keys and keep a queue for each for ever: so domains, which strangers make
// up, share this many.
inline constexpr uint64_t kFairKeys = 1024;

// Of the domain of a login name or address.
inline uint64_t FairKey(std::string_view login) {
  const size_t at = login.rfind('@');
  const std::string_view domain =
      at == std::string_view::npos ? std::string_view() : login.substr(at + 1);
  return std::hash<std::string_view>()(domain) % kFairKeys;
}

}  // namespace poplar::auth
