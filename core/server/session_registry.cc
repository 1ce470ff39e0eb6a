#include "core/server/session_registry.h"

#include <algorithm>
#include <utility>

#include "core/base/check.h"
#include "core/server/connection.h"

namespace poplar::server {
namespace {

constexpr int64_t kFirstSecond =
    1'767'225'600;                   // 2026-01-01, so that ids are not longer than need be.
constexpr uint32_t kCountBits = 16;  // Of sessions a second and shard: no run overtakes its clock.

}  // namespace

SessionRegistry::SessionRegistry(ShardIndex shard, int64_t began_us)
    : shard_(shard),
      last_count_(static_cast<uint64_t>(std::max<int64_t>(began_us / 1'000'000 - kFirstSecond, 0))
                  << kCountBits) {}

SessionRegistry::~SessionRegistry() { POP_CHECK(connections_.empty()); }

void SessionRegistry::Add(std::unique_ptr<Connection> connection) {
  Connection& added = *connection;
  const bool inserted = connections_.emplace(added.id(), std::move(connection)).second;
  POP_CHECK(inserted);
  added.Start();
}

void SessionRegistry::Remove(SessionId id) {
  const size_t removed = connections_.erase(id);
  POP_CHECK(removed == 1);
}

std::vector<ConnectionInfo> SessionRegistry::List() const {
  std::vector<ConnectionInfo> infos;
  infos.reserve(connections_.size());
  for (const auto& [id, connection] : connections_) infos.push_back(connection->Info());
  return infos;
}

bool SessionRegistry::Kick(SessionId id) {
  const auto found = connections_.find(id);
  if (found == connections_.end()) return false;
  found->second->End(EndCause::kKicked);
  return true;
}

HolderState SessionRegistry::LookAtHolder(SessionId id) {
  const auto found = connections_.find(id);
  if (found == connections_.end()) return HolderState::kGone;
  if (found->second->closing()) return HolderState::kClosing;
  found->second->ProbePeer();
  return HolderState::kAlive;
}

void SessionRegistry::EndAll(EndCause cause) {
  for (const auto& [id, connection] : connections_) connection->End(cause);
}

void SessionRegistry::AbortAll() {
  for (const auto& [id, connection] : connections_) connection->Abort();
}

}  // namespace poplar::server
