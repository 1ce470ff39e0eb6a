#include "core/io/reactor.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <stdlib.h>

#include <atomic>
#include <cstring>
#include <optional>
#include <thread>

#include "core/base/clock.h"
#include "tests/unit/io/support.h"

namespace poplar::io {
namespace {

TEST(ReactorTest, AcceptsManyConnectionsByOneOperation) {
  const auto reactor = MakeReactor();
  LoopbackListener listener;
  std::vector<base::UniqueFd> accepted;
  RecordingOp accept;
  accept.OnCompletion([&](RecordingOp::Result r) {
    if (r.result >= 0) accepted.emplace_back(r.result);
  });
  reactor->AcceptMultishot(accept.op(), listener.fd.get());

  constexpr size_t kClients = 20;
  std::vector<base::UniqueFd> clients;
  std::vector<std::unique_ptr<RecordingOp>> connects;
  for (size_t i = 0; i < kClients; ++i) {
    clients.emplace_back(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    connects.push_back(std::make_unique<RecordingOp>());
    reactor->Connect(connects.back()->op(), clients.back().get(), listener.generic(),
                     sizeof listener.address);
  }
  ASSERT_TRUE(TurnUntil(*reactor, [&] { return accepted.size() == kClients; }));
  for (const auto& connect : connects) EXPECT_EQ(connect->last(), 0);
  EXPECT_TRUE(accept.in_flight());
  for (const base::UniqueFd& fd : accepted) {
    EXPECT_NE(fcntl(fd.get(), F_GETFL) & O_NONBLOCK, 0);
    EXPECT_NE(fcntl(fd.get(), F_GETFD) & FD_CLOEXEC, 0);
  }

  reactor->Cancel(accept.op());
  ASSERT_TRUE(TurnUntil(*reactor, [&] { return !accept.in_flight(); }));
  EXPECT_EQ(accept.last(), -ECANCELED);
}

TEST(ReactorTest, SendsPollsAndShutsDown) {
  const auto reactor = MakeReactor();
  const SocketPair pair;
  RecordingOp send;
  RecordingOp readable;
  reactor->Poll(readable.op(), pair.far.get(), POLLIN);
  reactor->Send(send.op(), pair.near.get(), std::string_view("hello"));
  ASSERT_TRUE(TurnUntil(*reactor, [&] { return !readable.in_flight() && !send.in_flight(); }));
  EXPECT_EQ(send.last(), 5);
  EXPECT_NE(readable.last() & POLLIN, 0);
  std::array<char, 16> bytes{};
  EXPECT_EQ(read(pair.far.get(), bytes.data(), bytes.size()), 5);

  RecordingOp hung_up;
  RecordingOp shutdown;
  reactor->PollMultishot(hung_up.op(), pair.far.get(), POLLRDHUP);
  reactor->Shutdown(shutdown.op(), pair.near.get(), SHUT_WR);
  ASSERT_TRUE(
      TurnUntil(*reactor, [&] { return !hung_up.results().empty() && !shutdown.in_flight(); }));
  EXPECT_EQ(shutdown.last(), 0);
  EXPECT_NE(hung_up.last() & POLLRDHUP, 0);
  reactor->Cancel(hung_up.op());
  ASSERT_TRUE(TurnUntil(*reactor, [&] { return !hung_up.in_flight(); }));
}

TEST(ReactorTest, SendToAClosedPeerIsAnErrorAndNoSignal) {
  const auto reactor = MakeReactor();
  SocketPair pair;
  pair.far.Reset();
  RecordingOp send;
  reactor->Send(send.op(), pair.near.get(), std::string_view("hello"));
  ASSERT_TRUE(TurnUntil(*reactor, [&] { return !send.in_flight(); }));
  EXPECT_EQ(send.last(), -EPIPE);
}

TEST(ReactorTest, WritesSyncsAndReadsFiles) {
  const auto reactor = MakeReactor();
  std::string path = testing::TempDir() + "reactor_test_XXXXXX";
  const base::UniqueFd file(mkostemp(path.data(), O_CLOEXEC));
  ASSERT_TRUE(file.valid());
  unlink(path.c_str());

  std::string head = "head ";
  std::string tail = "tail";
  const std::array pieces = {iovec{head.data(), head.size()}, iovec{tail.data(), tail.size()}};
  RecordingOp write;
  reactor->WriteVector(write.op(), file.get(), pieces, 3);
  ASSERT_TRUE(TurnUntil(*reactor, [&] { return !write.in_flight(); }));
  EXPECT_EQ(write.last(), 9);

  RecordingOp sync;
  reactor->SyncData(sync.op(), file.get());
  RecordingOp read;
  std::array<char, 64> bytes{};
  reactor->Read(read.op(), file.get(), bytes, 3);
  ASSERT_TRUE(TurnUntil(*reactor, [&] { return !sync.in_flight() && !read.in_flight(); }));
  EXPECT_EQ(sync.last(), 0);
  ASSERT_EQ(read.last(), 9);
  EXPECT_EQ(std::string_view(bytes.data(), 9), "head tail");

  reactor->Read(read.op(), -1, bytes, 0);
  ASSERT_TRUE(TurnUntil(*reactor, [&] { return !read.in_flight(); }));
  EXPECT_EQ(read.last(), -EBADF);
}

TEST(ReactorTest, AFullSubmissionQueueIsFlushed) {
  const auto reactor = MakeReactor({.submission_entries = 8, .completion_entries = 32});
  const SocketPair pair;
  constexpr size_t kOps = 1000;  // Also far more completions than their queue holds.
  std::vector<std::unique_ptr<RecordingOp>> polls;
  for (size_t i = 0; i < kOps; ++i) {
    polls.push_back(std::make_unique<RecordingOp>());
    reactor->Poll(polls.back()->op(), pair.near.get(), i % 2 == 0 ? POLLOUT : POLLIN);
  }
  const auto ended = [&polls] {
    size_t n = 0;
    for (const auto& poll : polls) n += poll->in_flight() ? 0 : 1;
    return n;
  };
  ASSERT_TRUE(TurnUntil(*reactor, [&] { return ended() == kOps / 2; }));
  // All the others in one turn, too.
  ASSERT_EQ(write(pair.far.get(), "x", 1), 1);
  ASSERT_TRUE(TurnUntil(*reactor, [&] { return ended() == kOps; }));
  for (const auto& poll : polls) ASSERT_EQ(poll->results().size(), 1U);
}

TEST(ReactorTest, HandlersMayFillTheSubmissionQueue) {
  const auto reactor = MakeReactor({.submission_entries = 4, .completion_entries = 16});
  const SocketPair pair;
  std::vector<std::unique_ptr<RecordingOp>> polls;
  RecordingOp first;
  first.OnCompletion([&](RecordingOp::Result) {
    for (int i = 0; i < 100; ++i) {
      polls.push_back(std::make_unique<RecordingOp>());
      reactor->Poll(polls.back()->op(), pair.near.get(), POLLOUT);
    }
    for (const auto& poll : polls) EXPECT_TRUE(poll->results().empty());  // No recursion.
  });
  reactor->Poll(first.op(), pair.near.get(), POLLOUT);
  ASSERT_TRUE(TurnUntil(*reactor, [&] {
    for (const auto& poll : polls) {
      if (poll->in_flight()) return false;
    }
    return !polls.empty();
  }));
}

TEST(ReactorTest, CancelEndsWhatWaitsAndNothingElse) {
  const auto reactor = MakeReactor();
  const SocketPair pair;
  RecordingOp waiting;
  RecordingOp other;
  reactor->Cancel(waiting.op());  // Not in flight: nothing happens.
  reactor->Poll(waiting.op(), pair.near.get(), POLLIN);
  reactor->Poll(other.op(), pair.near.get(), POLLIN);
  reactor->Cancel(waiting.op());  // Not even submitted.
  ASSERT_TRUE(TurnUntil(*reactor, [&] { return !waiting.in_flight(); }));
  EXPECT_EQ(waiting.last(), -ECANCELED);
  EXPECT_TRUE(other.in_flight());

  reactor->Poll(waiting.op(), pair.near.get(), POLLIN);  // May be used again.
  reactor->Turn(0);
  reactor->Cancel(other.op());
  reactor->Cancel(other.op());
  ASSERT_TRUE(TurnUntil(*reactor, [&] { return !other.in_flight(); }));
  EXPECT_EQ(other.results().size(), 1U);
  EXPECT_TRUE(waiting.in_flight());
  ASSERT_EQ(write(pair.far.get(), "x", 1), 1);
  ASSERT_TRUE(TurnUntil(*reactor, [&] { return !waiting.in_flight(); }));
  EXPECT_NE(waiting.last() & POLLIN, 0);
}

TEST(ReactorTest, ATurnRunsInOrder) {
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

TEST(ReactorTest, WorkThatQueuesItselfRunsOnceATurnAndStarvesNobody) {
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

TEST(ReactorTest, WorkMayDestroyItself) {
  const auto reactor = MakeReactor();
  std::unique_ptr<CountingWork> work;
  work = std::make_unique<CountingWork>([&] { work.reset(); });
  reactor->Schedule(work->work());
  reactor->Turn(0);
  EXPECT_EQ(work, nullptr);
}

TEST(ReactorTest, PostFromManyThreadsLosesNothing) {
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

TEST(ReactorTest, SeveralThreadsMayPostOnePieceOfWork) {
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

TEST(ReactorTest, ReactorsWakeEachOtherByMessage) {
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

TEST(ReactorTest, StopRunsWhatWasPostedBefore) {
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

TEST(ReactorTest, CurrentIsTheThreadsReactor) {
  EXPECT_EQ(Reactor::Current(), nullptr);
  {
    const auto reactor = MakeReactor();
    EXPECT_EQ(Reactor::Current(), reactor.get());
    std::thread([] { EXPECT_EQ(Reactor::Current(), nullptr); }).join();
  }
  EXPECT_EQ(Reactor::Current(), nullptr);
}

TEST(ReactorTest, TimersFireAndEndTheWait) {
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

TEST(ReactorTest, AnIdleReactorSleeps) {
  const auto reactor = MakeReactor();
  std::thread stopper([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    reactor->Stop();
  });
  reactor->Run();
  stopper.join();
  EXPECT_LE(reactor->metrics().turns.Read(), 3U);
}

TEST(ReactorTest, MetricsHaveNames) {
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

using ReactorDeathTest = testing::Test;

TEST(ReactorDeathTest, DestroyingAnOperationInFlightIsAFailedCheck) {
  EXPECT_DEATH(
      {
        const auto reactor = MakeReactor();
        const SocketPair pair;
        RecordingOp op;
        reactor->Poll(op.op(), pair.near.get(), POLLIN);
      },
      "in_flight_");
}

TEST(ReactorDeathTest, StartingAnOperationInFlightIsAFailedCheck) {
  EXPECT_DEATH(
      {
        const auto reactor = MakeReactor();
        const SocketPair pair;
        RecordingOp op;
        reactor->Poll(op.op(), pair.near.get(), POLLIN);
        reactor->Poll(op.op(), pair.near.get(), POLLIN);
      },
      "in_flight_");
}

TEST(ReactorDeathTest, EndingWithAnOperationInFlightIsAFailedCheck) {
  EXPECT_DEATH(
      {
        const SocketPair pair;
        RecordingOp op;
        auto reactor = MakeReactor();
        reactor->Poll(op.op(), pair.near.get(), POLLIN);
        reactor.reset();
      },
      "in_flight_ == 0");
}

TEST(ReactorDeathTest, EndingWithATimerArmedIsAFailedCheck) {
  EXPECT_DEATH(
      {
        auto reactor = MakeReactor();
        Timer timer(reactor.get(), nullptr, [](void*) {});
        timer.Arm(1'000'000);
        reactor.reset();
      },
      "armed_ == 0");
}

TEST(ReactorDeathTest, DestroyingQueuedWorkIsAFailedCheck) {
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
