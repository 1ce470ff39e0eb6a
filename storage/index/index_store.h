// The key-value store under an index, opened again where it has failed so that only that helps:
// after a write of its head failed, LMDB serves nobody any more, whatever the disk does by then.
// Any thread.

#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include "core/base/status.h"
#include "core/base/units.h"
#include "storage/index/key_value.h"

namespace poplar::storage {

struct IndexOptions {
  std::string directory;             // Exists.
  uint64_t map_bytes = 64 * kGiB;    // Address space; the file grows as it needs.
  KeyValueEngine* engine = nullptr;  // Null: LMDB.
};

// A transaction that keeps the store open in which it began.
class IndexTransaction {
 public:
  IndexTransaction(std::shared_ptr<KeyValueStore> store,
                   std::unique_ptr<KeyValueTransaction> transaction)
      : store_(std::move(store)), transaction_(std::move(transaction)) {}

  KeyValueTransaction& operator*() const { return *transaction_; }
  KeyValueTransaction* operator->() const { return transaction_.get(); }
  KeyValueStore& store() const { return *store_; }

 private:
  std::shared_ptr<KeyValueStore> store_;
  std::unique_ptr<KeyValueTransaction> transaction_;  // Ends before the store.
};

class IndexStore {
 public:
  // Looks at what was opened again. kDataLoss: it is not what it was.
  using Check = std::function<Status(KeyValueTransaction& transaction)>;

  IndexStore(const IndexOptions& options, Check check)
      : options_(options), check_(std::move(check)) {}

  // One of these two, once, first. As KeyValueEngine's.
  Status Open();
  Status OpenToRead();

  // kUnavailable: it must be opened again, and cannot be yet: the disk says no, or somebody still
  // reads. kDataLoss: it was opened again, and was lost.
  StatusOr<IndexTransaction> Begin(KeyValueStore::Access access);

  bool lost() const { return lost_.load(std::memory_order_acquire); }
  // Times that it was opened again.
  uint64_t reopenings() const { return reopenings_.load(std::memory_order_relaxed); }

 private:
  KeyValueEngine& engine() const { return options_.engine != nullptr ? *options_.engine : Lmdb(); }
  StatusOr<std::shared_ptr<KeyValueStore>> Current();
  Status Reopen();
  Status OpenChecked();

  const IndexOptions options_;
  const Check check_;
  std::atomic<bool> lost_{false};
  std::atomic<uint64_t> reopenings_{0};

  std::mutex mutex_;
  std::shared_ptr<KeyValueStore> store_;  // Null: it was closed, and could not be opened again yet.
  bool failure_told_ = false;             // In the log, since it served.
};

}  // namespace poplar::storage
