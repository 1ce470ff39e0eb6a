// A question on its way to the back ends: asked on a pool's thread, with a deadline that its asker
// does not wait beyond. A field of its owner, or owned by it in a Pending.
//
// Start belongs to the reactor's thread, and so do OnDeadline and OnEnd; Ask runs on a pool thread.

#pragma once

#include <atomic>
#include <cstdint>

#include "core/io/offload_pool.h"
#include "core/io/reactor.h"
#include "core/io/timer.h"

namespace poplar::auth {

class PoolCall : public io::OffloadJob {
 public:
  explicit PoolCall(io::Reactor& reactor) : reactor_(reactor) {}

  // False: the pool's queue is full, and nothing follows. Otherwise OnEnd follows, perhaps with
  // OnDeadline before it. `deadline_ms` 0: none. REQUIRES: not under way.
  [[nodiscard]] bool Start(io::OffloadPool& pool, uint64_t key, uint64_t deadline_ms);
  bool under_way() const { return under_way_; }

 protected:
  virtual void Ask() = 0;
  // Too late for whoever waits. A question still in the queue will not be asked any more.
  virtual void OnDeadline() = 0;
  // The last call: this may be destroyed here, or started again.
  virtual void OnEnd() = 0;

  // For OnEnd: was it asked at all, and how long did that take?
  bool asked() const { return asked_; }
  uint64_t asked_us() const { return asked_us_; }

 private:
  void Work() override;
  void Done() override;
  void OnTimer();

  io::Reactor& reactor_;
  io::TimerFor<&PoolCall::OnTimer> deadline_{&reactor_, this};
  std::atomic<bool> too_late_{false};
  bool under_way_ = false;
  bool asked_ = false;
  uint64_t asked_us_ = 0;
};

}  // namespace poplar::auth
