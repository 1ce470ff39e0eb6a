// The sandbox of `poplar serve`: what a server gives away so that whoever takes it over has
// nothing.
//
// Enter, before the process has a second thread: no new privileges; a launcher for plug-ins'
// processes, since the server will run nothing itself; capabilities, but for a thread that binds
// ports below 1024; files, by Landlock. Close, when all threads run and all sockets listen: that
// thread ends, and calls to the kernel are restricted. What the kernel cannot do is told, and is an
// error only with server.sandbox = "required".

#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "auth/remote/host_spawner.h"
#include "core/app/port_binder.h"
#include "core/base/bind.h"
#include "core/base/fd.h"
#include "core/base/metrics.h"
#include "core/base/status.h"
#include "core/tenant/config.h"

namespace poplar::app {

class ServerSandbox {
 public:
  // With server.sandbox = "off" it does nothing, and what is asked of it is done in this process.
  // Errors are sentences for the operator.
  static StatusOr<std::unique_ptr<ServerSandbox>> Enter(const tenant::Config& config,
                                                        const std::string& config_path);
  // For a command that serves itself alone: as if it were off.
  static std::unique_ptr<ServerSandbox> Open(const tenant::Config& config);
  ServerSandbox(const ServerSandbox&) = delete;
  ServerSandbox& operator=(const ServerSandbox&) = delete;

  auth::HostSpawner& spawner() { return *spawner_; }
  // Until Close.
  base::BindFunction bind();
  // The folder below which alone the server may write what it is told to; empty: anywhere.
  std::string writes_only_below() const { return landlock_abi_ > 0 ? snapshots_ : ""; }

  // Also tells in the log what is in force. The sandbox outlives the metrics.
  Status Close();
  void Register(base::MetricRegistry& registry) const;

 private:
  explicit ServerSandbox(const tenant::Config& config);

  Status StartLauncher(const tenant::Config& config);
  Status RestrictFiles(const tenant::Config& config, const std::string& config_path);
  Status GiveAwayPrivileges(const tenant::Config& config);
  // OK unless the sandbox is required.
  Status Lacks(const std::string& what, const Status& why);

  const tenant::SandboxMode mode_;
  const std::string snapshots_;
  std::unique_ptr<auth::HostSpawner> spawner_;
  std::unique_ptr<PortBinder> binder_;  // Null: nobody needs it.
  base::UniqueFd own_folder_;           // Of the process, in /proc.
  int landlock_abi_ = 0;                // 0: files are not restricted.
  std::atomic<bool> calls_restricted_{false};
  bool capabilities_dropped_ = false;
  std::vector<std::string> lacks_;
};

// `poplar auth-host`: this process gives away what a plug-in does not need, before it loads one.
// With "on" it says nothing of what the kernel lacks: the server has.
Status ConfineHost(tenant::SandboxMode mode, const std::string& plugin,
                   const std::vector<std::string>& reads);

}  // namespace poplar::app
