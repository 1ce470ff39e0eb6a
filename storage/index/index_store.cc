#include "storage/index/index_store.h"

#include "core/base/log.h"

namespace poplar::storage {

Status IndexStore::Open() {
  POP_ASSIGN_OR_RETURN(store_, engine().Open(options_.directory, options_.map_bytes));
  return OkStatus();
}

Status IndexStore::OpenToRead() {
  POP_ASSIGN_OR_RETURN(store_, engine().OpenToRead(options_.directory, options_.map_bytes));
  return OkStatus();
}

StatusOr<IndexTransaction> IndexStore::Begin(KeyValueStore::Access access) {
  POP_ASSIGN_OR_RETURN(std::shared_ptr<KeyValueStore> store, Current());
  auto begun = store->Begin(access);
  if (!begun.ok() && store->broken()) {
    store.reset();
    POP_ASSIGN_OR_RETURN(store, Current());
    begun = store->Begin(access);
  }
  if (!begun.ok()) return begun.status();
  return IndexTransaction(std::move(store), std::move(*begun));
}

StatusOr<std::shared_ptr<KeyValueStore>> IndexStore::Current() {
  const std::lock_guard lock(mutex_);
  if (store_ == nullptr || store_->broken()) POP_RETURN_IF_ERROR(Reopen());
  return store_;
}

// LMDB may have a file open once a process, so those who are in the old one end first.
Status IndexStore::Reopen() {
  if (lost()) return MakeStatus(StatusCode::kDataLoss, options_.directory + ": the index is lost");
  if (store_.use_count() > 1) {
    return MakeStatus(StatusCode::kUnavailable,
                      options_.directory + ": to be opened again when nobody reads in it");
  }
  store_.reset();
  Status status = OpenChecked();
  if (status.ok()) {
    failure_told_ = false;
    reopenings_.fetch_add(1, std::memory_order_relaxed);
    base::Log(base::LogLevel::kWarning, "store_index_reopened", {{"index", options_.directory}});
  } else if (status.code() == StatusCode::kDataLoss) {
    lost_.store(true, std::memory_order_release);
    base::Log(base::LogLevel::kError, "store_index_lost",
              {{"file", options_.directory + "/data.mdb"},
               {"why", status.ToString()},
               {"mend", "stop the server; poplar store rebuild-index makes it anew from the log"}});
  } else {
    status = MakeStatus(StatusCode::kUnavailable,
                        "the index cannot be opened again: " + status.ToString());
    if (!std::exchange(failure_told_, true)) {
      base::Log(base::LogLevel::kError, "store_index_not_reopened",
                {{"index", options_.directory}, {"why", status.ToString()}});
    }
  }
  return status;
}

Status IndexStore::OpenChecked() {
  POP_ASSIGN_OR_RETURN(std::shared_ptr<KeyValueStore> store,
                       engine().Open(options_.directory, options_.map_bytes));
  {
    POP_ASSIGN_OR_RETURN(const auto transaction, store->Begin(KeyValueStore::Access::kRead));
    POP_RETURN_IF_ERROR(check_(*transaction));
  }
  store_ = std::move(store);
  return OkStatus();
}

}  // namespace poplar::storage
