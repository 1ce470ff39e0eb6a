#include "bench/load/dots.h"

#include "core/base/check.h"

namespace poplar::load {

std::string Stuff(std::string_view message) {
  POP_CHECK(message.ends_with("\r\n"));
  std::string wire;
  wire.reserve(message.size() + message.size() / 512 + 16);
  if (message.front() == '.') wire.push_back('.');
  while (true) {
    size_t newline_dot = message.find("\n.");
    if (newline_dot == std::string_view::npos) break;
    wire.append(message.substr(0, newline_dot + 1)).append("..");
    message.remove_prefix(newline_dot + 2);
  }
  return wire.append(message).append(".\r\n");
}

}  // namespace poplar::load
