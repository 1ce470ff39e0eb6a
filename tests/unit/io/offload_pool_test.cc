#include "core/io/offload_pool.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <algorithm>
#include <atomic>
#include <deque>
#include <functional>
#include <latch>
#include <memory>
#include <mutex>

#include "core/io/shard.h"
#include "tests/unit/io/support.h"

namespace poplar::io {
namespace {

class Job : public OffloadJob {
 public:
  explicit Job(std::function<void()> work, std::function<void()> done = nullptr)
      : work_(std::move(work)), done_(std::move(done)) {}
  int times_done() const { return times_done_; }

 protected:
  void Work() override { work_(); }
  void Done() override {
    ++times_done_;
    if (done_) done_();
  }

 private:
  std::function<void()> work_;
  std::function<void()> done_;
  int times_done_ = 0;
};

// Keeps a pool's only thread busy until it is let go.
class Blocker {
 public:
  Blocker(OffloadPool& pool, Reactor& reactor) {
    EXPECT_TRUE(pool.Submit(reactor, 999, job_));
    started_.wait();
  }
  void LetGo() { go_.count_down(); }
  bool done() const { return job_.times_done() == 1; }

 private:
  std::latch started_{1};
  std::latch go_{1};
  Job job_{[this] {
    started_.count_down();
    go_.wait();
  }};
};

TEST(OffloadPoolTest, WorksThereAndEndsHere) {
  const auto reactor = MakeReactor();
  std::thread::id worker;
  std::thread::id home;
  std::string name(16, '\0');
  int nice = 0;
  Job job(
      [&] {
        worker = std::this_thread::get_id();
        pthread_getname_np(pthread_self(), name.data(), name.size());
        nice = getpriority(PRIO_PROCESS, static_cast<id_t>(gettid()));
      },
      [&] { home = std::this_thread::get_id(); });
  {
    OffloadPool pool({.name = "hash", .nice = 5});
    ASSERT_TRUE(pool.Submit(*reactor, 1, job));
    EXPECT_TRUE(job.pending());
    ASSERT_TRUE(TurnUntil(*reactor, [&] { return !job.pending(); }));
  }
  EXPECT_EQ(job.times_done(), 1);
  EXPECT_NE(worker, std::this_thread::get_id());
  EXPECT_EQ(home, std::this_thread::get_id());
  EXPECT_STREQ(name.c_str(), "hash-0");
  EXPECT_EQ(nice, getpriority(PRIO_PROCESS, 0) + 5);
}

TEST(OffloadPoolTest, ServesKeysInTurn) {
  const auto reactor = MakeReactor();
  OffloadPool pool({.name = "test", .threads = 1});
  Blocker blocker(pool, *reactor);
  std::vector<uint64_t> order;  // The one worker's, until all are done.
  std::deque<Job> jobs;
  const auto submit = [&](uint64_t key, int count) {
    for (int i = 0; i < count; ++i) {
      jobs.emplace_back([&order, key] { order.push_back(key); });
      ASSERT_TRUE(pool.Submit(*reactor, key, jobs.back()));
    }
  };
  submit(1, 6);  // A flood, and then two with little to ask.
  submit(2, 2);
  submit(3, 1);
  EXPECT_EQ(pool.queued(), 9U);
  blocker.LetGo();
  ASSERT_TRUE(TurnUntil(*reactor, [&] {
    for (const Job& job : jobs) {
      if (job.pending()) return false;
    }
    return blocker.done();
  }));
  EXPECT_EQ(order, (std::vector<uint64_t>{1, 2, 3, 1, 2, 1, 1, 1, 1}));
  EXPECT_EQ(pool.queued(), 0U);
}

TEST(OffloadPoolTest, BoundsItsQueueAndEachKey) {
  const auto reactor = MakeReactor();
  OffloadPool pool({.name = "test", .threads = 1, .queued_max = 5, .queued_max_per_key = 3});
  Blocker blocker(pool, *reactor);
  std::deque<Job> jobs;
  const auto submit = [&](uint64_t key) {
    jobs.emplace_back([] {});
    const bool taken = pool.Submit(*reactor, key, jobs.back());
    EXPECT_EQ(jobs.back().pending(), taken);
    return taken;
  };
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(submit(1));
  EXPECT_FALSE(submit(1));  // The key's.
  EXPECT_TRUE(submit(2));
  EXPECT_TRUE(submit(3));
  EXPECT_FALSE(submit(4));  // The pool's.
  EXPECT_FALSE(submit(2));
  EXPECT_EQ(pool.refused(), 3U);
  EXPECT_EQ(pool.queued(), 5U);
  blocker.LetGo();
  ASSERT_TRUE(TurnUntil(*reactor, [&] {
    for (const Job& job : jobs) {
      if (job.pending()) return false;
    }
    return blocker.done();
  }));
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(submit(1));  // Free again.
  ASSERT_TRUE(TurnUntil(*reactor, [&] {
    for (const Job& job : jobs) {
      if (job.pending()) return false;
    }
    return true;
  }));

  base::MetricRegistry registry;
  pool.Register(registry);
  bool found = false;
  for (const auto& entry : registry.Entries()) {
    if (entry.name == "poplar_offload_refused_total") found = entry.read() == 3.0;
  }
  EXPECT_TRUE(found);
}

TEST(OffloadPoolTest, AFullQueueStillTakesTheFewOfOtherKeys) {
  const auto reactor = MakeReactor();
  OffloadPool pool({.name = "test", .threads = 0, .queued_max = 3, .queued_always_per_key = 2});
  std::deque<Job> jobs;
  const auto submit = [&](uint64_t key) {
    jobs.emplace_back([] {});
    return pool.Submit(*reactor, key, jobs.back());
  };
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(submit(1));
  EXPECT_FALSE(submit(1));
  for (int i = 0; i < 2; ++i) EXPECT_TRUE(submit(2));
  EXPECT_FALSE(submit(2)) << "it has as many as everybody may";
  uint64_t key = 3;
  while (submit(key)) ++key;
  EXPECT_EQ(pool.queued(), 3 * kQueuedHardFactor);
  while (OffloadJob* const job = pool.Take()) pool.Run(*job);
  ASSERT_TRUE(TurnUntil(*reactor, [&] {
    return std::ranges::none_of(jobs, [](const Job& job) { return job.pending(); });
  }));
}

TEST(OffloadPoolTest, FinishesWhatIsQueuedAtItsEnd) {
  const auto reactor = MakeReactor();
  std::atomic<int> worked{0};
  std::deque<Job> jobs;
  {
    OffloadPool pool({.name = "test", .threads = 3});
    for (int i = 0; i < 100; ++i) {
      jobs.emplace_back([&] { worked.fetch_add(1); });
      ASSERT_TRUE(pool.Submit(*reactor, static_cast<uint64_t>(i % 7), jobs.back()));
    }
  }
  EXPECT_EQ(worked.load(), 100);
  ASSERT_TRUE(TurnUntil(*reactor, [&] {
    for (const Job& job : jobs) {
      if (job.pending()) return false;
    }
    return true;
  }));
}

// Submits itself again from Done.
class Loop : public OffloadJob {
 public:
  Loop(OffloadPool* pool, uint64_t key, int rounds, std::latch* end)
      : pool_(pool), key_(key), left_(rounds), end_(end) {}
  void Start() { ASSERT_TRUE(pool_->Submit(*Reactor::Current(), key_, *this)); }

