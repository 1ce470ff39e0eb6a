// Log-ins that wait, by a timer, for a penalty (throttle.h): a bounded number on each shard. One
// whose session ends frees its place at once. Lives on the shard that was asked.

#pragma once

#include <cstdint>
#include <string_view>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/functional/any_invocable.h"
#include "auth/service/metrics.h"
#include "auth/service/throttle.h"
#include "core/base/ids.h"
#include "core/io/reactor.h"
#include "core/io/timer.h"

namespace poplar::auth {

class ThrottleWait;

class WaitingRoom {
 public:
  WaitingRoom(io::Reactor& reactor, uint32_t waiting_max, AuthMetrics& metrics)
      : reactor_(reactor), waiting_max_(waiting_max), metrics_(metrics) {}

  // This session is over: if it waits here, or is about to, that is over.
  void Leave(SessionId session);

 private:
  friend class ThrottleWait;

  io::Reactor& reactor_;
  const uint32_t waiting_max_;
  AuthMetrics& metrics_;
  absl::flat_hash_map<uint64_t, ThrottleWait*> waits_;  // By session, which has one at most.
};

class ThrottleWait {
 public:
  enum class End : uint8_t {
    kOver,    // It may go on.
    kLeft,    // Its client has gone, or the server ends the session.
    kNoRoom,  // Too many wait.
  };
  // May destroy the wait.
  using Ended = absl::AnyInvocable<void(ThrottleWait&, End)>;

  // From here on the session can leave.
  ThrottleWait(WaitingRoom& room, SessionId session);
  ThrottleWait(const ThrottleWait&) = delete;
  ThrottleWait& operator=(const ThrottleWait&) = delete;
  ~ThrottleWait();

  // `ended` comes once, for any other end than kOver perhaps from within. REQUIRES: called once.
  void Begin(const Penalty& penalty, Ended ended);

 private:
  friend class WaitingRoom;

  void Leave();
  void OnTimer();
  void Finish(End end);

  WaitingRoom& room_;
  const SessionId session_;
  bool left_ = false;
  Ended ended_;
  io::TimerFor<&ThrottleWait::OnTimer> timer_;
};

// Of a log-in that did not get through it, for logs.
std::string_view Reason(ThrottleWait::End end);

}  // namespace poplar::auth
