// Owns what is under way on one shard, until it ends. One thread.

#pragma once

#include <memory>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "core/base/check.h"

namespace poplar::auth {

template <class T>
class Pending {
 public:
  T& Add(std::unique_ptr<T> item) {
    T& added = *item;
    items_.emplace(&added, std::move(item));
    return added;
  }
  // Destroys it; `item` may call this as the last thing it does.
  void End(T& item) {
    const auto found = items_.find(&item);
    POP_CHECK(found != items_.end());
    const std::unique_ptr<T> ended = std::move(found->second);
    items_.erase(found);
  }
  bool empty() const { return items_.empty(); }

 private:
  absl::flat_hash_map<T*, std::unique_ptr<T>> items_;
};

}  // namespace poplar::auth
