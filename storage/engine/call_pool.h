// Objects that are taken for one call and given back: requests between shards, jobs for the pool.
// The pool owns them, so nothing deletes itself, and at the end none may be out. One shard.

#pragma once

#include <memory>
#include <vector>

#include "core/base/check.h"

namespace poplar::storage {

template <class Call>
class CallPool {
 public:
  CallPool() = default;
  CallPool(const CallPool&) = delete;
  CallPool& operator=(const CallPool&) = delete;
  ~CallPool() { POP_CHECK(out() == 0); }

  template <class... Arguments>
  Call& Take(Arguments&&... arguments) {
    if (free_.empty()) {
      all_.push_back(std::make_unique<Call>(std::forward<Arguments>(arguments)...));
      return *all_.back();
    }
    Call* const call = free_.back();
    free_.pop_back();
    return *call;
  }
  void Give(Call& call) { free_.push_back(&call); }
  size_t out() const { return all_.size() - free_.size(); }

 private:
  std::vector<std::unique_ptr<Call>> all_;
  std::vector<Call*> free_;
};

}  // namespace poplar::storage
