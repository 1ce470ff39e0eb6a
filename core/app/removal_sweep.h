// Drops the maildrops of accounts that were removed from the user database, by whatever process,
// and tells the database so. Until then nobody can log in to them: an account id is never given
// again.
//
// On a thread of its own, since it waits for the disk. What fails is logged and tried again later.

#pragma once

#include <memory>
#include <span>
#include <string>
#include <thread>

#include "auth/users/user_database.h"
#include "core/io/shard.h"
#include "storage/api/store.h"

namespace poplar::app {

class RemovalSweep {
 public:
  // Both outlive this.
  RemovalSweep(std::string database_path, io::ShardSet& shards, storage::Store& store);
  RemovalSweep(const RemovalSweep&) = delete;
  RemovalSweep& operator=(const RemovalSweep&) = delete;
  // Waits for the removals under way, not for those still to come.
  ~RemovalSweep() = default;

 private:
  void Run(const std::stop_token& stop);
  // False: something failed, take a rest.
  bool Sweep(const std::stop_token& stop);
  bool Drop(std::span<const auth::RemovedAccount> batch);

  const std::string database_path_;
  io::ShardSet& shards_;
  storage::Store& store_;
  std::unique_ptr<auth::UserDatabase> database_;
  std::jthread thread_;  // Last: it ends before what it uses.
};

}  // namespace poplar::app
