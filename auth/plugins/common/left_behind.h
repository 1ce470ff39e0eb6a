// For what blocks without an end of its own, such as the system's resolver.

#pragma once

#include <atomic>
#include <functional>
#include <future>
#include <optional>
#include <thread>
#include <utility>

#include "auth/plugins/common/deadline.h"

namespace poplar::plugins {

// So many may be under way or left behind in this process; further ones are not begun.
inline constexpr int kLeftBehindMax = 64;
inline std::atomic<int> left_behind{0};

// Runs `work` on a thread of its own, and leaves that behind at the deadline: what `work` uses is
// its own. nullopt: it is not done by then, or too many were left behind.
template <typename Value>
std::optional<Value> DoneBy(Deadline deadline, std::function<Value()> work) {
  if (left_behind.fetch_add(1) >= kLeftBehindMax) {
    left_behind.fetch_sub(1);
    return std::nullopt;
  }
  std::packaged_task<Value()> task([work = std::move(work)] {
    struct Ended {
      ~Ended() { left_behind.fetch_sub(1); }
    } const ended;
    return work();
  });
  std::future<Value> value = task.get_future();
  std::thread(std::move(task)).detach();
  if (value.wait_until(deadline) != std::future_status::ready) return std::nullopt;
  return value.get();
}

}  // namespace poplar::plugins
