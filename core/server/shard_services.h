// What the drivers of one shard work with. Made by the Server on the shard's own thread; everything
// here stays on it.

#pragma once

#include <memory>
#include <vector>

#include "auth/api/auth.h"
#include "core/io/buffer_ring.h"
#include "core/io/offload_pool.h"
#include "core/io/shard.h"
#include "core/net/certificate_desk.h"
#include "core/net/stream.h"
#include "core/proto/lmtp/metrics.h"
#include "core/proto/pop3/metrics.h"
#include "core/server/client_terms.h"
#include "core/server/door.h"
#include "core/server/server_metrics.h"
#include "core/server/session_registry.h"
#include "core/server/settings.h"
#include "storage/api/store.h"

namespace poplar::server {

// What the streams of one protocol share. Each has its own, so that a flood of one starves no
// other.
struct Network {
  static StatusOr<std::unique_ptr<Network>> Make(io::Reactor& reactor,
                                                 const io::BufferRingOptions& options);

  Network(io::Reactor& r, std::unique_ptr<io::BufferRing> b) : reactor(r), buffers(std::move(b)) {}
  net::StreamEnv env() { return {reactor, *buffers, chunks, metrics, certificates}; }

  io::Reactor& reactor;
  const std::unique_ptr<io::BufferRing> buffers;
  net::ChunkPool chunks{reactor, kChunksMax};
  net::NetMetrics metrics;
  net::CertificateDesk* certificates = nullptr;  // Null: nobody speaks TLS here.

  // Reads of bodies under way at once, 64 KiB each.
  static constexpr uint32_t kChunksMax = 128;
};

// Of hosts; shared by all shards. The pool is the store's alone: a folder that hangs holds up
// nobody else.
struct CertificateSource {
  io::OffloadPool& pool;
  net::CertificateStore& store;
};

struct ShardServices {
  ShardServices(io::Shard& s, storage::ShardStore& st, auth::ShardAuth& a, Door& d,
                const PolicyBoard& board, const CertificateSource& certificate_source)
      : shard(s),
        store(st),
        auth(a),
        door(d),
        terms(board),
        policies(&board),
        certificates(s.reactor(), certificate_source.pool, certificate_source.store),
        registry(s.index()) {}

  io::Reactor& reactor() { return shard.reactor(); }

  io::Shard& shard;
  storage::ShardStore& store;
  auth::ShardAuth& auth;
  Door& door;  // Of all shards.
  ClientTerms terms;
  PolicyReader policies;
  net::CertificateDesk certificates;
  std::unique_ptr<Network> pop3;
  std::unique_ptr<Network> lmtp;
  std::shared_ptr<const Settings> settings;
  SessionRegistry registry;
  // Of every shard, by index; the same for all, fixed before the first connection. A request to
  // another shard finds that shard's services here, on that shard's thread.
  const std::vector<ShardServices*>* by_shard = nullptr;
  pop3::SessionMetrics pop3_metrics;
  lmtp::SessionMetrics lmtp_metrics;
  ServerMetrics metrics;
};

}  // namespace poplar::server
