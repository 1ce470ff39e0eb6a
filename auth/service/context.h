// What all shards of one AuthService have in common; nothing in it changes after the start but the
// throttle's atomic table.

#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "auth/service/auth_service.h"
#include "auth/service/chain.h"
#include "auth/service/keyed_hash.h"
#include "auth/service/throttle.h"

namespace poplar::auth {

class ShardAuthImpl;

struct AuthContext {
  AuthContext(const AuthServiceOptions& options, io::ShardSet& shards, const AuthPools& pools,
              std::vector<BackendSource> chain_sources, const PolicyBoard* tenant_board);
  ~AuthContext();

  // The chain as `shard` walks it.
  std::vector<ChainLink> LinksFor(io::Shard& shard) const;
  // So many of them are everybody's.
  size_t configured_links() const;

  ShardIndex HomeOf(const Mac& name) const {
    return ShardIndex(static_cast<uint32_t>(name.high % on_shard.size()));
  }

  const AuthServiceOptions options;
  io::ShardSet& shards;
  const AuthPools pools;
  const std::vector<BackendSource> chain;
  const PolicyBoard* const tenants;
  Throttle throttle;
  const LoginHasher::Key key;
  const VerifierMaker verifiers;
  std::vector<std::unique_ptr<ShardAuthImpl>> on_shard;  // By shard index.
};

}  // namespace poplar::auth
