// Who starts and ends the processes of plug-ins. A server that is in its sandbox can start nothing,
// so it has a launcher do it (host_launcher.h); everybody else does it himself.

#pragma once

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/base/fd.h"
#include "core/base/status.h"

namespace poplar::auth {

class HostSpawner {
 public:
  virtual ~HostSpawner() = default;

  // Starts the process of `plugin`. It has the sockets as auth_host.h says, the first for control;
  // they stay the caller's as well. kUnavailable: it cannot be started.
  virtual StatusOr<pid_t> Start(const std::string& plugin,
                                std::span<const base::UniqueFd> sockets) = 0;
  // By SIGKILL. End also forgets it: nothing may be asked of it afterwards. REQUIRES: Start gave
  // it.
  virtual void Kill(pid_t pid) = 0;
  virtual void End(pid_t pid) = 0;
  // How one ended that has closed its sockets, as waitpid(2) has it; then it is forgotten, too.
  // None: it does not end within a moment, and may be killed as ever.
  virtual std::optional<int> WaitStatus(pid_t pid) = 0;
  // Octets of memory that are its own; 0: not known.
  virtual uint64_t ResidentBytes(pid_t pid) = 0;
};

struct HostSpawnerOptions {
  std::string executable;  // What `auth-host` is a subcommand of.
  // What stands behind a plug-in's path on the command line of its process.
  std::map<std::string, std::vector<std::string>> arguments = {};
};

// They are this process's own children. Any thread.
class DirectSpawner final : public HostSpawner {
 public:
  explicit DirectSpawner(HostSpawnerOptions options) : options_(std::move(options)) {}

  StatusOr<pid_t> Start(const std::string& plugin,
                        std::span<const base::UniqueFd> sockets) override;
  void Kill(pid_t pid) override;
  void End(pid_t pid) override;
  std::optional<int> WaitStatus(pid_t pid) override;
  uint64_t ResidentBytes(pid_t pid) override;

 private:
  const HostSpawnerOptions options_;
};

}  // namespace poplar::auth
