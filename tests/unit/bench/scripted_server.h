// A POP3 server that says what a test tells it to, one connection after the other on a thread of
// its own, on a port of 127.0.0.1 that the kernel chooses.

#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <string>
#include <thread>

#include "core/base/fd.h"

namespace poplar::load {

// What is said to each verb ("" for the greeting, "RETR", ...). A verb that is not here is not
// answered; an answer that is kHangUp closes.
using Script = std::map<std::string, std::string, std::less<>>;
inline constexpr std::string_view kHangUp = "hang up";

class ScriptedServer {
 public:
  // `greeting_delay_ms`: how long each client waits for it, and those behind him; but for the first
  // `prompt_greetings`.
  explicit ScriptedServer(Script script, uint64_t greeting_delay_ms = 0,
                          uint64_t prompt_greetings = 0);
  ~ScriptedServer();
  ScriptedServer(const ScriptedServer&) = delete;
  ScriptedServer& operator=(const ScriptedServer&) = delete;

  std::string endpoint() const { return "127.0.0.1:" + std::to_string(port_); }

 private:
  void Serve();
  void Talk(int connection);
  // False when the connection is to be closed.
  bool Say(int connection, std::string_view verb);

  const Script script_;
  const uint64_t greeting_delay_ms_;
  uint64_t prompt_greetings_;  // that are left
  base::UniqueFd listener_;
  uint16_t port_ = 0;
  std::atomic<bool> ending_{false};
  std::thread thread_;
};

}  // namespace poplar::load
