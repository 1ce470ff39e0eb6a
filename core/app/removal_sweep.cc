#include "core/app/removal_sweep.h"

#include <future>
#include <utility>

#include "core/base/log.h"
#include "core/io/task.h"

namespace poplar::app {
namespace {

// After a failure: a trouble of the disk's is not asked about every second.
constexpr uint32_t kRestRuns = 30;

// Asks the store on a shard and hands the answer to the thread that waits.
io::Task<void> Remove(storage::ShardStore* store, storage::MaildropKey key,
                      std::promise<Status>* answer) {
  io::Completion<Status> removed;
  store->Remove(std::move(key), removed);
  Status status = co_await removed;
  answer->set_value(std::move(status));
}

}  // namespace

void RemovalSweep::Run() {
  if (rest_runs_ > 0) {
    --rest_runs_;
    return;
  }
  if (!database_) {
    auto opened = auth::UserDatabase::Open(database_path_);
    if (!opened.ok()) return;  // Authentication says so, loud enough.
    database_ = std::move(*opened);
  }
  const auto accounts = database_->RemovedAccounts();
  if (!accounts.ok()) {
    database_.reset();
    return;
  }
  for (const auth::RemovedAccount& removed : *accounts) {
    const Status dropped = Drop(removed);
    base::Log(dropped.ok() ? base::LogLevel::kInfo : base::LogLevel::kError, "maildrop_removed",
              {{"user", removed.address},
               {"account", removed.account},
               {"ok", dropped.ok()},
               {"reason", Message(dropped)}});
    if (!dropped.ok()) rest_runs_ = kRestRuns;
  }
}

Status RemovalSweep::Drop(const auth::RemovedAccount& removed) {
  std::promise<Status> answer;
  std::future<Status> answered = answer.get_future();
  io::Task<void> task;
  const ShardIndex first(0);
  shards_.RunOn(first, [&](io::Shard&) {
    task = Remove(&store_.OnShard(first), {removed.tenant, removed.account}, &answer);
    task.Start();
  });
  const Status status = answered.get();
  shards_.RunOn(first, [&](io::Shard&) { task = {}; });
  POP_RETURN_IF_ERROR(status);
  return database_->MarkMaildropDropped(removed.account);
}

}  // namespace poplar::app
