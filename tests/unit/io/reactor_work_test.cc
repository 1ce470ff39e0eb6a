// A reactor's turns: the order in them, work, posts and wake-ups from other threads, timers.

#include <gtest/gtest.h>
#include <poll.h>

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <thread>

#include "core/base/clock.h"
#include "core/io/reactor.h"
#include "tests/unit/io/support.h"

namespace poplar::io {
namespace {

TEST(ReactorWorkTest, ATurnRunsInOrder) {
  const auto reactor = MakeReactor();
  const SocketPair pair;
  std::string order;
  CountingWork posted([&] { order += "posted "; });
  CountingWork queued([&] { order += "queued "; });
  CountingWork at_end([&] { order += "end "; });
  RecordingOp op;
  op.OnCompletion([&](RecordingOp::Result) {
    order += "op ";
    reactor->AtTurnEnd(at_end.work());
    reactor->Post(posted.work());
    reactor->Schedule(queued.work());
    reactor->Schedule(queued.work());  // Once is enough.
  });
  reactor->Poll(op.op(), pair.near.get(), POLLOUT);
  reactor->Turn(100);
  EXPECT_EQ(order, "op queued posted end ");
}

TEST(ReactorWorkTest, WorkThatQueuesItselfRunsOnceATurnAndStarvesNobody) {
  const auto reactor = MakeReactor();
  const SocketPair pair;
  std::optional<CountingWork> work;
  std::optional<CountingWork> at_end;
  bool go_on = true;
  work.emplace([&] {
    if (go_on) reactor->Schedule(work->work());
  });
  at_end.emplace([&] {
    if (go_on) reactor->AtTurnEnd(at_end->work());
  });
  reactor->Schedule(work->work());
  reactor->AtTurnEnd(at_end->work());
  RecordingOp op;
  reactor->Poll(op.op(), pair.near.get(), POLLOUT);
  for (int turn = 1; turn <= 5; ++turn) {
    reactor->Turn(10'000);  // Does not wait: there is work.
    EXPECT_EQ(work->runs(), turn);
    EXPECT_EQ(at_end->runs(), turn);
  }
  EXPECT_FALSE(op.in_flight());
  go_on = false;
  reactor->Turn(10'000);
  EXPECT_FALSE(work->work().queued());
}

TEST(ReactorWorkTest, WorkMayDestroyItself) {
  const auto reactor = MakeReactor();
  std::unique_ptr<CountingWork> work;
  work = std::make_unique<CountingWork>([&] { work.reset(); });
  reactor->Schedule(work->work());
  reactor->Turn(0);
  EXPECT_EQ(work, nullptr);
}

TEST(ReactorWorkTest, PostFromManyThreadsLosesNothing) {
  const auto reactor = MakeReactor();
  constexpr int kThreads = 4;
  constexpr int kRounds = 500;
  std::atomic<int> ran{0};
  struct Poster {
    explicit Poster(std::atomic<int>& r) : ran(r) {}
    std::atomic<int>& ran;
    std::atomic<bool> free{true};
    int value = 0;  // Handed over without a lock: Post orders it.
    int seen = 0;
    void Run() {
      seen += value;
      free.store(true, std::memory_order_release);
      ran.fetch_add(1, std::memory_order_relaxed);
    }
    WorkFor<&Poster::Run> work{this};
  };
  std::vector<std::unique_ptr<Poster>> posters;
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) posters.push_back(std::make_unique<Poster>(ran));
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&reactor, poster = posters[i].get()] {
      for (int round = 0; round < kRounds; ++round) {
        while (!poster->free.load(std::memory_order_acquire)) std::this_thread::yield();
        poster->free.store(false, std::memory_order_relaxed);
        poster->value = 1;
        reactor->Post(poster->work);
        if (round % 50 == 0) std::this_thread::sleep_for(std::chrono::microseconds(300));
      }
    });
  }
  // Waits far longer than the test may take: every sleep must end by a wake-up.
  while (ran.load() < kThreads * kRounds) reactor->Turn(60'000);
  for (std::thread& thread : threads) thread.join();
  for (const auto& poster : posters) EXPECT_EQ(poster->seen, kRounds);
  EXPECT_EQ(reactor->metrics().posted.Read(), uint64_t{kThreads * kRounds});
}

TEST(ReactorWorkTest, SeveralThreadsMayPostOnePieceOfWork) {
  const auto reactor = MakeReactor();
  constexpr int kThreads = 4;
  constexpr int kRounds = 2'000;
  std::atomic<int> asked{0};
  int last_seen = 0;
  CountingWork work([&] { last_seen = asked.load(std::memory_order_relaxed); });
  std::atomic<int> finished{0};
  CountingWork done;
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&] {
      for (int round = 0; round < kRounds; ++round) {
        asked.fetch_add(1, std::memory_order_relaxed);
        reactor->Post(work.work());
      }
      if (finished.fetch_add(1) + 1 == kThreads) reactor->Post(done.work());
    });
  }
  while (done.runs() == 0) reactor->Turn(60'000);
  for (std::thread& thread : threads) thread.join();
  reactor->Turn(0);
  // Whoever found it queued already was still seen by the run that followed.
  EXPECT_EQ(last_seen, kThreads * kRounds);
  EXPECT_LE(work.runs(), kThreads * kRounds);
}