 protected:
  void Work() override { ++value_; }
  void Done() override {
    if (value_ < left_) {
      Start();
    } else {
      end_->count_down();
    }
  }

 private:
  OffloadPool* const pool_;
  const uint64_t key_;
  const int left_;
  std::latch* const end_;
  int value_ = 0;  // Written there, read here: no lock between.
};

TEST(OffloadPoolTest, ManyShardsShareAPool) {
  constexpr int kShards = 3;
  constexpr int kJobs = 40;
  std::latch end(kShards * kJobs);
  std::deque<Loop> loops;
  auto shards = ShardSet::Start({.count = kShards, .pin = false, .reactor = {}});
  ASSERT_TRUE(shards.ok()) << shards.status();
  {
    OffloadPool pool({.name = "test", .threads = 3});
    // Keys are new to all shards at the same time, and some share a bucket.
    for (int i = 0; i < kShards * kJobs; ++i) {
      loops.emplace_back(&pool, static_cast<uint64_t>(i / 6), 50, &end);
    }
    (*shards)->RunOnEach([&](Shard& shard) {
      for (size_t i = shard.index().value(); i < loops.size(); i += kShards) loops[i].Start();
    });
    end.wait();
  }
}

TEST(OffloadPoolDeathTest, DestroyingAPendingJobIsAFailedCheck) {
  testing::FLAGS_gtest_death_test_style = "threadsafe";
  EXPECT_DEATH(
      {
        const auto reactor = MakeReactor();
        OffloadPool pool({.name = "test"});
        std::latch never(1);
        Job first([&] { never.wait(); });  // Keeps the only thread away from the one destroyed.
        auto job = std::make_unique<Job>([] {});
        if (!pool.Submit(*reactor, 1, first) || !pool.Submit(*reactor, 1, *job)) _exit(1);
        job.reset();
      },
      "pending_|queued");
}

}  // namespace
}  // namespace poplar::io
