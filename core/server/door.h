// The limits at the door: connections of each protocol, of each POP3 client, and of each client of
// a tenant, in the whole process. The kernel spreads one client's connections over the shards, so
// all shards count in one place: atomic words that are touched when a connection comes and when it
// goes. Any thread.

#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "core/net/address.h"
#include "core/server/holder_counts.h"
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
class ClientCounts {
 public:
  ClientCounts();

  // False, and nothing counted, where the client holds `connections_max` already. `scope`: clients
  // count apart in each.
  bool Enter(const net::Address& client, uint32_t connections_max, uint64_t scope = 0);
  // REQUIRES: Enter let the client in.
  void Leave(const net::Address& client, uint64_t scope = 0);

 private:
  static constexpr size_t kLines = size_t{1} << 15;  // 2 MiB.

  uint64_t HashOf(const net::Address& client, uint64_t scope) const;

  const uint64_t seed_;
  HolderCounts counts_{kLines};
};

// A seed for hashes that nobody outside can foresee.
uint64_t RandomSeed();

struct Door {
  ConnectionCount pop3;
  ClientCounts pop3_clients;
  ClientCounts tenant_clients;                    // Sessions; the scope is the tenant.
  HolderCounts recent_sessions{size_t{1} << 12};  // Of accounts; 256 KiB.
  RecentLogins logins;
  ConnectionCount lmtp;
};

}  // namespace poplar::server
