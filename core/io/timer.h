// Timers without a kernel operation each: a field of its owner, kept in the reactor's timer wheel.
// Arming again moves it; moving a timer to later is a store of the new deadline (the wheel notices
// when the old one comes), so an idle timeout can be pushed back at every command. Resolution:
// kTimerTickMs; a timer never fires early. Delays count from the start of the turn
// (Reactor::now_us), or from now when armed outside of a turn.
//
// Lives on one reactor's thread. The destructor disarms.

#pragma once

#include <cstdint>

namespace poplar::io {

class Reactor;

inline constexpr uint64_t kTimerTickMs = 8;

class Timer {
 public:
  using Handler = void (*)(void* owner);

  // REQUIRES: the reactor outlives the timer's last Arm.
  Timer(Reactor* reactor, void* owner, Handler handler)
      : reactor_(reactor), owner_(owner), handler_(handler) {}
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;
  ~Timer() { Disarm(); }

  // Fires once, in a later turn, even with a delay of 0. An armed timer is moved.
  void Arm(uint64_t delay_ms);
  void Disarm();
  bool armed() const { return armed_; }

 private:
  friend class TimerWheel;

  Reactor* const reactor_;
  void* const owner_;
  const Handler handler_;
  uint64_t deadline_tick_ = 0;  // When it is due; while armed.
  uint64_t slot_tick_ = 0;      // Where its slot starts; <= deadline_tick_.
  Timer* next_ = nullptr;
  Timer** link_ = nullptr;  // What points at this timer; null when not linked.
  bool armed_ = false;
};

// A timer that calls a method of its owner: TimerFor<&Session::OnIdle> idle_{reactor, this}.
template <auto Method>
class TimerFor;
template <class Owner, void (Owner::*Method)()>
class TimerFor<Method> : public Timer {
 public:
  TimerFor(Reactor* reactor, Owner* owner)
      : Timer(reactor, owner, [](void* o) { (static_cast<Owner*>(o)->*Method)(); }) {}
};

}  // namespace poplar::io
