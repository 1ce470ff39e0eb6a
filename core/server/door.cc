#include "core/server/door.h"

#include <sys/random.h>
#include <xxhash.h>

#include "core/base/check.h"

namespace poplar::server {
namespace {

constexpr size_t kIpv4Bytes = 4;
constexpr size_t kIpv6PrefixBytes = 8;

}  // namespace

uint64_t RandomSeed() {
  uint64_t seed = 0;
  POP_CHECK(::getrandom(&seed, sizeof(seed), 0) == sizeof(seed));
  return seed;
}

ClientCounts::ClientCounts() : seed_(RandomSeed()) {}

uint64_t ClientCounts::HashOf(const net::Address& client, uint64_t scope) const {
  const bool is_ipv4 = client.family == net::Address::Family::kIpv4;
  return XXH3_64bits_withSeed(client.ip.data(), is_ipv4 ? kIpv4Bytes : kIpv6PrefixBytes,
                              seed_ + (is_ipv4 ? 0 : 1) + 2 * scope);
}

bool ClientCounts::Enter(const net::Address& client, uint32_t connections_max, uint64_t scope) {
  if (client.family == net::Address::Family::kUnix) return true;
  return counts_.Enter(HashOf(client, scope), connections_max);
}

void ClientCounts::Leave(const net::Address& client, uint64_t scope) {
  if (client.family == net::Address::Family::kUnix) return;
  counts_.Leave(HashOf(client, scope));
}

}  // namespace poplar::server
