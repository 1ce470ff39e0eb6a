#include "core/io/shard.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <atomic>
#include <deque>
#include <future>
#include <memory>
#include <set>
#include <vector>

#include "core/base/clock.h"
#include "core/io/cores.h"
#include "tests/unit/io/support.h"

namespace poplar::io {
namespace {

std::unique_ptr<ShardSet> StartShards(uint32_t count) {
  auto shards = ShardSet::Start({.count = count,
                                 .pin = false,
                                 .reactor = {.submission_entries = 64, .completion_entries = 256}});
  EXPECT_TRUE(shards.ok()) << shards.status();
  return std::move(*shards);
}

// Waits, from a thread that is no shard's, until the last request of a test has ended.
class Finish {
 public:
  explicit Finish(size_t expected) : left_(expected) {}
  void One() {
    if (left_.fetch_sub(1) == 1) done_.set_value();
  }
  bool Wait() {
    return done_.get_future().wait_for(std::chrono::seconds(60)) == std::future_status::ready;
  }

 private:
  std::atomic<size_t> left_;
  std::promise<void> done_;
};

// Adds one on the target; is sent again until `rounds` are done.
class CountRequest : public ShardRequest {
 public:
  CountRequest(ShardIndex target, int rounds, Finish* finish)
      : target_(target), left_(rounds), finish_(finish) {}

