// Authentication for all shards: the caches, the throttle and the chain of back ends behind the
// door of auth/api.
//
// A correct password is remembered for a while on the shard of the login name; everything else asks
// the back ends on a pool's thread. Changes that a back end tells of (SQLite: within about a second
// of the commit, by whatever process) drop what was remembered; Flush does so at once. README.md
// has the rules.
//
// Lifecycle: make it after the shards run and before sessions begin; end it after the last session
// and before shards and pools.

#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "auth/api/auth.h"
#include "auth/schemes/hasher_pool.h"
#include "auth/schemes/scram_keys.h"
#include "auth/service/backend.h"
#include "auth/service/backend_call.h"
#include "auth/service/chain_probe.h"
#include "auth/service/throttle.h"
#include "core/base/ids.h"
#include "core/base/mail_policy.h"
#include "core/base/metrics.h"
#include "core/io/offload_pool.h"
#include "core/io/shard.h"
#include "core/io/task.h"

namespace poplar::auth {

// Nothing is remembered for longer, whatever the options say.
inline constexpr uint32_t kPasswordCacheTtlMsMax = 60'000;
inline constexpr uint32_t kResolveCacheTtlMsMax = 10'000;

struct AuthServiceOptions {
  uint32_t password_cache_ttl_ms = kPasswordCacheTtlMsMax;  // 0: nothing is remembered.
  uint32_t password_cache_entries_max = 64 * 1024;          // On each shard.
  uint32_t resolve_cache_ttl_ms = 5'000;
  uint32_t resolve_cache_entries_max = 64 * 1024;  // On each shard.
  uint32_t deadline_ms = 10'000;                   // How long a question may take, queue and all.
  uint32_t changes_poll_ms = 1'000;                // How often back ends are asked for changes.
  uint32_t scram_iterations = kScramIterations;    // That those without keys are told.
  ThrottleOptions throttle;
};

// What the service runs on. All of it outlives the service.
struct AuthPools {
  io::OffloadPool* hash = nullptr;    // Niced, as many threads as cores for hashing.
  io::OffloadPool* lookup = nullptr;  // For short reads: the disk pool will do.
  HasherPool* hashers = nullptr;
};

struct AuthContext;
class ChangeWatch;

// A link of the chain: a back end of the server's own, or what makes a port to one elsewhere.
struct BackendSource {
  std::unique_ptr<Backend> backend;
  std::function<std::unique_ptr<BackendPort>(io::Shard& shard)> make_port;  // Without `backend`.
  bool next_after_refused = false;                                          // As ChainLink.
  bool next_after_failed = false;
  bool configured = true;  // In the order that holds for everybody; else for tenants that name it.
};

class AuthService {
 public:
  // The chain's links, in order, those that are not everybody's last. `tenants` may say in which
  // order a tenant's are asked; it outlives the service, or is null: then nothing is remembered.
  // REQUIRES: called by a thread that is no shard's, and so is the end.
  AuthService(const AuthServiceOptions& options, io::ShardSet& shards, const AuthPools& pools,
              std::vector<BackendSource> chain, const PolicyBoard* tenants = nullptr);
  AuthService(const AuthService&) = delete;
  AuthService& operator=(const AuthService&) = delete;
  // Waits for questions that are still with a back end. REQUIRES: nobody waits for an answer.
  ~AuthService();

  // Lives as long as this; use it on that shard only.
  ShardAuth& OnShard(ShardIndex index);

  // Drops what is remembered of one login name or address, or of all when `login` is empty, on
  // every shard; `done` when it is gone. Answers under way from before are not remembered either.
  // On any shard's thread.
  void Flush(const std::string& login, io::Completion<Status>& done);

  // The same of whoever has that account, by whatever name he logged in.
  void FlushAccount(TenantId tenant, const std::string& account, io::Completion<Status>& done);

  // What each link of the chain says of a login name or address, and of a password or a token if
  // there is one. Nothing is remembered, nobody is throttled. On any shard's thread.
  void Probe(const std::string& login, ProbedSecret tried,
             io::Completion<std::vector<LinkReport>>& done);

  // The penalties that a login name's next attempts wait for. Any thread.
  std::vector<HeldPenalty> Penalties(const std::string& login) const;

  void Register(base::MetricRegistry& registry) const;

 private:
  bool Idle();
  void Forget(BackendChanges changes, io::Completion<Status>& done);

  std::unique_ptr<AuthContext> context_;
  std::unique_ptr<ChangeWatch> watch_;  // On the first shard.
};

}  // namespace poplar::auth
