#include "auth/service/context.h"

#include <algorithm>
#include <utility>

#include "auth/service/shard_auth.h"

namespace poplar::auth {

AuthContext::AuthContext(const AuthServiceOptions& service_options, io::ShardSet& shard_set,
                         const AuthPools& service_pools, std::vector<BackendSource> chain_sources,
                         const PolicyBoard* tenant_board)
    : options(service_options),
      shards(shard_set),
      pools(service_pools),
      chain(std::move(chain_sources)),
      tenants(tenant_board),
      throttle(service_options.throttle),
      key(LoginHasher::NewKey()),
      verifiers(service_options.scram_iterations),
      on_shard(shard_set.count()) {}

AuthContext::~AuthContext() = default;

size_t AuthContext::configured_links() const {
  return static_cast<size_t>(std::ranges::count_if(chain, &BackendSource::configured));
}

std::vector<ChainLink> AuthContext::LinksFor(io::Shard& shard) const {
  std::vector<ChainLink> links;
  for (const BackendSource& source : chain) {
    ChainLink link{.port = nullptr,
                   .next_after_refused = source.next_after_refused,
                   .next_after_failed = source.next_after_failed};
    if (source.backend != nullptr) {
      link.port = std::make_unique<PoolPort>(
          *source.backend, PoolPort::Pools{.hash = pools.hash, .lookup = pools.lookup},
          shard.reactor());
    } else {
      link.port = source.make_port(shard);
    }
    links.push_back(std::move(link));
  }
  return links;
}

}  // namespace poplar::auth
