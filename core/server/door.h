// The limits at the door: connections of each protocol, of each POP3 client, and of each client of
// a tenant, in the whole process. The kernel spreads one client's connections over the shards, so
// all shards count in one place: atomic words that are touched when a connection comes and when it
// goes. Any thread.

#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>

#include "core/net/address.h"
#include "core/server/recent_logins.h"

namespace poplar::server {

class ConnectionCount {
 public:
  // False, and nothing counted, where there are `connections_max` already.
  bool Enter(uint32_t connections_max) {
    if (count_.fetch_add(1, std::memory_order_relaxed) < connections_max) return true;
    Leave();
    return false;
  }
  void Leave() { count_.fetch_sub(1, std::memory_order_relaxed); }

 private:
  std::atomic<uint32_t> count_{0};
};

// A client is an IPv4 address or an IPv6 /64: within one of those a customer takes as many
// addresses as he likes. Unix sockets have no address and no limit.
//
// Memory is fixed. A client counts in two cells, found by a hash with a random seed, and the lower
// one is what it has: to be refused for another's connections it must share both cells. When
// several come at the same moment on different shards, a few more than allowed may get in.
class ClientCounts {
 public:
  ClientCounts();

  // False, and nothing counted, where the client holds `connections_max` already. `scope`: clients
  // count apart in each.
  bool Enter(const net::Address& client, uint32_t connections_max, uint64_t scope = 0);
  // REQUIRES: Enter let the client in.
  void Leave(const net::Address& client, uint64_t scope = 0);

 private:
  static constexpr size_t kCells = size_t{1} << 16;
  using Cell = std::atomic<uint32_t>;
  struct Rows {
    std::array<Cell, kCells> first{};
    std::array<Cell, kCells> second{};
  };
  struct Cells {
    Cell& first;
    Cell& second;
  };

  Cells CellsOf(const net::Address& client, uint64_t scope);

  const uint64_t seed_;
  const std::unique_ptr<Rows> rows_ = std::make_unique<Rows>();
};

// A seed for hashes that nobody outside can foresee.
uint64_t RandomSeed();

struct Door {
  ConnectionCount pop3;
  ClientCounts pop3_clients;
  ClientCounts tenant_clients;  // Sessions; the scope is the tenant.
  RecentLogins logins;
  ConnectionCount lmtp;
};

}  // namespace poplar::server
