// Connections to servers of which any may be asked: how many at once, which are kept, and what is
// asked again. Any thread. No call waits longer than its deadline, if what it is given does not.

#pragma once

#include <algorithm>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "auth/plugins/common/deadline.h"
#include "auth/plugins/common/servers.h"

namespace poplar::plugins {

// What came of asking.
struct Tried {
  enum class Result : uint8_t {
    kAnswered,
    kUnfit,     // The server cannot say now: it starts, stops, or has too much to do.
    kFaulted,   // It failed at this question, though it lives: another server may do better.
    kNoAnswer,  // None in time, or none that can be understood; also where there is no connection.
    kEnded,     // None, as the other end has closed the connection.
  };
  Result result = Result::kAnswered;
  std::string why;  // Where it is not kAnswered.

  bool answered() const { return result == Result::kAnswered; }
  // What to say where it is not: only what tells of the server counts against the back end.
  poplar_outcome outcome() const {
    return result == Result::kFaulted ? POPLAR_TEMPORARY : POPLAR_UNREACHABLE;
  }
};

struct Limits {
  uint32_t connections = 0;  // At most; 0: as many as questions are asked at once.
  uint32_t connect_timeout_ms = 2'000;
  uint32_t timeout_ms = 4'000;  // For one operation.
};

inline uint32_t ConnectionsMax(const Limits& limits, const poplar_host& host) {
  constexpr uint32_t kLeast = 4;
  if (limits.connections > 0) return limits.connections;
  const bool told = host.struct_bytes >= offsetof(poplar_host, calls_max) + sizeof host.calls_max;
  return std::max(told ? host.calls_max : 0, kLeast);
}

// A Connection says by `bool Usable() const` whether it may be used again.
template <typename Connection>
class Pool {
 public:
  // Null: `fault` says why.
  using Open = std::function<std::unique_ptr<Connection>(size_t server, Deadline deadline,
                                                         std::string& fault)>;
  using Operation = std::function<Tried(Connection& connection, Deadline deadline)>;

  // `servers` outlives this; several pools may share them.
  Pool(Servers& servers, const Limits& limits, Open open)
      : servers_(servers),
        limits_(limits),
        connections_max_(ConnectionsMax(limits, servers.host())),
        open_(std::move(open)) {}
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  // Runs `operation` on a connection, and once more on a fresh one, of another server where there
  // is one, when the first time nothing was answered.
  Tried Run(Deadline deadline, const Operation& operation) {
    Tried tried;
    for (const bool again : {false, true}) {
      // Half of the time is the second try's.
      tried = Try(again ? deadline : ShareOf(deadline, 2), again, operation);
      if (tried.answered()) break;
    }
    return tried;
  }

 private:
  // A server that was given less has not failed: the question came late.
  static constexpr auto kFairTry = std::chrono::seconds(1);
  // Below what servers and firewalls usually allow.
  static constexpr auto kIdleMax = std::chrono::seconds(60);

  struct Held {
    std::unique_ptr<Connection> connection;
    size_t server = 0;
    bool fresh = false;
    uint64_t failures = 0;  // The server's, when it was made.
    Deadline idle_since;
  };

  Tried Try(Deadline deadline, bool fresh, const Operation& operation) {
    const bool fair = deadline - Clock::now() >= kFairTry;
    Tried tried{.result = Tried::Result::kNoAnswer, .why = ""};
    Held held = Take(fresh, deadline, tried.why);
    if (held.connection == nullptr) return tried;
    tried = operation(*held.connection, Within(limits_.timeout_ms, deadline));
    // That a connection ended while it was idle says little of its server.
    const bool ended_idle = !held.fresh && tried.result == Tried::Result::kEnded;
    if (tried.answered()) {
      servers_.Works(held.server);
    } else {
      if (fair && !ended_idle) servers_.Failed(held.server, tried.why);
      tried.why = servers_.name(held.server) + ": " + tried.why;
    }
    GiveBack(std::move(held));
    return tried;
  }

  Held Take(bool fresh, Deadline deadline, std::string& fault) {
    std::unique_lock<std::mutex> lock(mutex_);
    // A turn is the right to one connection.
    if (!turn_.wait_until(lock, deadline, [&] { return in_use_ < connections_max_; })) {
      fault = "all connections are in use";
      return {};
    }
    ++in_use_;
    for (const size_t server : servers_.Candidates()) {
      Held held;
      if (!fresh) held = TakeIdle(server);
      if (held.connection != nullptr) return held;
      const auto left = deadline - Clock::now();
      if (left <= left.zero()) break;
      lock.unlock();
      held.server = server;
      held.fresh = true;
      held.failures = servers_.failures(server);
      std::string why;
      held.connection = open_(server, deadline, why);
      if (held.connection != nullptr) return held;
      if (left >= kFairTry) servers_.Failed(server, why);
      fault += (fault.empty() ? "" : "; ") + servers_.name(server) + ": " + why;
      lock.lock();
    }
    if (fault.empty()) fault = "no time was left";
    --in_use_;
    turn_.notify_all();
    return {};
  }

  // REQUIRES: the lock is held.
  Held TakeIdle(size_t server) {
    const Deadline now = Clock::now();
    std::erase_if(idle_, [&](const Held& one) {
      // Those of a server that does not answer would cost the next questions their time.
      return now - one.idle_since > kIdleMax || one.failures != servers_.failures(one.server) ||
             !one.connection->Usable();
    });
    // The one used last is at the back.
    const auto found = std::find_if(idle_.rbegin(), idle_.rend(),
                                    [server](const Held& one) { return one.server == server; });
    if (found == idle_.rend()) return {};
    Held held = std::move(*found);
    idle_.erase(std::next(found).base());
    return held;
  }

  void GiveBack(Held held) {
    const bool usable = held.connection->Usable();
    held.fresh = false;
    held.idle_since = Clock::now();
    // Before the lock: ending a connection may take a moment.
    if (!usable) held.connection.reset();
    const std::lock_guard<std::mutex> lock(mutex_);
    if (usable) idle_.push_back(std::move(held));
    --in_use_;
    turn_.notify_all();
  }

  Servers& servers_;
  const Limits limits_;
  const uint32_t connections_max_;
  const Open open_;
  std::mutex mutex_;
  std::condition_variable turn_;
  // Guarded by mutex_.
  std::vector<Held> idle_;
  uint32_t in_use_ = 0;
};

}  // namespace poplar::plugins
