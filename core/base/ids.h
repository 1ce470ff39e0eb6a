// The identities that several folders pass to each other.

#pragma once

#include <cstdint>

#include "core/base/strong.h"

namespace poplar {

// A customer of the provider. Given by the tenant's source, never reused.
using TenantId = Strong<struct TenantIdTag, uint64_t>;

// One connection of one run of the server, unique over all shards; what logs call `session`.
using SessionId = Strong<struct SessionIdTag, uint64_t>;

// A shard's place among the running shards, 0-based.
using ShardIndex = Strong<struct ShardIndexTag, uint32_t>;

}  // namespace poplar
