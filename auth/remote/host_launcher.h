// A process that starts plug-ins' processes for one that cannot. It is forked before the server
// closes its sandbox, and does nothing but this: of the plug-ins that it was told of at its start,
// and of no others, it starts processes, ends them, and tells how much memory they have. So nobody
// who has taken over the server can have anything else run, or with other arguments.
//
// It ends, and its children with it, when the server ends.

#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <utility>

#include "auth/remote/host_spawner.h"
#include "core/base/fd.h"
#include "core/base/status.h"

namespace poplar::auth {

enum class HostLauncherOrder : uint32_t { kSockets, kStart, kKill, kEnd, kHowItEnded, kMemory };

class HostLauncher final : public HostSpawner {
 public:
  // Forks it. `confine` runs in it, once; where that fails the launcher is not there, and the fault
  // is told here. Plug-ins are those of `options.arguments`. REQUIRES: the process has one thread.
  static StatusOr<std::unique_ptr<HostLauncher>> Fork(const HostSpawnerOptions& options,
                                                      const std::function<Status()>& confine);
  HostLauncher(const HostLauncher&) = delete;
  HostLauncher& operator=(const HostLauncher&) = delete;
  // Ends it, with all that it has started.
  ~HostLauncher() override;

  pid_t pid() const { return pid_; }

  // Any thread.
  StatusOr<pid_t> Start(const std::string& plugin,
                        std::span<const base::UniqueFd> sockets) override;
  void Kill(pid_t pid) override;
  void End(pid_t pid) override;
  std::optional<int> WaitStatus(pid_t pid) override;
  uint64_t ResidentBytes(pid_t pid) override;

 private:
  HostLauncher(pid_t pid, base::UniqueFd socket) : pid_(pid), socket_(std::move(socket)) {}

  StatusOr<uint64_t> Ask(HostLauncherOrder order, pid_t pid);

  const pid_t pid_;
  std::mutex mutex_;  // One question at a time.
  const base::UniqueFd socket_;
};

}  // namespace poplar::auth