TEST(ReactorWorkTest, ReactorsWakeEachOtherByMessage) {
  std::atomic<Reactor*> other_reactor{nullptr};
  const auto reactor = MakeReactor();
  constexpr int kRounds = 200;
  CountingWork ping_back;
  std::optional<CountingWork> pong;
  std::atomic<bool> quiet{false};
  std::thread thread([&] {
    const auto other = MakeReactor();
    pong.emplace([&] { reactor->Post(ping_back.work()); });
    other_reactor.store(other.get());
    other->Run();
    quiet.wait(false);  // This reactor outlives those who wake it.
  });
  while (other_reactor.load() == nullptr) std::this_thread::yield();
  Reactor* const other = other_reactor.load();
  CountingWork ping([&] { other->Post(pong->work()); });
  for (int round = 1; round <= kRounds; ++round) {
    reactor->Schedule(ping.work());
    while (ping_back.runs() < round) reactor->Turn(60'000);
  }
  EXPECT_EQ(pong->runs(), kRounds);
  EXPECT_GE(other->metrics().waits.Read(), 1U);
  other->Stop();
  quiet.store(true);
  quiet.notify_one();
  thread.join();
}

TEST(ReactorWorkTest, StopRunsWhatWasPostedBefore) {
  const auto reactor = MakeReactor();
  CountingWork work;
  std::thread thread([&] {
    reactor->Post(work.work());
    reactor->Stop();
    reactor->Stop();
  });
  reactor->Run();
  EXPECT_EQ(work.runs(), 1);
  thread.join();
}

TEST(ReactorWorkTest, CurrentIsTheThreadsReactor) {
  EXPECT_EQ(Reactor::Current(), nullptr);
  {
    const auto reactor = MakeReactor();
    EXPECT_EQ(Reactor::Current(), reactor.get());
    std::thread([] { EXPECT_EQ(Reactor::Current(), nullptr); }).join();
  }
  EXPECT_EQ(Reactor::Current(), nullptr);
}

TEST(ReactorWorkTest, TimersFireAndEndTheWait) {
  const auto reactor = MakeReactor();
  struct Owner {
    explicit Owner(Reactor* reactor) : timer(reactor, this) {}
    void OnTimer() { fired_us = Reactor::Current()->now_us(); }
    uint64_t fired_us = 0;
    TimerFor<&Owner::OnTimer> timer;
  } owner(reactor.get());
  const uint64_t start_us = base::SystemClock().MonotonicUs();
  owner.timer.Arm(50);
  EXPECT_TRUE(owner.timer.armed());
  while (owner.fired_us == 0) reactor->Turn(60'000);
  EXPECT_GE(owner.fired_us, start_us + 50'000);
  EXPECT_LT(owner.fired_us, start_us + 5'000'000);
  EXPECT_FALSE(owner.timer.armed());
}

TEST(ReactorWorkTest, AnIdleReactorSleeps) {
  const auto reactor = MakeReactor();
  std::thread stopper([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    reactor->Stop();
  });
  reactor->Run();
  stopper.join();
  EXPECT_LE(reactor->metrics().turns.Read(), 3U);
}

TEST(ReactorWorkTest, MetricsHaveNames) {
  const auto reactor = MakeReactor();
  base::MetricRegistry registry;
  reactor->metrics().Register(registry, {{"shard", "0"}});
  reactor->Turn(0);
  for (const auto& entry : registry.Entries()) {
    if (entry.name == "poplar_reactor_turns_total") {
      EXPECT_EQ(entry.read(), 1.0);
      return;
    }
  }
  FAIL() << "no turns";
}

TEST(ReactorWorkDeathTest, EndingWithATimerArmedIsAFailedCheck) {
  EXPECT_DEATH(
      {
        auto reactor = MakeReactor();
        Timer timer(reactor.get(), nullptr, [](void*) {});
        timer.Arm(1'000'000);
        reactor.reset();
      },
      "armed_ == 0");
}

TEST(ReactorWorkDeathTest, DestroyingQueuedWorkIsAFailedCheck) {
  EXPECT_DEATH(
      {
        const auto reactor = MakeReactor();
        CountingWork work;
        reactor->Schedule(work.work());
      },
      "queued");
}

}  // namespace
}  // namespace poplar::io
