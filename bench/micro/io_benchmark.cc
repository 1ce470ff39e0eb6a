// What the reactor's own machinery costs: a turn, an operation, a timer, work, a request between
// shards.

#include <benchmark/benchmark.h>
#include <poll.h>
#include <sys/eventfd.h>

#include <latch>
#include <memory>
#include <vector>

#include "core/base/check.h"
#include "core/base/fd.h"
#include "core/io/reactor.h"
#include "core/io/shard.h"
#include "core/io/timer_wheel.h"

namespace poplar::io {
namespace {

std::unique_ptr<Reactor> MakeReactor() {
  auto reactor = Reactor::Create({});
  POP_CHECK(reactor.ok());
  return std::move(*reactor);
}

// Operations that complete as they are submitted: what is left is ring and dispatch.
class ReadyPolls {
 public:
  explicit ReadyPolls(size_t count) : fd_(eventfd(1, EFD_CLOEXEC)) {
    for (size_t i = 0; i < count; ++i) ops_.push_back(std::make_unique<One>());
  }
  void Start(Reactor& reactor) {
    for (const auto& one : ops_) reactor.Poll(one->op, fd_.get(), POLLIN);
  }

 private:
  struct One {
    void OnReady(int32_t, uint32_t) {}
    OpFor<&One::OnReady> op{this};
  };
  base::UniqueFd fd_;
  std::vector<std::unique_ptr<One>> ops_;
};

void BM_TurnWithOperations(benchmark::State& state) {
  const auto reactor = MakeReactor();
  const auto count = static_cast<size_t>(state.range(0));
  ReadyPolls polls(count);
  for (auto _ : state) {
    polls.Start(*reactor);
    reactor->Turn(0);
  }
  reactor->Turn(0);
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(BM_TurnWithOperations)->Arg(1)->Arg(32)->Arg(512);

struct Idle {
  explicit Idle(Reactor* reactor) : timer(reactor, this) {}
  void OnTimer() {}
  TimerFor<&Idle::OnTimer> timer;
};

void BM_TimerPushedBack(benchmark::State& state) {
  TimerWheel wheel(0);
  std::vector<std::unique_ptr<Idle>> idles;
  uint64_t now_us = 0;
  for (int i = 0; i < 10'000; ++i) {
    idles.push_back(std::make_unique<Idle>(nullptr));
    wheel.Arm(idles.back()->timer, now_us + 600'000'000);
  }
  size_t next = 0;
  for (auto _ : state) {
    now_us += 10;
    wheel.Arm(idles[next]->timer, now_us + 600'000'000);
    next = next + 1 == idles.size() ? 0 : next + 1;
  }
  for (const auto& idle : idles) wheel.Disarm(idle->timer);
}
BENCHMARK(BM_TimerPushedBack);

void BM_TimerArmAndDisarm(benchmark::State& state) {
  TimerWheel wheel(0);
  Idle idle(nullptr);
  uint64_t now_us = 0;
  for (auto _ : state) {
    now_us += 10;
    wheel.Arm(idle.timer, now_us + 5'000'000);
    wheel.Disarm(idle.timer);
  }
}
BENCHMARK(BM_TimerArmAndDisarm);

// Sends itself until `left` is 0.
class PingRequest : public ShardRequest {
 public:
  void Start(uint64_t rounds, std::latch* done) {
    left_ = rounds;
    done_ = done;
    Shard::Current()->Send(ShardIndex(1), *this);
  }

 protected:
  void Execute(Shard&) override { Reply(); }
  void Completed() override {
    if (--left_ == 0) {
      done_->count_down();
    } else {
      Shard::Current()->Send(ShardIndex(1), *this);
    }
  }
  void Expired() override { POP_CHECK(false); }

 private:
  uint64_t left_ = 0;
  std::latch* done_ = nullptr;
};

// One request alone is a sleep and a wake-up a way; many share them.
void BM_ShardRoundTrip(benchmark::State& state) {
  auto shards = ShardSet::Start({.count = 2});
  POP_CHECK(shards.ok());
  constexpr uint64_t kRounds = 1'000;
  std::vector<PingRequest> requests(static_cast<size_t>(state.range(0)));
  for (auto _ : state) {
    std::latch done(state.range(0));
    (*shards)->RunOn(ShardIndex(0), [&](Shard&) {
      for (PingRequest& request : requests) request.Start(kRounds, &done);
    });
    done.wait();
  }
  state.SetItemsProcessed(state.iterations() * state.range(0) * static_cast<int64_t>(kRounds));
}
BENCHMARK(BM_ShardRoundTrip)->Arg(1)->Arg(64)->Arg(1'000)->UseRealTime();

}  // namespace
}  // namespace poplar::io
