#include "core/app/removal_sweep.h"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <latch>
#include <mutex>
#include <utility>
#include <vector>

#include "core/base/clock.h"
#include "core/base/log.h"
#include "core/io/task.h"

namespace poplar::app {
namespace {

constexpr std::chrono::seconds kPeriod{1};
// After a failure: a trouble of the disk's is not asked about every second.
constexpr std::chrono::seconds kRest{30};
// A delivery that found the account just before it was removed is in the store by then (LmtpDriver
// looks again where its answer is older than a second), so its mail goes too.
constexpr int64_t kGraceS = 5;
// They share the store's flushes and one transaction of the database.
constexpr size_t kBatch = 256;

// Asks the store on a shard and leaves the answer to the thread that waits.
io::Task<void> Remove(storage::ShardStore* store, storage::MaildropKey key, Status* answer,
                      std::latch* answered) {
  io::Completion<Status> removed;
  store->Remove(std::move(key), removed);
  *answer = co_await removed;
  answered->count_down();
}

}  // namespace

RemovalSweep::RemovalSweep(std::string database_path, io::ShardSet& shards, storage::Store& store)
    : database_path_(std::move(database_path)),
      shards_(shards),
      store_(store),
      thread_([this](const std::stop_token& stop) { Run(stop); }) {}

void RemovalSweep::Run(const std::stop_token& stop) {
  std::mutex mutex;
  std::condition_variable_any wake;
  std::unique_lock<std::mutex> lock(mutex);
  while (!stop.stop_requested()) {
    const bool rest = !Sweep(stop);
    wake.wait_for(lock, stop, rest ? kRest : kPeriod, [] { return false; });
  }
}

bool RemovalSweep::Sweep(const std::stop_token& stop) {
  if (!database_) {
    auto opened = auth::UserDatabase::Open(database_path_);
    if (!opened.ok()) return true;  // Authentication says so, loud enough.
    database_ = std::move(*opened);
  }
  auto accounts = database_->RemovedAccounts();
  if (!accounts.ok()) {
    database_.reset();
    return true;
  }
  const int64_t now_s = base::SystemClock().WallUs() / 1'000'000;
  std::erase_if(*accounts, [now_s](const auth::RemovedAccount& account) {
    return now_s - account.removed_s < kGraceS && now_s >= account.removed_s;
  });
  bool all_well = true;
  for (size_t done = 0; done < accounts->size() && all_well && !stop.stop_requested();) {
    const size_t end = std::min(accounts->size(), done + kBatch);
    all_well = Drop(std::span(*accounts).subspan(done, end - done));
    done = end;
  }
  return all_well;
}

bool RemovalSweep::Drop(std::span<const auth::RemovedAccount> batch) {
  std::vector<Status> answers(batch.size());
  std::vector<io::Task<void>> tasks(batch.size());
  std::latch answered(static_cast<ptrdiff_t>(batch.size()));
  const ShardIndex first(0);
  shards_.RunOn(first, [&](io::Shard&) {
    for (size_t i = 0; i < batch.size(); ++i) {
      tasks[i] = Remove(&store_.OnShard(first), {batch[i].tenant, batch[i].account}, &answers[i],
                        &answered);
      tasks[i].Start();
    }
  });
  answered.wait();
  shards_.RunOn(first, [&](io::Shard&) { tasks.clear(); });

  std::vector<std::string> dropped;
  for (size_t i = 0; i < batch.size(); ++i) {
    if (answers[i].ok()) dropped.push_back(batch[i].account);
  }
  const Status marked = database_->MarkMaildropsDropped(dropped);
  for (size_t i = 0; i < batch.size(); ++i) {
    const Status& status = answers[i].ok() ? marked : answers[i];
    base::Log(status.ok() ? base::LogLevel::kInfo : base::LogLevel::kError, "maildrop_removed",
              {{"user", batch[i].address},
               {"account", batch[i].account},
               {"ok", status.ok()},
               {"reason", Message(status)}});
  }
  return marked.ok() && dropped.size() == batch.size();
}

}  // namespace poplar::app
