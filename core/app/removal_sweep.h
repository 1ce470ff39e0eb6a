// Drops the maildrops of accounts that were removed from the user database, by whatever process,
// and tells the database so. Until then nobody can reach them: an account id is never given again.
//
// Main thread.

#pragma once

#include <memory>
#include <string>

#include "auth/users/user_database.h"
#include "core/io/shard.h"
#include "storage/api/store.h"

namespace poplar::app {

class RemovalSweep {
 public:
  // Both outlive this.
  RemovalSweep(std::string database_path, io::ShardSet& shards, storage::Store& store)
      : database_path_(std::move(database_path)), shards_(shards), store_(store) {}

  // Drops what is there to drop; waits for the store. To be called every second. What fails is
  // logged and tried again some runs later.
  void Run();

 private:
  Status Drop(const auth::RemovedAccount& removed);

  const std::string database_path_;
  io::ShardSet& shards_;
  storage::Store& store_;
  std::unique_ptr<auth::UserDatabase> database_;
  uint32_t rest_runs_ = 0;
};

}  // namespace poplar::app
