// LMDB behind a door that counts: which pairs of the index were handed out.

#pragma once

#include <array>
#include <atomic>
#include <memory>
#include <string>
#include <utility>

#include "storage/index/key_value.h"

namespace poplar::storage {

class CountingIndexEngine final : public KeyValueEngine {
 public:
  // Since the last call.
  uint64_t TakeReads(Database database) {
    return reads_[static_cast<size_t>(database)].exchange(0);
  }

  StatusOr<std::unique_ptr<KeyValueStore>> Open(const std::string& directory,
                                                uint64_t map_bytes) override {
    return Wrap(Lmdb().Open(directory, map_bytes));
  }
  StatusOr<std::unique_ptr<KeyValueStore>> OpenToRead(const std::string& directory,
                                                      uint64_t map_bytes) override {
    return Wrap(Lmdb().OpenToRead(directory, map_bytes));
  }

 private:
  using Reads = std::array<std::atomic<uint64_t>, kDatabases>;

  class Transaction final : public KeyValueTransaction {
   public:
    Transaction(Reads* reads, std::unique_ptr<KeyValueTransaction> inner)
        : reads_(*reads), inner_(std::move(inner)) {}

    StatusOr<std::string_view> Get(Database database, std::string_view key) override {
      Count(database);
      return inner_->Get(database, key);
    }
    StatusOr<Pair> LastBefore(Database database, std::string_view key) override {
      Count(database);
      return inner_->LastBefore(database, key);
    }
    StatusOr<Pair> FirstFrom(Database database, std::string_view key) override {
      Count(database);
      return inner_->FirstFrom(database, key);
    }
    Status ForEach(Database database, std::string_view prefix, Visit visit) override {
      return inner_->ForEach(database, prefix, [&](std::string_view key, std::string_view value) {
        Count(database);
        return visit(key, value);
      });
    }
    Status ForEachFrom(Database database, std::string_view first, Visit visit) override {
      return inner_->ForEachFrom(database, first,
                                 [&](std::string_view key, std::string_view value) {
                                   Count(database);
                                   return visit(key, value);
                                 });
    }
    void Expect(Database database, std::string_view prefix) override {
      inner_->Expect(database, prefix);
    }
    Status Put(Database database, std::string_view key, std::string_view value) override {
      return inner_->Put(database, key, value);
    }
    Status Delete(Database database, std::string_view key) override {
      return inner_->Delete(database, key);
    }
    Status Commit() override { return inner_->Commit(); }

   private:
    void Count(Database database) { ++reads_[static_cast<size_t>(database)]; }

    Reads& reads_;
    const std::unique_ptr<KeyValueTransaction> inner_;
  };

  class Store final : public KeyValueStore {
   public:
    Store(Reads* reads, std::unique_ptr<KeyValueStore> inner)
        : reads_(reads), inner_(std::move(inner)) {}

    StatusOr<std::unique_ptr<KeyValueTransaction>> Begin(Access access) override {
      POP_ASSIGN_OR_RETURN(auto begun, inner_->Begin(access));
      return std::unique_ptr<KeyValueTransaction>(
          std::make_unique<Transaction>(reads_, std::move(begun)));
    }
    StatusOr<uint64_t> FileBytes() override { return inner_->FileBytes(); }
    bool broken() const override { return inner_->broken(); }

   private:
    Reads* const reads_;
    const std::unique_ptr<KeyValueStore> inner_;
  };

  StatusOr<std::unique_ptr<KeyValueStore>> Wrap(StatusOr<std::unique_ptr<KeyValueStore>> opened) {
    if (!opened.ok()) return opened.status();
    return std::unique_ptr<KeyValueStore>(std::make_unique<Store>(&reads_, std::move(*opened)));
  }

  Reads reads_{};
};

}  // namespace poplar::storage
