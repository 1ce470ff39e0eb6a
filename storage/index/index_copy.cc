#include "storage/index/index_copy.h"

namespace poplar::storage {
namespace {

constexpr uint32_t kPairsACommit = 20'000;

// A new store that is written in order.
class Target {
 public:
  explicit Target(KeyValueStore* store) : store_(*store) {}

  Status Put(Database database, std::string_view key, std::string_view value) {
    if (transaction_ == nullptr) {
      POP_ASSIGN_OR_RETURN(transaction_, store_.Begin(KeyValueStore::Access::kChange));
    }
    POP_RETURN_IF_ERROR(transaction_->Put(database, key, value));
    return ++pairs_ % kPairsACommit == 0 ? Commit() : OkStatus();
  }
  Status Commit() {
    if (transaction_ == nullptr) return OkStatus();
    return std::exchange(transaction_, nullptr)->Commit();
  }

 private:
  KeyValueStore& store_;
  std::unique_ptr<KeyValueTransaction> transaction_;
  uint64_t pairs_ = 0;
};

}  // namespace

StatusOr<std::unique_ptr<IndexCopy>> IndexCopy::Begin(Index& index) {
  POP_ASSIGN_OR_RETURN(auto from, index.store_.Begin(KeyValueStore::Access::kRead));
  return std::unique_ptr<IndexCopy>(new IndexCopy(std::move(from)));
}

Status IndexCopy::WriteTo(const IndexOptions& options, const std::atomic<bool>& cancel) const {
  KeyValueEngine& engine = options.engine != nullptr ? *options.engine : Lmdb();
  POP_ASSIGN_OR_RETURN(const auto store, engine.Open(options.directory, options.map_bytes));
  Target target(store.get());
  for (size_t i = 0; i < kDatabases; ++i) {
    const auto database = static_cast<Database>(i);
    POP_RETURN_IF_ERROR(
        from_->ForEach(database, {}, [&](std::string_view key, std::string_view value) {
          if (cancel) return MakeStatus(StatusCode::kCancelled, "copying the index: given up");
          return target.Put(database, key, value);
        }));
  }
  return target.Commit();
}

}  // namespace poplar::storage
