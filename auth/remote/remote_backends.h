// The back ends that live in auth hosts: starts the hosts, hands every shard its socket, starts a
// host anew when it ended, hung or grew too large, and makes the ports.
//
// A host runs one plug-in, for all back ends that name it, and has a thread that looks after it: a
// plug-in that takes its time to open holds up no other. Made and ended on a thread that is no
// shard's, between shards and AuthService: after the shards run, and after the AuthService has
// ended.

#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include "auth/remote/host_link.h"
#include "auth/remote/host_process.h"
#include "auth/remote/remote_port.h"
#include "core/base/fd.h"
#include "core/base/mail_policy.h"
#include "core/base/metrics.h"
#include "core/io/shard.h"

namespace poplar::auth {

struct RemoteBackendSpec {
  std::string name;    // As chains name it.
  std::string plugin;  // The shared object.
  PluginSettings settings;
  bool weak_schemes = false;  // Stored passwords that it hands out may be of weak schemes.
  uint32_t remember_ms_max = UINT32_MAX;  // Right passwords are remembered for so long at most.
};

struct RemoteBackendsOptions {
  HostSpawner* spawner = nullptr;       // Outlives the back ends.
  uint32_t threads = 0;                 // Of each host; 0: as many as its shards need.
  uint64_t host_bytes_max = 256 << 20;  // Of memory; a host that has more is started anew.
  uint32_t start_timeout_ms = 10'000;
  uint64_t slow_us = 500'000;
  uint32_t hung_ms = 20'000;
  BreakerOptions breaker;
};

// With fewer threads a shard asks too little at once to leave places to others: one of each back
// end, so that tenants wait for each other.
inline constexpr uint32_t kHostThreadsOfShardMin = 3;
// Those of a host whose options say nothing.
constexpr uint32_t DefaultHostThreads(uint32_t shards) { return std::max(6 * shards, 8U); }

class RemoteBackends {
 public:
  // Starts all hosts and opens all instances. The first fault ends it: kInvalidArgument, a sentence
  // that names the back end (a plug-in that is not there or not fit, a setting that is wrong), or
  // kUnavailable. `tenants` outlives this.
  static StatusOr<std::unique_ptr<RemoteBackends>> Start(const RemoteBackendsOptions& options,
                                                         std::vector<RemoteBackendSpec> specs,
                                                         io::ShardSet& shards,
                                                         const PolicyBoard& tenants);
  RemoteBackends(const RemoteBackends&) = delete;
  RemoteBackends& operator=(const RemoteBackends&) = delete;
  // REQUIRES: all ports are gone.
  ~RemoteBackends();

  // A port to the back end of that name, for this shard; on its thread. REQUIRES: there is one.
  std::unique_ptr<BackendPort> MakePort(const std::string& name, io::Shard& shard);

  void Register(base::MetricRegistry& registry) const;

 private:
  struct Host;

  RemoteBackends(const RemoteBackendsOptions& options, io::ShardSet& shards,
                 const PolicyBoard& tenants);

  Status AddBackend(RemoteBackendSpec spec);
  // A process with all instances of `host` open.
  StatusOr<std::unique_ptr<HostProcess>> StartProcess(const Host& host) const;
  // What each shard may have out.
  HostLinkOptions LinkOptions() const;
  void HandOut(Host& host);
  void MakeLinks(Host& host);
  // The life of a host's thread.
  void Run(Host& host);
  void Look(Host& host, uint64_t now_us, bool check_memory);
  // `host`'s process is over.
  void End(Host& host, const HostEnd& end, uint64_t now_us);
  void Restart(Host& host, uint64_t now_us);

  const RemoteBackendsOptions options_;
  io::ShardSet& shards_;
  const PolicyBoard& tenants_;
  std::stop_source stop_;  // Of all threads, and of what they wait for.
  std::vector<std::unique_ptr<Host>> hosts_;
};

}  // namespace poplar::auth
