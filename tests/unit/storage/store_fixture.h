// A store in a temporary folder with shards and a disk pool of its own, driven from the test's
// thread: each call runs a coroutine on a shard and waits for it.

#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <semaphore>
#include <string>
#include <vector>

#include "core/base/clock.h"
#include "core/io/offload_pool.h"
#include "core/io/shard.h"
#include "core/io/task.h"
#include "storage/engine/engine.h"

namespace poplar::storage {

// A folder that goes with its object.
class TemporaryFolder {
 public:
  TemporaryFolder();
  ~TemporaryFolder();
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

// Copies a store that is open, as a crash would leave it, over what `to` holds. Tries again where a
// file that was being laid out has got its name meanwhile.
void CopyOpenStore(const std::string& from, const std::string& to);

// Every file of a folder, by its path in it, with its content.
std::map<std::string, std::string> ContentsOf(const std::string& folder);

// The next commit of the index in `directory`, which is open, fails at its last step, the page that
// makes it count: LMDB writes that by a descriptor of its own, in whose place comes one that only
// reads. It stays so until the index is opened anew.
void BreakIndexHead(const std::string& directory);

// Flips a bit in what the index of a store that is not open says of a maildrop. The list cannot be
// read any more; the index is otherwise sound.
void DamageTotals(const std::string& store, uint32_t partition, const MaildropKey& key);
void DamageKeptTotals(const std::string& store, uint32_t partition, const MaildropKey& key);

// What goes on in the background has to come to this end. False after 20 s.
bool Eventually(const std::function<bool()>& condition);

// The system's wall clock, moved ahead: by days, and by whoever sleeps instead of sleeping.
class MovedClock final : public base::Clock {
 public:
  uint64_t MonotonicUs() const override { return base::SystemClock().MonotonicUs(); }
  int64_t WallUs() const override { return base::SystemClock().WallUs() + ahead_us_.load(); }
  void SleepUs(uint64_t us) const override { ahead_us_ += static_cast<int64_t>(us); }
  void AddDays(int64_t days) { ahead_us_ += days * 86'400'000'000; }

 private:
  mutable std::atomic<int64_t> ahead_us_{0};
};

// Small enough that a test fills segments and caches. On a clock of the whole process, so that a
// store opens again within a second without a wait.
StoreOptions SmallStoreOptions(const std::string& path);

// A message of about `bytes` octets whose content depends on `seed`.
std::string MakeMessage(uint64_t seed, size_t bytes = 200);
DeliveryFacts FactsOf(std::string_view wire);

inline MaildropKey Key(std::string account, uint64_t tenant = 1) {
  return {TenantId(tenant), std::move(account)};
}

// Coroutines that sessions and deliveries are made of.
io::Task<std::vector<DeliveryOutcome>> DeliverTask(ShardStore* store,
                                                   std::vector<MaildropKey> recipients,
                                                   std::string wire, size_t piece_bytes = 4096);
io::Task<OpenResult> OpenTask(ShardStore* store, MaildropKey key, SessionId session = SessionId(1));
io::Task<StatusOr<std::string>> ReadTask(io::Body* body);
io::Task<CommitOutcome> CommitTask(Maildrop* maildrop, std::vector<MessagePosition> deleted,
                                   std::vector<MessagePosition> fetched = {});
io::Task<StatusOr<std::vector<KeptMessage>>> ListKeptTask(ShardStore* store, MaildropKey key);
io::Task<UndeleteResult> UndeleteTask(ShardStore* store, MaildropKey key, UndeleteRequest request);

struct Listed {
  std::string uidl;
  std::string wire;

  friend bool operator==(const Listed&, const Listed&) = default;
};

class StoreFixture {
 public:
  explicit StoreFixture(uint32_t shards, uint32_t disk_threads = 3);
  ~StoreFixture();

  Status Create(const std::string& path, uint32_t partitions);
  Status Open(const StoreOptions& options);
  Status Close();
  bool open() const { return store_ != nullptr; }
  EngineStore& store() { return *store_; }
  io::ShardSet& shards() { return *shards_; }
  io::OffloadPool& disk() { return *disk_; }

  // Runs `make(shard's store)` to its end on `shard`; its result.
  template <class T>
  T Run(uint32_t shard, std::function<io::Task<T>(ShardStore*)> make);
  // Runs `step` on `shard`.
  void On(uint32_t shard, const std::function<void()>& step);

  std::vector<DeliveryOutcome> Deliver(uint32_t shard, std::vector<MaildropKey> recipients,
                                       std::string wire, size_t piece_bytes = 4096);
  // REQUIRES: it is stored.
  void MustDeliver(uint32_t shard, const MaildropKey& key, std::string wire);
  OpenResult OpenMaildrop(uint32_t shard, const MaildropKey& key, SessionId session = SessionId(1));
  OpenResult OpenToRead(uint32_t shard, const MaildropKey& key);
  CommitOutcome Commit(uint32_t shard, std::unique_ptr<Maildrop> maildrop,
                       const std::vector<uint32_t>& positions,
                       const std::vector<uint32_t>& fetched = {});
  // Opens, reads everything, closes.
  std::vector<Listed> List(uint32_t shard, const MaildropKey& key);
  StatusOr<std::string> ReadBody(uint32_t shard, Maildrop& maildrop, uint32_t position);
  StatusOr<MaildropTotals> Totals(uint32_t shard, const MaildropKey& key);
  Status Remove(uint32_t shard, const MaildropKey& key);
  // The sum of a metric over shards and partitions.
  double Metric(const std::string& name) const;

 private:
  std::unique_ptr<io::ShardSet> shards_;
  std::unique_ptr<io::OffloadPool> disk_;
  std::unique_ptr<EngineStore> store_;
  std::unique_ptr<base::MetricRegistry> registry_;
};

template <class T>
T StoreFixture::Run(uint32_t shard, std::function<io::Task<T>(ShardStore*)> make) {
  struct Driver {
    static io::Task<void> Drive(std::function<io::Task<T>(ShardStore*)>* make_task,
                                ShardStore* store, std::optional<T>* result,
                                std::binary_semaphore* finished) {
      *result = co_await (*make_task)(store);
      finished->release();
    }
  };
  std::optional<T> result;
  std::binary_semaphore finished(0);
  io::Task<void> task;
  On(shard, [&] {
    task = Driver::Drive(&make, &store_->OnShard(ShardIndex(shard)), &result, &finished);
    task.Start();
  });
  finished.acquire();
  On(shard, [&] { task = io::Task<void>(); });
  return std::move(*result);
}

}  // namespace poplar::storage
