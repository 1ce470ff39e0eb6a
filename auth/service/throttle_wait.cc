#include "auth/service/throttle_wait.h"

namespace poplar::auth {

void WaitingRoom::Leave(SessionId session) {
  const auto found = waits_.find(session.value());
  if (found != waits_.end()) found->second->Leave();
}

ThrottleWait::ThrottleWait(WaitingRoom& room, SessionId session)
    : room_(room), session_(session), timer_(&room.reactor_, this) {
  room_.waits_[session_.value()] = this;
}

ThrottleWait::~ThrottleWait() {
  if (timer_.armed()) room_.metrics_.waiting.Add(-1);
  const auto found = room_.waits_.find(session_.value());
  if (found != room_.waits_.end() && found->second == this) room_.waits_.erase(found);
}

void ThrottleWait::Begin(const Penalty& penalty, Ended ended) {
  ended_ = std::move(ended);
  if (left_) return Finish(End::kLeft);
  // Strangers cannot take all the room there is.
  const int64_t room = int64_t{room_.waiting_max_} * (penalty.known ? 2 : 1);
  if (room_.metrics_.waiting.Read() >= room) return Finish(End::kNoRoom);
  room_.metrics_.waiting.Add(1);
  room_.metrics_.of(penalty.because).delayed.Add();
  timer_.Arm(penalty.delay_ms);
}

void ThrottleWait::Leave() {
  left_ = true;
  if (!timer_.armed()) return;
  timer_.Disarm();
  room_.metrics_.waiting.Add(-1);
  Finish(End::kLeft);
}

void ThrottleWait::OnTimer() {
  room_.metrics_.waiting.Add(-1);
  Finish(End::kOver);
}

void ThrottleWait::Finish(End end) {
  if (end == End::kLeft) room_.metrics_.delayed_left.Add();
  if (end == End::kNoRoom) room_.metrics_.delayed_refused.Add();
  Ended ended = std::move(ended_);  // It may destroy this.
  ended(*this, end);
}

std::string_view Reason(ThrottleWait::End end) {
  switch (end) {
    case ThrottleWait::End::kOver:
      return "";
    case ThrottleWait::End::kLeft:
      return "the session ended while it waited";
    case ThrottleWait::End::kNoRoom:
      return "too many failures, and too many wait";
  }
  return "";
}

}  // namespace poplar::auth
