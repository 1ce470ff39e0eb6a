// Drops the maildrops of accounts that were removed from the user database, by whatever process,
// and tells the database so. Nobody can log in to them: an account id is never given again.
//
// A delivery that found its account before the removal may be stored after the maildrop was
// dropped. So each is dropped a second time, when any such delivery has ended, and only then the
// database is told: a server that ends before begins anew at its next start.
//
// On a thread of its own, since it waits for the disk. What fails is logged and tried again later.

#pragma once

#include <chrono>
#include <span>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

#include "auth/users/user_database.h"
#include "core/io/shard.h"
#include "storage/api/store.h"

namespace poplar::app {

struct RemovalSweepOptions {
  std::string database_path;
  std::chrono::milliseconds period{1000};
  // After a failure: a trouble of the disk's is not asked about every second.
  std::chrono::milliseconds rest{30'000};
  std::chrono::milliseconds again_after{3'600'000};
};

class RemovalSweep {
 public:
  // Both outlive this.
  RemovalSweep(RemovalSweepOptions options, io::ShardSet& shards, storage::Store& store);
  RemovalSweep(const RemovalSweep&) = delete;
  RemovalSweep& operator=(const RemovalSweep&) = delete;
  // Waits for the removals under way, not for those still to come.
  ~RemovalSweep() = default;

 private:
  using Clock = std::chrono::steady_clock;

  void Run(const std::stop_token& stop);
  // False: something failed, take a rest.
  bool Sweep(const std::stop_token& stop);
  // False: not all of them.
  bool DropAll(auth::UserDatabase& database, std::span<const auth::RemovedAccount> accounts,
               bool again, const std::stop_token& stop);
  struct Dropped {
    bool all = false;
    bool some = false;  // Or what was not is damaged: those behind it are worth a try.
  };
  Dropped DropBatch(auth::UserDatabase& database, std::span<const auth::RemovedAccount> batch,
                    bool again);
  std::vector<Status> Drop(std::span<const auth::RemovedAccount> batch);

  const RemovalSweepOptions options_;
  io::ShardSet& shards_;
  storage::Store& store_;
  // Accounts whose maildrops were dropped once, and when they are to be again.
  std::unordered_map<std::string, Clock::time_point> due_again_;
  std::jthread thread_;  // Last: it ends before what it uses.
};

}  // namespace poplar::app
