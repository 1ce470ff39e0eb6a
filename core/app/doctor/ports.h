// The doctor's look at what listens: does each port, and LMTP's socket, answer as it should? One
// thread; blocks, each wait for some seconds at most.

#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "core/app/doctor/findings.h"
#include "core/app/listeners.h"
#include "core/tenant/config.h"
#include "core/tenant/listen_address.h"

namespace poplar::app {

// By its admin socket.
enum class ServerState : uint8_t {
  kDown,
  kSilent,  // It runs, and does not answer who asks, or not him.
  kAnswers,
};

// What the file has, of a server that listens at `listeners`.
void LookAtListeners(const tenant::Config& config, const Listeners& listeners, Findings& findings);

// `host`: by which name customers reach POP3. Of a server that runs the addresses are to be the
// real ones. The first port of POP3S that answers; nothing: none does.
std::optional<tenant::ListenAddress> LookAtPorts(const tenant::Config& config,
                                                 const std::string& host, ServerState server,
                                                 Findings& findings);

}  // namespace poplar::app
