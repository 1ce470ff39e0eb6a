#include "auth/service/context.h"

#include <utility>

#include "auth/service/shard_auth.h"

namespace poplar::auth {

AuthContext::AuthContext(const AuthServiceOptions& service_options, io::ShardSet& shard_set,
                         const AuthPools& service_pools,
                         std::vector<std::unique_ptr<Backend>> backends)
    : options(service_options),
      shards(shard_set),
      pools(service_pools),
      chain(std::move(backends), *service_pools.hashers),
      throttle(service_options.throttle),
      key(LoginHasher::NewKey()),
      on_shard(shard_set.count()) {}

AuthContext::~AuthContext() = default;

}  // namespace poplar::auth