  void Start() { Shard::Current()->Send(target_, *this, 60'000); }
  int value() const { return value_; }

 protected:
  void Execute(Shard& target) override {
    EXPECT_EQ(Shard::Current(), &target);
    EXPECT_EQ(target.index(), target_);
    ++value_;
    Reply();
  }
  void Completed() override {
    EXPECT_FALSE(under_way());
    if (--left_ > 0) {
      Start();
    } else {
      finish_->One();
    }
  }
  void Expired() override { ADD_FAILURE() << "expired"; }

 private:
  const ShardIndex target_;
  int left_;
  Finish* const finish_;
  int value_ = 0;
};

TEST(ShardTest, EachShardHasItsThreadAndReactor) {
  const auto shards = StartShards(3);
  ASSERT_EQ(shards->count(), 3U);
  std::set<std::thread::id> threads;
  uint32_t expected = 0;
  shards->RunOnEach([&](Shard& shard) {
    EXPECT_EQ(Shard::Current(), &shard);
    EXPECT_EQ(Reactor::Current(), &shard.reactor());
    EXPECT_EQ(&shard.shards(), shards.get());
    EXPECT_EQ(shard.index(), ShardIndex(expected++));
    threads.insert(std::this_thread::get_id());
  });
  EXPECT_EQ(threads.size(), 3U);
  EXPECT_EQ(Shard::Current(), nullptr);
}

TEST(ShardTest, PinsToTheGrantedCoresInOrder) {
  auto shards = ShardSet::Start({});
  ASSERT_TRUE(shards.ok()) << shards.status();
  EXPECT_EQ((*shards)->count(), GrantedCores());
  const std::vector<int> cpus = AllowedCpus();
  (*shards)->RunOnEach([&](Shard& shard) {
    EXPECT_EQ(AllowedCpus(), std::vector<int>{cpus[shard.index().value() % cpus.size()]});
  });
}

TEST(ShardTest, ARequestComesBack) {
  const auto shards = StartShards(2);
  Finish finish(2);
  CountRequest across(ShardIndex(1), 1, &finish);
  CountRequest within(ShardIndex(0), 1, &finish);
  shards->RunOn(ShardIndex(0), [&](Shard&) {
    across.Start();
    within.Start();
    EXPECT_TRUE(across.under_way());
    EXPECT_EQ(within.value(), 0);  // Never inside Send, not even within a shard.
  });
  ASSERT_TRUE(finish.Wait());
  EXPECT_EQ(across.value(), 1);
  EXPECT_EQ(within.value(), 1);
  shards->RunOn(ShardIndex(0), [&](Shard& shard) {
    EXPECT_EQ(shard.metrics().requests.Read(), 2U);
    EXPECT_EQ(shard.metrics().credit_waits.Read(), 0U);
  });
}

TEST(ShardTest, AStormInAllDirectionsLosesNothing) {
  constexpr uint32_t kShards = 3;
  constexpr size_t kRequests = 1'500;  // More than the credits of a pair.
  constexpr int kRounds = 4;
  static_assert(kRequests > kCreditsPerPair);
  const auto shards = StartShards(kShards);
  Finish finish(kRequests * kShards * kShards);
  std::deque<CountRequest> requests[kShards];
  for (auto& of_source : requests) {
    for (uint32_t target = 0; target < kShards; ++target) {
      for (size_t i = 0; i < kRequests; ++i) {
        of_source.emplace_back(ShardIndex(target), kRounds, &finish);
      }
    }
  }
  shards->RunOnEach([&](Shard& shard) {
    for (CountRequest& request : requests[shard.index().value()]) request.Start();
  });
  ASSERT_TRUE(finish.Wait());
  for (const auto& of_source : requests) {
    for (const CountRequest& request : of_source) ASSERT_EQ(request.value(), kRounds);
  }
  shards->RunOnEach([&](Shard& shard) {
    EXPECT_GT(shard.metrics().credit_waits.Read(), 0U);
    EXPECT_EQ(shard.metrics().credit_expired.Read(), 0U);
    EXPECT_EQ(shard.metrics().waiting.Read(), 0);
  });
}

// Is answered only when the test says so.
class HeldRequest : public ShardRequest {
 public:
  HeldRequest(std::vector<HeldRequest*>* held, std::vector<int>* order, int id, Finish* finish)
      : held_(held), order_(order), id_(id), finish_(finish) {}
  void Answer() { Reply(); }
  bool expired() const { return expired_; }

 protected:
  void Execute(Shard&) override { held_->push_back(this); }
  void Completed() override {
    order_->push_back(id_);
    finish_->One();
  }
  void Expired() override {
    EXPECT_FALSE(under_way());
    expired_ = true;
    finish_->One();
  }

 private:
  std::vector<HeldRequest*>* const held_;  // Belongs to the target.
  std::vector<int>* const order_;          // Belongs to the source.
  const int id_;
  Finish* const finish_;
  bool expired_ = false;
};

TEST(ShardTest, WithoutCreditsRequestsWaitInOrderUntilTheirDeadline) {
  const auto shards = StartShards(2);
  constexpr int kFirst = kCreditsPerPair;
  constexpr int kPatient = 20;
  constexpr int kHasty = 10;
  std::vector<HeldRequest*> held;
  std::vector<int> order;
  Finish expired(kHasty);
  Finish answered(kFirst + kPatient);
  std::deque<HeldRequest> requests;
  for (int i = 0; i < kFirst + kPatient; ++i) requests.emplace_back(&held, &order, i, &answered);
  std::deque<HeldRequest> hasty;
  for (int i = 0; i < kHasty; ++i) hasty.emplace_back(&held, &order, 10'000 + i, &expired);
  uint64_t sent_us = 0;
  shards->RunOn(ShardIndex(0), [&](Shard& shard) {
    sent_us = shard.reactor().now_us();
    for (int i = 0; i < kFirst; ++i) shard.Send(ShardIndex(1), requests[i], 10);
    for (int i = 0; i < kHasty; ++i) {  // Among the patient, at different times.
      shard.Send(ShardIndex(1), requests[kFirst + i], 60'000);
      shard.Send(ShardIndex(1), hasty[i], static_cast<uint64_t>(80 - i * 5));
    }
    for (int i = kHasty; i < kPatient; ++i) shard.Send(ShardIndex(1), requests[kFirst + i], 60'000);
    EXPECT_EQ(shard.metrics().waiting.Read(), kPatient + kHasty);
  });
  ASSERT_TRUE(expired.Wait());
  EXPECT_GE(base::SystemClock().MonotonicUs(), sent_us + 80'000);
  for (const HeldRequest& request : hasty) EXPECT_TRUE(request.expired());

  shards->RunOn(ShardIndex(1), [&](Shard&) {
    EXPECT_EQ(held.size(), kCreditsPerPair);  // The deadline is not for those under way.
    for (HeldRequest* request : std::exchange(held, {})) request->Answer();
  });
  while (true) {
    bool all = false;
    shards->RunOn(ShardIndex(1), [&](Shard&) {
      all = held.size() == kPatient;
      if (all) {
        for (HeldRequest* request : std::exchange(held, {})) request->Answer();
      }
    });
    if (all) break;
  }
  ASSERT_TRUE(answered.Wait());
  for (int i = 0; i < kFirst + kPatient; ++i) EXPECT_EQ(order[i], i);
  shards->RunOn(ShardIndex(0), [&](Shard& shard) {
    EXPECT_EQ(shard.metrics().credit_expired.Read(), uint64_t{kHasty});
    EXPECT_EQ(shard.metrics().waiting.Read(), 0);
  });
}

// Sends itself again when it has expired.
class StubbornRequest : public ShardRequest {
 public:
  explicit StubbornRequest(Finish* finish) : finish_(finish) {}
  int expirations() const { return expirations_; }

 protected:
  void Execute(Shard&) override { Reply(); }
  void Completed() override { finish_->One(); }
  void Expired() override {
    ++expirations_;
    Shard::Current()->Send(ShardIndex(1), *this, 10);
  }

 private:
  Finish* const finish_;
  int expirations_ = 0;
};

TEST(ShardTest, AnExpiredRequestMayBeSentAgain) {
  const auto shards = StartShards(2);
  std::vector<HeldRequest*> held;
  std::vector<int> order;
  Finish finish(kCreditsPerPair + 1);
  std::deque<HeldRequest> requests;
  for (uint32_t i = 0; i < kCreditsPerPair; ++i) requests.emplace_back(&held, &order, 0, &finish);
  StubbornRequest stubborn(&finish);
  shards->RunOn(ShardIndex(0), [&](Shard& shard) {
    for (HeldRequest& request : requests) shard.Send(ShardIndex(1), request);
    shard.Send(ShardIndex(1), stubborn, 10);
  });
  for (int expirations = 0; expirations < 3;) {
    shards->RunOn(ShardIndex(0), [&](Shard&) { expirations = stubborn.expirations(); });
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  shards->RunOn(ShardIndex(1), [&](Shard&) {
    for (HeldRequest* request : held) request->Answer();
  });
  ASSERT_TRUE(finish.Wait());
}

TEST(ShardTest, IdleShardsSleep) {
  const auto shards = StartShards(2);
  uint64_t before = 0;
  uint64_t after = 0;
  const auto turns = [&](uint64_t& into) {
    shards->RunOn(ShardIndex(1), [&](Shard& s) { into = s.reactor().metrics().turns.Read(); });
  };
  turns(before);
  std::this_thread::sleep_for(std::chrono::milliseconds(200));
  turns(after);
  EXPECT_LE(after - before, 3U);
}

TEST(ShardTest, StartsAndEndsManyTimes) {
  for (int i = 0; i < 20; ++i) {
    const auto shards = StartShards(4);
    Finish finish(1);
    CountRequest request(ShardIndex(3), 3, &finish);
    shards->RunOn(ShardIndex(i % 4), [&](Shard&) { request.Start(); });
    ASSERT_TRUE(finish.Wait());
  }
}

// Starts more shards than the process has descriptors for.
int StartWithTooFewDescriptors() {
  const rlimit limit{.rlim_cur = 24, .rlim_max = 24};
  if (setrlimit(RLIMIT_NOFILE, &limit) != 0) return 2;
  const auto shards = ShardSet::Start({.count = 16, .pin = false, .reactor = {}});
  const std::string_view said = Message(shards.status());
  return said.find("Too many open files") != std::string_view::npos ? 0 : 1;
}

TEST(ShardTest, FailsAsAWholeWhenOneShardCannotStart) {
  testing::FLAGS_gtest_death_test_style = "threadsafe";
  EXPECT_EXIT(_exit(StartWithTooFewDescriptors()), testing::ExitedWithCode(0), "");
}

TEST(ShardTest, MetricsAreRegisteredForEachShard) {
  const auto shards = StartShards(2);
  base::MetricRegistry registry;
  shards->Register(registry);
  size_t requests = 0;
  for (const auto& entry : registry.Entries()) {
    if (entry.name == "poplar_shard_requests_total") ++requests;
  }
  EXPECT_EQ(requests, 2U);
}

TEST(ShardDeathTest, DestroyingARequestUnderWayIsAFailedCheck) {
  testing::FLAGS_gtest_death_test_style = "threadsafe";
  EXPECT_DEATH(
      {
        const auto shards = StartShards(1);
        std::vector<HeldRequest*> held;
        std::vector<int> order;
        Finish finish(1);
        auto request = std::make_unique<HeldRequest>(&held, &order, 0, &finish);
        shards->RunOn(ShardIndex(0), [&](Shard& s) {
          s.Send(ShardIndex(0), *request);
          request.reset();
        });
      },
      "under_way_");
}

TEST(ShardDeathTest, ReplyingTwiceIsAFailedCheck) {
  testing::FLAGS_gtest_death_test_style = "threadsafe";
  EXPECT_DEATH(
      {
        const auto shards = StartShards(1);
        std::vector<HeldRequest*> held;
        std::vector<int> order;
        Finish finish(1);
        HeldRequest request(&held, &order, 0, &finish);
        shards->RunOn(ShardIndex(0), [&](Shard& s) { s.Send(ShardIndex(0), request); });
        while (true) {
          shards->RunOn(ShardIndex(0), [&](Shard&) {
            if (held.empty()) return;  // Not there yet.
            held.front()->Answer();
            held.front()->Answer();
          });
        }
      },
      "replied_");
}

}  // namespace
}  // namespace poplar::io
