#include "core/io/timer_wheel.h"

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <random>
#include <set>
#include <vector>

namespace poplar::io {
namespace {

constexpr uint64_t kTickUs = kTimerTickMs * 1'000;

struct Fired {
  std::vector<int> ids;
};

// A timer outside of any reactor, which the wheel is told of directly.
struct Probe {
  Probe(int i, Fired* f) : id(i), fired(f), timer(nullptr, this, &Probe::OnTimer) {}
  static void OnTimer(void* self) {
    auto& probe = *static_cast<Probe*>(self);
    probe.fired->ids.push_back(probe.id);
    if (probe.then) probe.then();
  }
  const int id;
  Fired* const fired;
  std::function<void()> then;
  Timer timer;
};

TEST(TimerWheelTest, NeverEarlyAndAtMostOneTickLate) {
  Fired fired;
  Probe probe(1, &fired);
  for (const uint64_t start_us : {uint64_t{0}, uint64_t{1}, uint64_t{123'456'789'012}}) {
    for (const uint64_t delay_us : {1ULL, 7'999ULL, 8'000ULL, 8'001ULL, 511'999ULL, 512'001ULL,
                                    32'768'000ULL, 3'600'000'000ULL, 86'400'000'000'000ULL}) {
      TimerWheel wheel(start_us);
      fired.ids.clear();
      const uint64_t deadline_us = start_us + delay_us;
      wheel.Arm(probe.timer, deadline_us);
      wheel.Advance(deadline_us - 1);
      // The tick may have come, but only if it is the deadline's own.
      EXPECT_TRUE(fired.ids.empty()) << start_us << " " << delay_us;
      wheel.Advance(deadline_us + kTickUs);
      EXPECT_EQ(fired.ids, std::vector<int>{1}) << start_us << " " << delay_us;
      EXPECT_FALSE(probe.timer.armed());
      EXPECT_EQ(wheel.armed(), 0U);
      EXPECT_EQ(wheel.NextDueUs(), TimerWheel::kNever);
    }
  }
}

TEST(TimerWheelTest, ArmingInThePastFiresAtTheNextTick) {
  Fired fired;
  Probe probe(1, &fired);
  TimerWheel wheel(1'000'000);
  wheel.Arm(probe.timer, 0);
  wheel.Advance(1'000'000);
  EXPECT_TRUE(fired.ids.empty());
  wheel.Advance(1'000'000 + kTickUs);
  EXPECT_EQ(fired.ids.size(), 1U);
}

TEST(TimerWheelTest, AHandlerMayArmItselfDisarmOthersAndMoveThem) {
  Fired fired;
  TimerWheel wheel(0);
  Probe first(1, &fired);
  Probe disarmed(2, &fired);
  Probe moved(3, &fired);
  Probe late(4, &fired);
  first.then = [&] {
    wheel.Arm(first.timer, 0);
    wheel.Disarm(disarmed.timer);
    wheel.Arm(moved.timer, 100 * kTickUs);
  };
  wheel.Arm(first.timer, 10 * kTickUs);
  wheel.Arm(disarmed.timer, 11 * kTickUs);
  wheel.Arm(moved.timer, 11 * kTickUs);
  wheel.Arm(late.timer, 11 * kTickUs);
  wheel.Advance(50 * kTickUs);
  EXPECT_EQ(fired.ids, (std::vector<int>{1, 4}));  // Itself again only in a later call.
  first.then = nullptr;
  wheel.Advance(51 * kTickUs);
  EXPECT_EQ(fired.ids, (std::vector<int>{1, 4, 1}));
  wheel.Advance(100 * kTickUs);
  EXPECT_EQ(fired.ids, (std::vector<int>{1, 4, 1, 3}));
}

TEST(TimerWheelTest, PushingADeadlineBackCostsNoLinking) {
  Fired fired;
  TimerWheel wheel(0);
  Probe idle(1, &fired);
  wheel.Arm(idle.timer, 1'000 * kTickUs);
  const uint64_t linked_due_us = wheel.NextDueUs();
  for (uint64_t tick = 1; tick < 60; ++tick) {
    wheel.Advance(tick * kTickUs);
    wheel.Arm(idle.timer, (1'000 + tick) * kTickUs);
    EXPECT_EQ(wheel.NextDueUs(), linked_due_us);  // Still where it was.
  }
  wheel.Advance(1'058 * kTickUs);
  EXPECT_TRUE(fired.ids.empty());
  wheel.Advance(1'059 * kTickUs);
  EXPECT_EQ(fired.ids.size(), 1U);
}

// The wheel against a sorted map of deadlines.
class Model {
 public:
  Model(uint32_t seed, uint64_t now_us) : random_(seed), now_us_(now_us), wheel_(now_us) {
    for (int id = 0; id < kTimers; ++id) probes_.push_back(std::make_unique<Probe>(id, &fired_));
  }
  ~Model() {
    for (const auto& probe : probes_) wheel_.Disarm(probe->timer);
  }

  void Step() {
    switch (random_() % 4) {
      case 0:
      case 1:
        Arm(static_cast<int>(random_() % kTimers));
        break;
      case 2:
        if (random_() % 3 == 0) Disarm(static_cast<int>(random_() % kTimers));
        break;
      default:
        Advance();
    }
  }

 private:
  static constexpr int kTimers = 64;

  // Of every magnitude, so that every level is used.
  uint64_t RandomUs() { return random_() >> (random_() % 44 + 20); }

  void Arm(int id) {
    const uint64_t deadline_us = now_us_ + RandomUs();
    wheel_.Arm(probes_[id]->timer, deadline_us);
    const uint64_t tick = (deadline_us + kTickUs - 1) / kTickUs;
    due_tick_[id] = std::max(tick, now_us_ / kTickUs + 1);
  }

  void Disarm(int id) {
    wheel_.Disarm(probes_[id]->timer);
    due_tick_.erase(id);
  }

  void Advance() {
    const uint64_t next_us = wheel_.NextDueUs();
    uint64_t earliest_us = TimerWheel::kNever;
    for (const auto& [id, tick] : due_tick_) earliest_us = std::min(earliest_us, tick * kTickUs);
    ASSERT_LE(next_us, earliest_us);
    // Often exactly to where the wheel asks to be called.
    now_us_ = next_us != TimerWheel::kNever && random_() % 2 == 0 ? std::max(now_us_, next_us)
                                                                  : now_us_ + RandomUs();
    fired_.ids.clear();
    wheel_.Advance(now_us_);
    std::multiset<int> expected;
    std::erase_if(due_tick_, [&](const auto& entry) {
      if (entry.second > now_us_ / kTickUs) return false;
      expected.insert(entry.first);
      return true;
    });
    ASSERT_EQ(std::multiset<int>(fired_.ids.begin(), fired_.ids.end()), expected);
    ASSERT_EQ(wheel_.armed(), due_tick_.size());
    for (int id = 0; id < kTimers; ++id) {
      ASSERT_EQ(probes_[id]->timer.armed(), due_tick_.contains(id));
    }
  }

  std::mt19937_64 random_;
  uint64_t now_us_;
  TimerWheel wheel_;
  Fired fired_;
  std::vector<std::unique_ptr<Probe>> probes_;
  std::map<int, uint64_t> due_tick_;
};

TEST(TimerWheelTest, BehavesAsAMapOfDeadlines) {
  for (uint32_t seed = 0; seed < 40; ++seed) {
    SCOPED_TRACE(seed);
    Model model(seed, seed % 3 == 0 ? 0 : uint64_t{seed} * 77'777'777'777);
    for (int step = 0; step < 3'000; ++step) {
      model.Step();
      if (testing::Test::HasFatalFailure()) return;
    }
  }
}

TEST(TimerWheelTest, DueTimersFireInTheOrderOfTheirTicks) {
  Fired fired;
  TimerWheel wheel(0);
  std::vector<std::unique_ptr<Probe>> probes;
  std::mt19937 random(7);
  std::multimap<uint64_t, int> by_tick;
  for (int id = 0; id < 200; ++id) {
    probes.push_back(std::make_unique<Probe>(id, &fired));
    const uint64_t tick = 1 + random() % 10'000;
    wheel.Arm(probes.back()->timer, tick * kTickUs);
    by_tick.emplace(tick, id);
  }
  wheel.Advance(20'000 * kTickUs);
  ASSERT_EQ(fired.ids.size(), 200U);
  std::vector<uint64_t> tick_of(200);
  for (const auto& [tick, id] : by_tick) tick_of[id] = tick;
  for (size_t i = 1; i < fired.ids.size(); ++i) {
    EXPECT_LE(tick_of[fired.ids[i - 1]], tick_of[fired.ids[i]]);
  }
}

}  // namespace
}  // namespace poplar::io
