// One thread's event loop: epoll (edge-triggered), sleeping coroutines, and deadlines that are
// swept a few times a second. Not thread-safe; everything that it wakes runs inside RunOnce.

#pragma once

#include <sys/epoll.h>

#include <array>
#include <coroutine>
#include <cstdint>
#include <queue>
#include <unordered_set>
#include <vector>

#include "core/base/fd.h"
#include "core/base/status.h"

namespace poplar::load {

uint64_t MonotonicNs();

class Loop {
 public:
  class Watcher {
   public:
    // Something changed: try again.
    virtual void OnReady() = 0;
    // Called a few times a second.
    virtual void OnTick(uint64_t now_ns) = 0;

   protected:
    ~Watcher() = default;
  };

  Loop();

  // Wakes `watcher` whenever `fd` becomes readable or writable. Unwatch before `fd` is
  // closed (which takes it out of the kernel's set).
  Status Watch(int fd, Watcher* watcher);
  void Unwatch(Watcher* watcher);

  // co_await loop.Sleep(ms);
  auto Sleep(uint64_t duration_ms) {
    struct Awaiter {
      Loop* loop;
      uint64_t wake_ns;
      bool await_ready() const { return false; }
      void await_suspend(std::coroutine_handle<> sleeper) {
        loop->sleepers_.push({wake_ns, sleeper});
      }
      void await_resume() const {}
    };
    return Awaiter{this, MonotonicNs() + duration_ms * 1'000'000};
  }

  // Waits for events, at most until the next tick, and runs what they wake.
  void RunOnce();

 private:
  static constexpr int kEventsMax = 256;
  static constexpr uint64_t kTickNs = 100'000'000;

  struct Sleeper {
    uint64_t wake_ns;
    std::coroutine_handle<> handle;
    bool operator>(const Sleeper& other) const { return wake_ns > other.wake_ns; }
  };

  void WakeSleepers(uint64_t now_ns);
  void Tick(uint64_t now_ns);

  base::UniqueFd epoll_;
  std::array<epoll_event, kEventsMax> events_;
  int events_begin_ = 0;  // the part of the batch that is still to be delivered
  int events_end_ = 0;
  std::unordered_set<Watcher*> watchers_;
  std::vector<Watcher*> ticking_;  // a copy of watchers_, since ticks may close streams
  std::priority_queue<Sleeper, std::vector<Sleeper>, std::greater<>> sleepers_;
  uint64_t next_tick_ns_;
};

}  // namespace poplar::load
