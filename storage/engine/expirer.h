// Deletes what is too old for its tenant's policy, and ends the keeping of deleted mail: once a
// day, and when policies change, all lists of the partition that may hold such mail are looked at,
// one after the other: those that changed since the last checkpoint, then those that the index has.
// A list of which much goes is visited again and again, as one record can name only so many.
// A day of grace stands for the part of it that is not counted: nothing goes early.
//
// Lives on its partition's shard, a field of the partition.

#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/base/metrics.h"
#include "core/io/offload_pool.h"
#include "core/io/timer.h"
#include "storage/engine/deletion.h"
#include "storage/engine/partition.h"

namespace poplar::storage {

struct alignas(base::kCacheLineBytes) ExpiryMetrics {
  base::Counter passes;
  base::Counter expired;
  base::Counter purged;
  base::Counter failures;

  void Register(base::MetricRegistry& registry, const base::MetricLabels& labels) const;
};

struct ExpiryOptions {
  uint32_t partition = 0;                 // For the log.
  const PolicyBoard* policies = nullptr;  // Null: nothing expires.
  uint64_t interval_ms = 0;               // How often it looks at the date.
  uint64_t segment_bytes = 0;             // Of the log: a deletion must fit well.
};

class Expirer final : private MaildropWaiter {
 public:
  Expirer(Partition& partition, const ExpiryOptions& options, io::Reactor& reactor,
          io::OffloadPool& disk);
  ~Expirer() override;

  // Begins a pass if one is due. For the tick.
  void OnTick();
  void BeginClose() { closing_ = true; }
  bool idle() const { return step_ == Step::kIdle; }
  const ExpiryMetrics& metrics() const { return metrics_; }

 private:
  class ScanJob;
  enum class Step : uint8_t { kIdle, kScanning, kResting, kDeleting };

  void Scan();
  void OnScanned();
  void EndPass();
  void NextList();
  void MaildropReady(MaildropState* list, const Status& why) override;
  void Delete(MaildropState* kept, std::vector<MessageId> ids);
  void OnDeleted();
  // Of a list, or where that is not known, of them all.
  void Failed(const MaildropState* list, const std::string& why);
  void EndLease();
  // Whether any policy, or anything that is kept, asks for a pass.
  bool Needed() const;
  void Rest();
  void Stop();

  Partition& partition_;
  const uint32_t number_;
  const PolicyBoard* const policies_;
  const uint64_t interval_us_;
  const size_t piece_messages_max_;  // Of one deletion.
  io::Reactor& reactor_;
  io::OffloadPool& disk_;
  ExpiryMetrics metrics_;

  Step step_ = Step::kIdle;
  bool closing_ = false;
  uint64_t next_look_us_;
  std::optional<uint16_t> done_day_;  // Of the last whole pass,
  uint64_t done_generation_ = 0;      // and of the policies then.
  uint16_t today_ = 0;
  uint64_t generation_;
  bool whole_ = true;          // Nothing had to be left for another time.
  bool failure_told_ = false;  // In this pass; further ones are counted only.
  std::unique_ptr<ScanJob> scan_;
  size_t next_key_ = 0;
  bool index_scanned_ = false;     // In this pass, if only in part.
  MaildropState* list_ = nullptr;  // Of which messages go; pinned,
  std::shared_ptr<Lease> lease_;   // and held as a session would.
  std::vector<MessageId> ids_;     // To be kept, while the list of that is read.
  bool piece_full_ = false;        // There may be more to delete in this list.
  Deletion deletion_{this, [](void* self) { static_cast<Expirer*>(self)->OnDeleted(); }};
  io::TimerFor<&Expirer::NextList> rest_;
};

}  // namespace poplar::storage
