// The store's users, as coroutines on its shards: deliveries, sessions that read and delete,
// removals of accounts. Each tells the model what it begins and what it was answered.

#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "core/io/task.h"
#include "tests/sim/model.h"
#include "tests/sim/world.h"

namespace poplar::sim {

struct ClientOptions {
  uint32_t accounts = 6;
  uint64_t body_bytes_max = 3'000;    // Of an ordinary message,
  uint64_t large_bytes_max = 30'000;  // and of one in eight.
  uint64_t rest_ms_max = 800;         // Of a session between two looks.
};

// What became of all clients so far.
struct ClientCounts {
  uint64_t stored = 0;
  uint64_t refused = 0;
  uint64_t sessions = 0;
  uint64_t in_use = 0;
  uint64_t bodies = 0;
  uint64_t commits = 0;
  uint64_t doubtful_commits = 0;
  uint64_t removals = 0;
  uint64_t over_quota = 0;
  uint64_t imported = 0;
  uint64_t already_there = 0;
  uint64_t restored = 0;
};

std::vector<Listed> ListOf(const storage::Maildrop& maildrop);

class Clients {
 public:
  Clients(const ClientOptions& options, World* world, Model* model, Dice* dice, Trace* trace);
  ~Clients();

  // Each begins on a shard that the dice choose.
  void StartAny();
  void StartDelivery(std::vector<storage::MaildropKey> recipients);
  // One of few UIDLs, so that many are there already.
  void StartImport(const storage::MaildropKey& key);
  // Opens, compares everything with the model, and deletes one in `delete_one_in` (0: none).
  void StartCheck(const storage::MaildropKey& key, uint64_t delete_one_in);
  void StartTotals(const storage::MaildropKey& key);
  void StartListKept(const storage::MaildropKey& key);
  // One message, or with an empty `uidl` all.
  void StartUndelete(const storage::MaildropKey& key, const std::string& uidl);
  // Destroys those that came to their end.
  void Collect();
  size_t active() const { return running_.size(); }
  // From now on nobody begins anything new.
  void set_ending(bool ending) { ending_ = ending; }

  const std::vector<storage::MaildropKey>& keys() const { return keys_; }
  const ClientCounts& counts() const { return counts_; }

 private:
  struct Manner;

  void Start(const std::string& what, const std::function<io::Task<void>(ShardIndex)>& make);
  std::shared_ptr<const Body> MakeBody();
  const storage::MaildropKey& AnyKey() { return keys_[dice_.Below(keys_.size())]; }

  io::Task<void> Deliver(ShardIndex shard, std::vector<storage::MaildropKey> recipients,
                         std::shared_ptr<const Body> body, std::string imported_uidl);
  io::Task<void> Session(ShardIndex shard, storage::MaildropKey key, Manner manner);
  io::Task<void> Look(const Model::Session* session, storage::Maildrop* maildrop, Manner manner,
                      std::set<uint32_t>* fetched);
  io::Task<StatusOr<std::string>> Read(storage::Maildrop* maildrop, uint32_t position);
  io::Task<void> End(const Model::Session* session, storage::Maildrop* maildrop, Manner manner,
                     std::set<uint32_t> fetched);
  io::Task<void> Remove(ShardIndex shard, storage::MaildropKey key);
  io::Task<void> Totals(ShardIndex shard, storage::MaildropKey key);
  io::Task<void> ListKept(ShardIndex shard, storage::MaildropKey key);
  io::Task<void> Undelete(ShardIndex shard, storage::MaildropKey key, std::string uidl);

  const ClientOptions options_;
  World& world_;
  Model& model_;
  Dice& dice_;
  Trace& trace_;
  std::vector<storage::MaildropKey> keys_;
  std::list<io::Task<void>> running_;
  bool ending_ = false;
  uint64_t next_session_ = 1;
  ClientCounts counts_;
};

}  // namespace poplar::sim
