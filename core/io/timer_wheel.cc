#include "core/io/timer_wheel.h"

#include <algorithm>
#include <bit>
#include <functional>

#include "core/base/check.h"
#include "core/io/reactor.h"

namespace poplar::io {

void Timer::Arm(uint64_t delay_ms) { reactor_->ArmTimer(*this, delay_ms); }

void Timer::Disarm() {
  if (armed_) reactor_->timers().Disarm(*this);
}

TimerWheel::~TimerWheel() { POP_CHECK(armed_ == 0); }

void TimerWheel::Arm(Timer& timer, uint64_t deadline_us) {
  const uint64_t tick = deadline_us / kTickUs + (deadline_us % kTickUs != 0 ? 1 : 0);
  timer.deadline_tick_ = std::max(tick, tick_ + 1);
  if (timer.armed_) {
    // Moved to later: its old slot will find the new deadline.
    if (timer.deadline_tick_ >= timer.slot_tick_) return;
    Unlink(timer);
  } else {
    timer.armed_ = true;
    ++armed_;
  }
  Link(timer);
}

void TimerWheel::Disarm(Timer& timer) {
  if (!timer.armed_) return;
  Unlink(timer);
  timer.armed_ = false;
  --armed_;
}

void TimerWheel::Link(Timer& timer) {
  const uint64_t tick = timer.deadline_tick_;
  const uint64_t differing = (tick ^ tick_) | (kSlots - 1);
  const uint32_t level = (static_cast<uint32_t>(std::bit_width(differing)) - 1) / kSlotBits;
  const uint32_t shift = level * kSlotBits;
  const uint32_t slot = static_cast<uint32_t>(tick >> shift) % kSlots;
  timer.slot_tick_ = tick >> shift << shift;
  Timer*& head = slots_[size_t{level} * kSlots + slot];
  timer.next_ = head;
  timer.link_ = &head;
  if (head != nullptr) head->link_ = &timer.next_;
  head = &timer;
  used_[level] |= uint64_t{1} << slot;
}

void TimerWheel::Unlink(Timer& timer) {
  *timer.link_ = timer.next_;
  if (timer.next_ != nullptr) {
    timer.next_->link_ = timer.link_;
  } else if (due_end_ == &timer.next_) {
    due_end_ = timer.link_;
  } else if (!std::less<>()(timer.link_, slots_.begin()) &&
             std::less<>()(timer.link_, slots_.end())) {  // It was alone in its slot.
    const auto index = static_cast<uint32_t>(timer.link_ - slots_.begin());
    used_[index / kSlots] &= ~(uint64_t{1} << (index % kSlots));
  }
  timer.next_ = nullptr;
  timer.link_ = nullptr;
}

uint64_t TimerWheel::NextTick() const {
  for (uint32_t level = 0; level < kLevels; ++level) {
    const uint32_t shift = level * kSlotBits;
    const uint32_t here = static_cast<uint32_t>(tick_ >> shift) % kSlots;
    // Slots up to the one we are in are empty: their timers were due or went a level down.
    const uint64_t ahead = used_[level] & ~((uint64_t{2} << here) - 1);
    if (ahead == 0) continue;
    const uint64_t above = tick_ >> (shift + kSlotBits) << (shift + kSlotBits);
    return above | static_cast<uint64_t>(std::countr_zero(ahead)) << shift;
  }
  return kNever;
}

uint64_t TimerWheel::NextDueUs() const {
  const uint64_t tick = NextTick();
  return tick == kNever ? kNever : tick * kTickUs;
}

void TimerWheel::OpenSlot(uint32_t level, uint32_t slot) {
  Timer* timer = slots_[size_t{level} * kSlots + slot];
  slots_[size_t{level} * kSlots + slot] = nullptr;
  used_[level] &= ~(uint64_t{1} << slot);
  while (timer != nullptr) {
    Timer* const next = timer->next_;
    if (timer->deadline_tick_ > tick_) {
      Link(*timer);
    } else {
      timer->next_ = nullptr;
      timer->link_ = due_end_;
      *due_end_ = timer;
      due_end_ = &timer->next_;
    }
    timer = next;
  }
}

void TimerWheel::Advance(uint64_t now_us) {
  const uint64_t now = now_us / kTickUs;
  for (uint64_t next = NextTick(); next <= now; next = NextTick()) {
    tick_ = next;
    // A tick that starts a slot in several levels opens the widest first: it feeds the others.
    for (uint32_t level = kLevels; level-- > 0;) {
      const uint32_t shift = level * kSlotBits;
      if ((tick_ & ((uint64_t{1} << shift) - 1)) != 0) continue;
      OpenSlot(level, static_cast<uint32_t>(tick_ >> shift) % kSlots);
    }
  }
  tick_ = std::max(tick_, now);
  FireDue();
}

void TimerWheel::FireDue() {
  while (due_ != nullptr) {
    Timer& timer = *due_;
    Unlink(timer);
    if (timer.deadline_tick_ > tick_) {  // A handler moved it while it waited here.
      Link(timer);
      continue;
    }
    timer.armed_ = false;
    --armed_;
    timer.handler_(timer.owner_);
  }
}

}  // namespace poplar::io
