// Shards, reactors and pools that one thread drives: for a simulator.

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "core/io/offload_pool.h"
#include "core/io/shard.h"

namespace poplar::io {
namespace {

class HandClock final : public base::Clock {
 public:
  uint64_t MonotonicUs() const override { return now_us; }
  int64_t WallUs() const override { return static_cast<int64_t>(now_us); }
  uint64_t now_us = 1'000'000;
};

class ByHandTest : public ::testing::Test {
 protected:
  void TurnAll() {
    for (uint32_t s = 0; s < shards_->count(); ++s) shards_->Turn(ShardIndex(s));
  }

  HandClock clock_;
  int progressed_ = 0;
  std::unique_ptr<ShardSet> shards_ = ShardSet::ByHand({3, &clock_, [this] {
                                                          ++progressed_;
                                                          TurnAll();
                                                        }});
};

// Asks the other shard for its number.
class Ask final : public ShardRequest {
 public:
  uint32_t answered_by = 99;
  bool completed = false;

 private:
  void Execute(Shard& target) override {
    answered_by = target.index().value();
    Reply();
  }
  void Completed() override { completed = true; }
  void Expired() override { FAIL(); }
};

class Step {
 public:
  explicit Step(std::vector<std::string>* steps) : steps_(steps) {}
  void Ran() { steps_->push_back("timer on " + std::to_string(Shard::Current()->index().value())); }

 private:
  std::vector<std::string>* const steps_;
};

TEST_F(ByHandTest, AStepRunsAtOnceInItsShardsContext) {
  EXPECT_EQ(Shard::Current(), nullptr);
  const Reactor* reactor = nullptr;
  shards_->RunOn(ShardIndex(2), [&](Shard& shard) {
    EXPECT_EQ(Shard::Current(), &shard);
    EXPECT_EQ(shard.index(), ShardIndex(2));
    EXPECT_TRUE(shard.reactor().in_turn());
    reactor = Reactor::Current();
  });
  EXPECT_EQ(reactor, &shards_->shard(ShardIndex(2)).reactor());
  EXPECT_EQ(Shard::Current(), nullptr);
  EXPECT_EQ(Reactor::Current(), nullptr);
}

TEST_F(ByHandTest, RequestsTravelByTurnsOnly) {
  Ask ask;
  shards_->RunOn(ShardIndex(0), [&](Shard& shard) { shard.Send(ShardIndex(1), ask); });
  EXPECT_TRUE(shards_->HasWork(ShardIndex(0)));
  EXPECT_FALSE(shards_->HasWork(ShardIndex(1)));
  shards_->Turn(ShardIndex(0));
  EXPECT_TRUE(shards_->HasWork(ShardIndex(1)));
  EXPECT_EQ(ask.answered_by, 99U);
  shards_->WaitUntil([&] { return ask.completed; });
  EXPECT_EQ(ask.answered_by, 1U);
  EXPECT_GT(progressed_, 0);
}

TEST_F(ByHandTest, TimersFollowTheClockThatIsGiven) {
  std::vector<std::string> steps;
  Step step(&steps);
  TimerFor<&Step::Ran> timer(&shards_->shard(ShardIndex(1)).reactor(), &step);
  shards_->RunOn(ShardIndex(1), [&](Shard&) { timer.Arm(1000); });
  TurnAll();
  clock_.now_us += 900'000;
  TurnAll();
  EXPECT_TRUE(steps.empty());
  EXPECT_FALSE(shards_->HasWork(ShardIndex(1)));
  clock_.now_us += 200'000;
  EXPECT_TRUE(shards_->HasWork(ShardIndex(1)));
  TurnAll();
  EXPECT_EQ(steps, std::vector<std::string>{"timer on 1"});
}

class Job final : public OffloadJob {
 public:
  Job(std::vector<std::string>* steps, std::string name) : steps_(steps), name_(std::move(name)) {}

 private:
  void Work() override {
    EXPECT_EQ(Shard::Current(), nullptr);
    steps_->push_back("work " + name_);
  }
  void Done() override {
    steps_->push_back("done " + name_ + " on " + std::to_string(Shard::Current()->index().value()));
  }

  std::vector<std::string>* const steps_;
  const std::string name_;
};

TEST_F(ByHandTest, JobsRunInTheOrderThatIsChosen) {
  std::vector<std::string> steps;
  OffloadPoolOptions options;
  options.threads = 0;
  OffloadPool pool(options);
  Job a(&steps, "a"), b(&steps, "b");
  shards_->RunOn(ShardIndex(2), [&](Shard& shard) {
    ASSERT_TRUE(pool.Submit(shard.reactor(), 1, a));
    ASSERT_TRUE(pool.Submit(shard.reactor(), 2, b));
  });
  OffloadJob* const first = pool.Take();
  OffloadJob* const second = pool.Take();
  ASSERT_EQ(first, &a);
  ASSERT_EQ(second, &b);
  EXPECT_EQ(pool.Take(), nullptr);
  pool.Run(*second);
  EXPECT_EQ(steps, std::vector<std::string>{"work b"});
  pool.Run(*first);
  TurnAll();
  EXPECT_EQ(steps, (std::vector<std::string>{"work b", "work a", "done b on 2", "done a on 2"}));
}

using ByHandDeathTest = ByHandTest;

TEST_F(ByHandDeathTest, TheKernelIsOutOfReach) {
  struct Owner {
    void Ended(int32_t /*result*/, uint32_t /*flags*/) {}
  } owner;
  OpFor<&Owner::Ended> op(&owner);
  EXPECT_DEATH(
      shards_->RunOn(ShardIndex(0), [&](Shard& shard) { shard.reactor().SyncData(op, 0); }),
      "ring_ != nullptr");
}

}  // namespace
}  // namespace poplar::io
