// Log-ins that wait, by a timer, for a penalty (throttle.h): a bounded number on each shard. Of
// those of one name from one place one goes at a time, and the others wait anew, or go as soon as
// there is no penalty any more: a right log-in makes its place known. One whose session ends frees
// its place at once. Lives on the shard that was asked.

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
  WaitingRoom(io::Reactor& reactor, Throttle& throttle, uint32_t waiting_max, AuthMetrics& metrics)
      : reactor_(reactor), throttle_(throttle), waiting_max_(waiting_max), metrics_(metrics) {}

  // This session is over: if it waits here, or is about to, that is over.
  void Leave(SessionId session);

 private:
  friend class ThrottleWait;

  io::Reactor& reactor_;
  Throttle& throttle_;
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
  // May destroy the wait. With kOver the log-in is under way.
  using Ended = absl::AnyInvocable<void(ThrottleWait&, End, UnderWay)>;

  // From here on the session can leave.
  ThrottleWait(WaitingRoom& room, SessionId session);
  ThrottleWait(const ThrottleWait&) = delete;
  ThrottleWait& operator=(const ThrottleWait&) = delete;
  ~ThrottleWait();

  // Of one that was not admitted. `ended` comes once, for any other end than kOver perhaps from
  // within. REQUIRES: called once.
  void Begin(const LoginSource& source, const Admission& admission, Ended ended);

 private:
  friend class WaitingRoom;

  void Leave();
  void Wait(uint32_t delay_ms);
  void OnTimer();
  void Finish(End end, UnderWay under_way = nullptr);

  WaitingRoom& room_;
  const SessionId session_;
  LoginSource source_;
  uint32_t turn_ = 0;
  uint64_t until_us_ = 0;
  bool left_ = false;
  Ended ended_;
  io::TimerFor<&ThrottleWait::OnTimer> timer_;
};

// Of a log-in that did not get through it, for logs.
std::string_view Reason(ThrottleWait::End end);

}  // namespace poplar::auth
