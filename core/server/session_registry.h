// The connections of one shard: who is here, and the door through which the rest of the server
// reaches them. Only this shard's thread calls it.

#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "core/base/clock.h"
#include "core/base/ids.h"

namespace poplar::server {

class Connection;
struct ConnectionInfo;
enum class EndCause : uint8_t;

// What became of a look at the holder of a lease.
enum class HolderState : uint8_t {
  kGone,     // It ended meanwhile.
  kClosing,  // It is about to: worth a short wait.
  kAlive,    // Its peer is being probed now; if it is dead, the lease will be free within seconds.
};

class SessionRegistry {
 public:
  explicit SessionRegistry(ShardIndex shard, int64_t began_us = base::SystemClock().WallUs());
  // REQUIRES: size() == 0.
  ~SessionRegistry();

  // Unique over all shards and never given twice, in other runs neither, as deleted mail is kept
  // under it: the shard and a count that begins at the second of the start.
  SessionId NewId() { return SessionId(++last_count_ << kShardBits | shard_.value()); }
  static ShardIndex ShardOf(SessionId id) {
    return ShardIndex(static_cast<uint32_t>(id.value() & ((1U << kShardBits) - 1)));
  }

  // Takes the connection and starts it.
  void Add(std::unique_ptr<Connection> connection);
  // Ends and destroys it. REQUIRES: its driver has ended.
  void Remove(SessionId id);

  size_t size() const { return connections_.size(); }
  std::vector<ConnectionInfo> List() const;
  // Ends the connection in order, or at once when it cannot hear of it. False: there is none of
  // that id.
  bool Kick(SessionId id);
  HolderState LookAtHolder(SessionId id);
  void EndAll(EndCause cause);
  void AbortAll();

 private:
  static constexpr uint32_t kShardBits = 10;

  const ShardIndex shard_;
  uint64_t last_count_;
  std::unordered_map<SessionId, std::unique_ptr<Connection>> connections_;
};

}  // namespace poplar::server
