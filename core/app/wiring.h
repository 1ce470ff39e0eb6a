// What the command line needs of the parts that only `main` knows: one struct, filled there.

#pragma once

#include <functional>
#include <string>
#include <vector>

#include "core/app/console.h"
#include "core/app/exit_code.h"
#include "core/app/store_commands.h"
#include "core/base/status.h"
#include "core/tenant/config.h"

namespace poplar::app {

// The functions of store_commands.h.
struct StoreWiring {
  using Config = tenant::Config;

  std::function<ExitCode(const Config&, bool json, Console&)> verify;
  std::function<ExitCode(const Config&, bool json, Console&)> stats;
  std::function<ExitCode(const Config&, bool json, Console&)> compact;
  std::function<ExitCode(const DumpSegmentRequest&, const Config&, Console&)> dump_segment;
  std::function<ExitCode(const std::string& which, const Config&, Console&)> dump_maildrop;
  std::function<ExitCode(const RebuildIndexRequest&, const Config&, Console&)> rebuild_index;
  std::function<ExitCode(const Config&, Console&)> upgrade;
  std::function<ExitCode(const std::string& directory, const Config&, Console&)> snapshot;
};

// What is wrong with one [backend.NAME], as a sentence.
struct BackendFault {
  std::string backend;
  std::string message;
};

using KnowsAddresses = std::function<bool(const tenant::BackendConfig& backend)>;

// The command line of a plug-in's process, by which the server starts it.
struct AuthHostCommand {
  uint32_t shards = 1;
  std::string plugin;
  tenant::SandboxMode sandbox = tenant::SandboxMode::kOff;
  std::vector<std::string> reads;
};

struct Wiring {
  // Makes an empty store where the configuration says. kAlreadyExists: one is there; it was kept.
  std::function<Status(const tenant::Config& config)> init_store;
  // Whether a store is where the configuration says, at a first look. kNotFound: nothing is there.
  std::function<Status(const tenant::Config& config)> look_at_store;
  // Octets that the store keeps back of its disk.
  std::function<uint64_t(const tenant::Config& config)> store_reserve_bytes;
  // `poplar store …`.
  StoreWiring store;
  // `poplar serve`.
  std::function<ExitCode(const tenant::Config& config, const std::string& config_path)> serve;
  // What the start would refuse of the configured back ends; for `poplar check`.
  std::function<std::vector<BackendFault>(const tenant::Config& config)> check_backends;
  // Whether a configured back end can say whose an address is; true where it cannot be found out.
  KnowsAddresses knows_addresses;
  // A sentence about an auth.host_threads that is too small; "" where there is nothing to say.
  std::function<std::string(const tenant::Config& config)> warn_of_host_threads;
  // The same of penalties that last longer than a client is waited for.
  std::function<std::string(const tenant::Config& config)> warn_of_penalties;
  // `poplar auth-host`.
  std::function<ExitCode(const AuthHostCommand&)> auth_host;
  // Runs `command` while a server without public listeners answers on the private sockets of this
  // configuration, in this process. Fails where another one has the store.
  std::function<ExitCode(const tenant::Config& config, Console& console,
                         const std::function<ExitCode()>& command)>
      serve_privately;
};

}  // namespace poplar::app
