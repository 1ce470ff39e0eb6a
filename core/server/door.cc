#include "core/server/door.h"

#include <sys/random.h>
#include <xxhash.h>

#include <algorithm>

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

ClientCounts::Cells ClientCounts::CellsOf(const net::Address& client, uint64_t scope) {
  const bool is_ipv4 = client.family == net::Address::Family::kIpv4;
  const uint64_t hash =
      XXH3_64bits_withSeed(client.ip.data(), is_ipv4 ? kIpv4Bytes : kIpv6PrefixBytes,
                           seed_ + (is_ipv4 ? 0 : 1) + 2 * scope);
  return {rows_->first[hash % kCells], rows_->second[hash / kCells % kCells]};
}

bool ClientCounts::Enter(const net::Address& client, uint32_t connections_max, uint64_t scope) {
  if (client.family == net::Address::Family::kUnix) return true;
  const Cells cells = CellsOf(client, scope);
  const uint32_t first = cells.first.fetch_add(1, std::memory_order_relaxed);
  const uint32_t second = cells.second.fetch_add(1, std::memory_order_relaxed);
  if (std::min(first, second) < connections_max) return true;
  Leave(client, scope);
  return false;
}

void ClientCounts::Leave(const net::Address& client, uint64_t scope) {
  if (client.family == net::Address::Family::kUnix) return;
  const Cells cells = CellsOf(client, scope);
  cells.first.fetch_sub(1, std::memory_order_relaxed);
  cells.second.fetch_sub(1, std::memory_order_relaxed);
}

}  // namespace poplar::server
