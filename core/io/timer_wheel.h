// The timers of one reactor, in a hierarchical wheel: levels of 64 slots, level n in steps of 64^n
// ticks, enough for every time that 64 bits of microseconds tell. Arming, moving and disarming take
// constant time; a timer is touched once a level on its way down. A timer is linked where its
// deadline and the wheel's tick first differ, so everything in a lower level is due before anything
// in a higher one.
//
// Lives on one thread. Checks at its end that no timer is armed.

#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "core/io/timer.h"

namespace poplar::io {

class TimerWheel {
 public:
  static constexpr uint64_t kNever = UINT64_MAX;

  explicit TimerWheel(uint64_t now_us) : tick_(now_us / kTickUs) {}
  TimerWheel(const TimerWheel&) = delete;
  TimerWheel& operator=(const TimerWheel&) = delete;
  ~TimerWheel();

  // Due at the first tick that is not before `deadline_us` and is still to come.
  // REQUIRES: deadline_us < 2^63.
  void Arm(Timer& timer, uint64_t deadline_us);
  void Disarm(Timer& timer);

  // Runs what is due by `now_us`, earlier ticks first. What a handler arms is due in a later
  // Advance.
  void Advance(uint64_t now_us);

  // When Advance has something to do next; kNever if nothing is armed. It may find then that the
  // timers it meets were moved to later.
  uint64_t NextDueUs() const;

  size_t armed() const { return armed_; }

 private:
  static constexpr uint64_t kTickUs = kTimerTickMs * 1'000;
  static constexpr uint32_t kSlotBits = 6;
  static constexpr uint32_t kSlots = 1U << kSlotBits;
  static constexpr uint32_t kLevels = 9;
  static_assert(kNever / kTickUs >> (kSlotBits * kLevels) == 0);

  // The tick of the first slot that is not empty, or kNever.
  uint64_t NextTick() const;
  void Link(Timer& timer);
  void Unlink(Timer& timer);
  // Empties the slot that starts at the wheel's tick: due timers to the end of the due list,
  // others a level down (or to where they were moved).
  void OpenSlot(uint32_t level, uint32_t slot);
  void FireDue();

  uint64_t tick_;
  size_t armed_ = 0;
  std::array<uint64_t, kLevels> used_{};  // A bit a slot that is not empty.
  std::array<Timer*, size_t{kLevels} * kSlots> slots_{};
  Timer* due_ = nullptr;
  Timer** due_end_ = &due_;
};

}  // namespace poplar::io
