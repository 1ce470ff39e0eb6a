// Drops the maildrops of accounts that were removed from the user database, by whatever process,
// and tells the database so. Until then nobody can log in to them: an account id is never given
// again.
//
// A delivery that found its account before the removal may be stored after the maildrop was
// dropped. So each is dropped a second time, when any such delivery has ended.
//
// On a thread of its own, since it waits for the disk. What fails is logged and tried again later.

#pragma once

#include <chrono>
#include <deque>
#include <span>
#include <string>
#include <thread>
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
  struct Second {
    Clock::time_point due;
    auth::RemovedAccount account;
  };

  void Run(const std::stop_token& stop);
  // False: something failed, take a rest.
  bool Sweep(const std::stop_token& stop);
  struct Dropped {
    bool all = false;
    bool some = false;  // Or what was not is damaged: those behind it are worth a try.
  };
  Dropped DropFirst(auth::UserDatabase& database, std::span<const auth::RemovedAccount> batch);
  bool DropAgain(const std::stop_token& stop);
  std::vector<Status> Drop(std::span<const auth::RemovedAccount> batch);

  const RemovalSweepOptions options_;
  io::ShardSet& shards_;
  storage::Store& store_;
  std::deque<Second> again_;  // By their time.
  std::jthread thread_;       // Last: it ends before what it uses.
};

}  // namespace poplar::app
