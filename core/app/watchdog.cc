#include "core/app/watchdog.h"

#include <systemd/sd-daemon.h>

#include <algorithm>
#include <cstdint>

namespace poplar::app {
namespace {

// Asked so often within what the service manager waits for a word.
constexpr uint64_t kWordsAPeriod = 4;
constexpr std::chrono::milliseconds kEndLook{1};

}  // namespace

std::unique_ptr<Watchdog> Watchdog::Start(io::ShardSet& shards) {
  uint64_t wanted_us = 0;
  if (sd_watchdog_enabled(/*unset_environment=*/1, &wanted_us) <= 0) return nullptr;
  const std::chrono::microseconds period(std::max<uint64_t>(wanted_us / kWordsAPeriod, 1'000));
  return std::unique_ptr<Watchdog>(new Watchdog(shards, period));
}

Watchdog::Watchdog(io::ShardSet& shards, std::chrono::microseconds period)
    : shards_(shards), period_(period), questions_(shards.count()), thread_([this] { Run(); }) {}

Watchdog::~Watchdog() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  ending_changed_.notify_one();
  thread_.join();
  while (!AllAnswered()) std::this_thread::sleep_for(kEndLook);
}

void Watchdog::AskAll() {
  for (uint32_t i = 0; i < questions_.size(); ++i) {
    Question& question = questions_[i];
    question.answered.store(false, std::memory_order_relaxed);
    shards_.shard(ShardIndex(i)).reactor().Post(question.work);
  }
}

bool Watchdog::AllAnswered() const {
  return std::ranges::all_of(questions_, [](const Question& question) {
    return question.answered.load(std::memory_order_acquire);
  });
}

void Watchdog::Run() {
  std::unique_lock lock(mutex_);
  while (!ending_) {
    // Of the last time, or nobody was asked yet: the server is up.
    if (AllAnswered()) {
      sd_notify(0, "WATCHDOG=1");
      AskAll();
    }
    ending_changed_.wait_for(lock, period_, [this] { return ending_; });
  }
}

}  // namespace poplar::app
