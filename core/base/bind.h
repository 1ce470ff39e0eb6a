// Who gives a socket its address: bind(2), or somebody with the right to ports below 1024.

#pragma once

#include <sys/socket.h>

#include <functional>

namespace poplar::base {

// As bind(2); errno says why not.
using BindFunction = std::function<int(int fd, const sockaddr* address, socklen_t bytes)>;

}  // namespace poplar::base
