// Applies what recovery reads from the log to a partition's maildrops. Blocking.

#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "absl/functional/function_ref.h"
#include "core/base/status.h"
#include "storage/index/index.h"
#include "storage/index/maildrop_table.h"
#include "storage/segment/walker.h"

namespace poplar::storage {

class Replayer final : public LogVisitor {
 public:
  // `rebuilding`: the index is empty and all segments will come.
  Replayer(Index& index, MaildropTable& table, bool rebuilding)
      : index_(index), table_(table), rebuilding_(rebuilding) {}

  void OnRecord(const Record& record, Lsn at) override;
  void OnDamage(const Damage& damage) override;

  void set_partition(uint32_t partition) { partition_ = partition; }
  // The first thing that went wrong with the index; then nothing more is applied.
  const Status& status() const { return status_; }
  uint64_t next_id() const { return next_id_; }
  uint64_t records() const { return records_; }
  uint64_t damages() const { return damages_; }

 private:
  // The list that the record is about, or with `kept` that of the maildrop's kept mail. Null when
  // the index failed.
  MaildropState* Loaded(const Record& record, bool kept);
  void Add(const Record& record, Lsn at);
  void Restored(const Record& record);
  // `ids` ascend; `stood_at` says where the one of an index stood at last.
  void EndKeeping(const Record& record, std::span<const MessageId> ids,
                  absl::FunctionRef<Lsn(size_t)> stood_at);
  void NoteMoved(const MaildropState& list, MessageId id, Lsn stood_at);
  void Expunge(const Record& record);
  void Keep(const Record& record, std::vector<MessageId> ids);
  void Remove(const Record& record);
  void RemoveFrom(MaildropState& maildrop, MessageId id);
  void Move(const Record& record, Lsn at);
  void MarkRead(const Record& record);
  bool WasDeleted(const Record& record) const;

  Index& index_;
  MaildropTable& table_;
  const bool rebuilding_;
  uint32_t partition_ = 0;
  Status status_;
  uint64_t next_id_ = 0;
  bool in_order_ = true;  // The record has a greater id than all before it.
  uint64_t records_ = 0;
  uint64_t damages_ = 0;
  // While rebuilding: what is gone for good, for MOVE records whose ADD is gone and for deletions
  // that were carried forward behind others.
  std::unordered_set<uint64_t> expunged_;
  std::unordered_map<std::string, MessageId> removed_;
};

}  // namespace poplar::storage
