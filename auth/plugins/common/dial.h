// TCP to a host, within a deadline. Any thread.

#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include <cstdint>
#include <string>
#include <vector>

#include "auth/plugins/common/deadline.h"

namespace poplar::plugins {

struct Address {
  sockaddr_storage address{};
  socklen_t bytes = 0;
  std::string numeric;  // "192.0.2.1", "2001:db8::1".
};

// The addresses of a host, in the order of the system's. None: `fault` says why. The system's
// resolver knows no deadline: a slow one goes on behind our back.
std::vector<Address> Resolve(const std::string& host, uint16_t port, Deadline deadline,
                             std::string& fault);

// A connected socket that does not block, or -1: `fault` says why. The host's addresses are tried
// in order and share the time.
int Dial(const std::string& host, uint16_t port, Deadline deadline, std::string& fault);

// 127.0.0.0/8, ::1 or localhost: within this machine nobody listens to the wire.
bool IsLoopback(const std::string& host);

}  // namespace poplar::plugins
