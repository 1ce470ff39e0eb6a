#include "core/app/removal_sweep.h"

#include <algorithm>
#include <condition_variable>
#include <latch>
#include <mutex>
#include <utility>
#include <vector>

#include "core/base/log.h"
#include "core/io/task.h"

namespace poplar::app {
namespace {

// They share the store's flushes and one transaction of the database, and leave most of a tenant's
// room in the disk pool to its sessions.
constexpr size_t kBatch = 16;

// Asks the store on a shard and leaves the answer to the thread that waits.
io::Task<void> Remove(storage::ShardStore* store, storage::MaildropKey key, Status* answer,
                      std::latch* answered) {
  io::Completion<Status> removed;
  store->Remove(std::move(key), removed);
  *answer = co_await removed;
  answered->count_down();
}

}  // namespace

RemovalSweep::RemovalSweep(RemovalSweepOptions options, io::ShardSet& shards, storage::Store& store)
    : options_(std::move(options)),
      shards_(shards),
      store_(store),
      thread_([this](const std::stop_token& stop) { Run(stop); }) {}

void RemovalSweep::Run(const std::stop_token& stop) {
  std::mutex mutex;
  std::condition_variable_any wake;
  std::unique_lock<std::mutex> lock(mutex);
  while (!stop.stop_requested()) {
    const bool all_well = Sweep(stop);
    wake.wait_for(lock, stop, all_well ? options_.period : options_.rest, [] { return false; });
  }
}

bool RemovalSweep::Sweep(const std::stop_token& stop) {
  // Opened each time: the file may be put back from a backup, and what it says then counts.
  const auto database = auth::UserDatabase::Open(options_.database_path);
  if (!database.ok()) return true;  // Authentication says so, loud enough.
  const auto accounts = (*database)->RemovedAccounts();
  if (!accounts.ok()) return true;
  const Clock::time_point now = Clock::now();
  std::vector<auth::RemovedAccount> first;
  std::vector<auth::RemovedAccount> second;
  std::unordered_map<std::string, Clock::time_point> due_again;  // Of those that are still listed.
  for (const auth::RemovedAccount& account : *accounts) {
    auto dropped = due_again_.extract(account.account);
    if (dropped.empty()) {
      first.push_back(account);
      continue;
    }
    if (dropped.mapped() <= now) second.push_back(account);
    due_again.insert(std::move(dropped));
  }
  due_again_ = std::move(due_again);
  const bool first_well = DropAll(**database, first, /*again=*/false, stop);
  const bool second_well = DropAll(**database, second, /*again=*/true, stop);
  return first_well && second_well;
}

bool RemovalSweep::DropAll(auth::UserDatabase& database,
                           std::span<const auth::RemovedAccount> accounts, bool again,
                           const std::stop_token& stop) {
  bool all = true;
  while (!accounts.empty() && !stop.stop_requested()) {
    const size_t count = std::min(accounts.size(), kBatch);
    const Dropped dropped = DropBatch(database, accounts.first(count), again);
    all = all && dropped.all;
    if (!dropped.some) break;
    accounts = accounts.subspan(count);
  }
  return all;
}

RemovalSweep::Dropped RemovalSweep::DropBatch(auth::UserDatabase& database,
                                              std::span<const auth::RemovedAccount> batch,
                                              bool again) {
  const std::vector<Status> answers = Drop(batch);
  std::vector<std::string> dropped;
  bool damaged = false;
  for (size_t i = 0; i < batch.size(); ++i) {
    damaged = damaged || answers[i].code() == StatusCode::kDataLoss;
    if (!answers[i].ok()) continue;
    dropped.push_back(batch[i].account);
    if (!again) due_again_.emplace(batch[i].account, Clock::now() + options_.again_after);
  }
  const Status marked = again ? database.MarkMaildropsDropped(dropped) : OkStatus();
  for (size_t i = 0; i < batch.size(); ++i) {
    const Status& status = answers[i].ok() ? marked : answers[i];
    if (again && status.ok()) continue;  // It was told the first time.
    base::Log(status.ok() ? base::LogLevel::kInfo : base::LogLevel::kError, "maildrop_removed",
              {{"user", batch[i].address},
               {"account", batch[i].account},
               {"ok", status.ok()},
               {"reason", Message(status)}});
  }
  return {.all = marked.ok() && dropped.size() == batch.size(),
          .some = marked.ok() && (damaged || !dropped.empty())};
}

std::vector<Status> RemovalSweep::Drop(std::span<const auth::RemovedAccount> batch) {
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
  return answers;
}

}  // namespace poplar::app
