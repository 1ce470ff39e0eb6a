#include "auth/service/throttle_wait.h"

#include <algorithm>

namespace poplar::auth {
namespace {

// So often a wait looks whether there is a penalty still.
constexpr uint32_t kLookMs = 250;

}  // namespace

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

void ThrottleWait::Begin(const LoginSource& source, const Admission& admission, Ended ended) {
  const Penalty& penalty = admission.penalty;
  source_ = source;
  turn_ = admission.turn;
  ended_ = std::move(ended);
  if (left_) return Finish(End::kLeft);
  // Strangers cannot take all the room there is.
  const int64_t room = int64_t{room_.waiting_max_} * (penalty.known ? 2 : 1);
  if (room_.metrics_.waiting.Read() >= room) return Finish(End::kNoRoom);
  room_.metrics_.waiting.Add(1);
  room_.metrics_.of(penalty.because).delayed.Add();
  Wait(penalty.delay_ms);
}

void ThrottleWait::Leave() {
  left_ = true;
  if (!timer_.armed()) return;
  timer_.Disarm();
  room_.metrics_.waiting.Add(-1);
  Finish(End::kLeft);
}

void ThrottleWait::Wait(uint32_t delay_ms) {
  until_us_ = room_.reactor_.now_us() + uint64_t{delay_ms} * 1'000;
  timer_.Arm(std::min(delay_ms, kLookMs));
}

void ThrottleWait::OnTimer() {
  const uint64_t now_us = room_.reactor_.now_us();
  const bool is_over = now_us >= until_us_;
  Admission again = is_over ? room_.throttle_.AdmitAgain(source_, turn_, now_us)
                            : room_.throttle_.Admit(source_, now_us);
  if (!again.under_way && is_over) {
    turn_ = again.turn;
    return Wait(again.penalty.delay_ms);
  }
  if (!again.under_way) {
    const uint64_t left_ms = (until_us_ - now_us + 999) / 1'000;
    return timer_.Arm(std::min<uint64_t>(left_ms, kLookMs));
  }
  room_.metrics_.waiting.Add(-1);
  Finish(End::kOver, std::move(again.under_way));
}

void ThrottleWait::Finish(End end, UnderWay under_way) {
  if (end == End::kLeft) room_.metrics_.delayed_left.Add();
  if (end == End::kNoRoom) room_.metrics_.delayed_refused.Add();
  Ended ended = std::move(ended_);  // It may destroy this.
  ended(*this, end, std::move(under_way));
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
