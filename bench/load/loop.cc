#include "bench/load/loop.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <ctime>
#include <functional>

#include "core/base/check.h"

namespace poplar::load {

uint64_t MonotonicNs() {
  return static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::nanoseconds>(
                                   std::chrono::steady_clock::now().time_since_epoch())
                                   .count());
}

Loop::Loop() : epoll_(epoll_create1(EPOLL_CLOEXEC)), next_tick_ns_(MonotonicNs() + kTickNs) {
  POP_CHECK(epoll_.valid());
}

Status Loop::Watch(int fd, Watcher* watcher) {
  epoll_event event{};
  event.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
  event.data.ptr = watcher;
  if (epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) != 0) {
    return ErrnoStatus(errno, "epoll_ctl");
  }
  watchers_.insert(watcher);
  return OkStatus();
}

void Loop::Unwatch(Watcher* watcher) {
  watchers_.erase(watcher);
  for (int i = events_begin_; i < events_end_; ++i) {
    epoll_event& event = events_[static_cast<size_t>(i)];
    if (event.data.ptr == watcher) event.data.ptr = nullptr;
  }
}

void Loop::RunOnce() {
  uint64_t now_ns = MonotonicNs();
  uint64_t wake_ns = next_tick_ns_;
  if (!sleepers_.empty()) wake_ns = std::min(wake_ns, sleepers_.top().wake_ns);
  uint64_t wait_ns = wake_ns > now_ns ? wake_ns - now_ns : 0;
  const timespec wait{.tv_sec = static_cast<time_t>(wait_ns / 1'000'000'000),
                      .tv_nsec = static_cast<long>(wait_ns % 1'000'000'000)};
  int count = epoll_pwait2(epoll_.get(), events_.data(), kEventsMax, &wait, nullptr);
  POP_CHECK(count >= 0 || errno == EINTR);
  events_begin_ = 0;
  events_end_ = std::max(count, 0);
  while (events_begin_ < events_end_) {
    void* watcher = events_[static_cast<size_t>(events_begin_++)].data.ptr;
    if (watcher != nullptr) static_cast<Watcher*>(watcher)->OnReady();
  }
  now_ns = MonotonicNs();
  WakeSleepers(now_ns);
  if (now_ns >= next_tick_ns_) Tick(now_ns);
}

void Loop::End() {
  if (ending_) return;
  ending_ = true;
  next_tick_ns_ = 0;
  std::vector<Sleeper> sleepers;
  for (; !sleepers_.empty(); sleepers_.pop()) sleepers.push_back(sleepers_.top());
  for (const Sleeper& sleeper : sleepers) {
    ResumeAt(sleeper.wake_ns, sleeper.handle, sleeper.unless_ending);
  }
}

void Loop::WakeSleepers(uint64_t now_ns) {
  while (!sleepers_.empty() && sleepers_.top().wake_ns <= now_ns) {
    std::coroutine_handle<> handle = sleepers_.top().handle;
    sleepers_.pop();
    handle.resume();
  }
}

void Loop::Tick(uint64_t now_ns) {
  next_tick_ns_ = now_ns + kTickNs;
  ticking_.assign(watchers_.begin(), watchers_.end());
  for (Watcher* watcher : ticking_) {
    if (watchers_.contains(watcher)) watcher->OnTick(now_ns);
  }
}

}  // namespace poplar::load
