// TCP to a host, within a deadline.

#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace poplar::ldap {

// A connected socket that does not block, or -1: `fault` says why. Its addresses are tried in
// order and share the time. Resolving the name is the system's, which has limits of its own.
int Dial(const std::string& host, uint16_t port, std::chrono::steady_clock::time_point deadline,
         std::string& fault);

// Milliseconds until then, at least 0, as poll takes them.
int MillisecondsUntil(std::chrono::steady_clock::time_point deadline);

}  // namespace poplar::ldap
