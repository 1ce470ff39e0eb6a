// Questions that wait for one back end, tenants in turns: a crowd of one tenant's holds up nobody
// else's. One thread.

#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <optional>

#include "absl/container/flat_hash_map.h"
#include "core/base/ids.h"

namespace poplar::auth {

class TenantQueue {
 public:
  void Push(TenantId tenant, uint64_t question);
  // The first of the tenant whose turn it is. Tenants for whom `may_ask` is false keep their turn.
  std::optional<uint64_t> Next(const std::function<bool(TenantId)>& may_ask) const;
  // Of one that Next gave: its tenant is the last in turn then, as with any other end of waiting.
  void Remove(TenantId tenant, uint64_t question);

  bool empty() const { return size_ == 0; }
  size_t size() const { return size_; }
  size_t SizeOf(TenantId tenant) const;

 private:
  absl::flat_hash_map<uint64_t, std::deque<uint64_t>> waiting_;  // By tenant; none is empty.
  std::deque<TenantId> turns_;                                   // Of those.
  size_t size_ = 0;
};

}  // namespace poplar::auth
