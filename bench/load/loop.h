// One thread's event loop: epoll (edge-triggered), sleeping coroutines (woken to within
// microseconds), and deadlines that are swept a few times a second. Not thread-safe; everything
// that it wakes runs inside RunOnce.

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
 private:
  struct Sleeping {
    Loop* loop;
    uint64_t wake_ns;
    bool unless_ending;
    bool await_ready() const { return unless_ending && loop->ending_; }
    void await_suspend(std::coroutine_handle<> sleeper) {
      loop->ResumeAt(wake_ns, sleeper, unless_ending);
    }
    void await_resume() const {}
  };

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
    return Sleeping{this, MonotonicNs() + duration_ms * 1'000'000, false};
  }
  // Sleeps until then, or until the loop is told to end, whichever is sooner.
  auto SleepUnlessEnding(uint64_t wake_ns) { return Sleeping{this, wake_ns, true}; }
  // The same for an awaiter of somebody else's: RunOnce resumes `sleeper`.
  void ResumeAt(uint64_t wake_ns, std::coroutine_handle<> sleeper, bool unless_ending) {
    sleepers_.push({unless_ending && ending_ ? 0 : wake_ns, sleeper, unless_ending});
  }

  // Wakes who sleeps unless the loop ends, and from now on lets nobody sleep so.
  void End();
  bool ending() const { return ending_; }

  // Waits for events, at most until the next tick, and runs what they wake.
  void RunOnce();

 private:
  static constexpr int kEventsMax = 256;
  static constexpr uint64_t kTickNs = 100'000'000;

  struct Sleeper {
    uint64_t wake_ns;
    std::coroutine_handle<> handle;
    bool unless_ending;
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
  bool ending_ = false;
};

}  // namespace poplar::load
