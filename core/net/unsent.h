// How much output the kernel takes ahead of what a TCP connection can send. Left to itself it takes
// megabytes (net.ipv4.tcp_wmem) for a client that reads slowly; a thousand of them fill the memory
// that all of the machine's connections share (net.ipv4.tcp_mem), and then new ones wait.

#pragma once

#include <cstdint>

namespace poplar::net {

// For one that does not take it at once; it is asked for more when half of this is left.
inline constexpr uint32_t kUnsentBytesMax = 128 * 1024;
inline constexpr uint32_t kUnsentUnlimited = UINT32_MAX;

// On a listening socket, accepted ones inherit it. Nothing where the socket is not TCP's.
void LimitUnsent(int fd, uint32_t bytes_max);

}  // namespace poplar::net
