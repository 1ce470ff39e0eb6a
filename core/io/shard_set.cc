#include <pthread.h>
#include <sched.h>

#include <chrono>
#include <future>
#include <string>

#include "core/base/check.h"
#include "core/io/cores.h"
#include "core/io/shard.h"

namespace poplar::io {
namespace {

constexpr auto kWaitPoll = std::chrono::milliseconds(2);

void NameThread(uint32_t shard) {
  pthread_setname_np(pthread_self(), ("shard-" + std::to_string(shard)).c_str());
}

// One step that a thread outside waits for.
class Call {
 public:
  Call(Shard& shard, const std::function<void(Shard&)>& step) : shard_(shard), step_(step) {}

  void RunAndWait() {
    std::future<void> done = done_.get_future();
    shard_.reactor().Post(work_);
    done.wait();
  }

 private:
  void Run() {
    // The future's state is shared: this object ends as soon as the value is set.
    std::promise<void> done = std::move(done_);
    step_(shard_);
    done.set_value();
  }

  Shard& shard_;
  const std::function<void(Shard&)>& step_;
  std::promise<void> done_;
  WorkFor<&Call::Run> work_{this};
};

}  // namespace

StatusOr<std::unique_ptr<ShardSet>> ShardSet::Start(const ShardSetOptions& options) {
  const uint32_t count = options.count != 0 ? options.count : GrantedCores();
  std::unique_ptr<ShardSet> set(new ShardSet(count));
  const std::vector<int> cpus = options.pin ? AllowedCpus() : std::vector<int>();
  std::vector<Status> started(count);
  for (uint32_t i = 0; i < count; ++i) {
    const int cpu = cpus.empty() ? kNoCpu : cpus[i % cpus.size()];
    set->threads_.emplace_back([&set = *set, &options, &status = started[i], i, cpu] {
      set.RunShard(*set.shards_[i], options, cpu, status);
    });
  }
  set->started_.wait();
  for (const Status& status : started) POP_RETURN_IF_ERROR(status);
  return set;
}

std::unique_ptr<ShardSet> ShardSet::ByHand(const ByHandOptions& options) {
  POP_CHECK(options.count > 0 && options.clock != nullptr && options.progress != nullptr);
  std::unique_ptr<ShardSet> set(new ShardSet(options.count));
  set->progress_ = options.progress;
  for (const auto& shard : set->shards_) shard->StartByHand(*options.clock);
  return set;
}

ShardSet::ShardSet(uint32_t count) : started_(count), stopped_(count + 1) {
  for (uint32_t i = 0; i < count; ++i) {
    shards_.push_back(std::make_unique<Shard>(*this, ShardIndex(i), count));
  }
}

ShardSet::~ShardSet() {
  if (by_hand()) {
    for (const auto& shard : shards_) {
      shard->EnterByHand();
      shard->FinishReactor();
      shard->LeaveByHand();
    }
    return;
  }
  for (const auto& shard : shards_) {
    if (shard->reactor_ != nullptr) shard->reactor_->Stop();
  }
  stopped_.count_down();
  for (std::thread& thread : threads_) thread.join();
}

void ShardSet::RunShard(Shard& shard, const ShardSetOptions& options, int cpu, Status& started) {
  NameThread(shard.index().value());
  if (cpu != kNoCpu) PinThread(cpu);
  RequestShortSlice();
  started = shard.StartReactor(options.reactor);
  const bool runs = started.ok();
  started_.count_down();  // From here on `options` and `started` may be gone.
  if (runs) shard.reactor().Run();
  stopped_.arrive_and_wait();
  if (runs) shard.FinishReactor();
}

void ShardSet::RunOn(ShardIndex index, const std::function<void(Shard&)>& step) {
  POP_CHECK(Reactor::Current() == nullptr || !Reactor::Current()->in_turn());
  Shard& target = shard(index);
  if (!by_hand()) return Call(target, step).RunAndWait();
  target.EnterByHand();
  target.reactor_->StepByHand([&] { step(target); });
  target.LeaveByHand();
}

void ShardSet::WaitUntil(const std::function<bool()>& condition) {
  while (!condition()) {
    if (by_hand()) {
      progress_();
    } else {
      std::this_thread::sleep_for(kWaitPoll);
    }
  }
}

void ShardSet::Turn(ShardIndex index) {
  POP_CHECK(by_hand());
  Shard& target = shard(index);
  target.EnterByHand();
  target.reactor_->Turn(0);
  target.LeaveByHand();
}

void ShardSet::RunOnEach(const std::function<void(Shard&)>& step) {
  for (uint32_t i = 0; i < count(); ++i) RunOn(ShardIndex(i), step);
}

void ShardSet::Register(base::MetricRegistry& registry) const {
  for (const auto& shard : shards_) {
    const base::MetricLabels labels{{"shard", std::to_string(shard->index().value())}};
    shard->reactor_->metrics().Register(registry, labels);
    shard->metrics().Register(registry, labels);
  }
}

}  // namespace poplar::io
