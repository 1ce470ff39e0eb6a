// What a partition knows of its maildrops in memory: the changes since the last checkpoint, and the
// lists of those used lately. Records are applied here once they are durable. No I/O: lists are
// loaded and checkpoints written by whoever calls.
//
// A maildrop is *loaded* (its whole list is here) or not (only what arrived since the last
// checkpoint is). Only a loaded one can be read or have messages deleted. One that is not loaded
// may be *counted*: what it holds is known without its list.
//
// Belongs to its partition's shard; during start-up to the thread that recovers.

#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "storage/format/segment_format.h"
#include "storage/index/index.h"
#include "storage/index/tenant_ledger.h"

namespace poplar::storage {

// A session's hold on a maildrop, or what all that only read share, which holds nothing and only
// tells them of its end. `lost` is read by the holders' shards.
struct Lease {
  LeaseHolder holder;
  std::atomic<bool> lost{false};
};

struct MaildropState {
  explicit MaildropState(std::string encoded) : key(std::move(encoded)) {}

  const std::string key;              // Encoded.
  std::shared_ptr<MessageList> list;  // Null: not loaded.
  std::shared_ptr<Lease> lease;       // Null: free.
  std::weak_ptr<Lease> readers;       // Expired: nobody only reads.
  uint32_t pins = 0;                  // Others hold a pointer to this state.
  // Records of it that are on their way into the log: never both (FORMAT.md section 4).
  uint32_t moves = 0;      // MOVE.
  uint32_t deletions = 0;  // EXPUNGE and REMOVE.
  // Of a list of kept mail: the ADD that brings one back is on its way. REMOVE waits for it.
  bool restoring = false;
  // Deliveries that were found within the quota and are on their way into the log.
  uint64_t arriving_messages = 0;
  uint64_t arriving_octets = 0;

  bool counted() const { return list != nullptr || held.has_value(); }
  // REQUIRES for these: counted.
  uint64_t messages() const { return list != nullptr ? list->count() : held->messages; }
  uint64_t octets() const { return list != nullptr ? list->octets() : held->octets; }
  // Whether one more message is within `quota`.
  bool Allows(const Quota& quota, uint64_t more_octets) const {
    return quota.Allows(octets() + arriving_octets + more_octets,
                        messages() + arriving_messages + 1);
  }

 private:
  friend class MaildropTable;

  struct Held {
    uint64_t messages = 0;
    uint64_t octets = 0;
  };

  std::optional<Held> held;  // Counted without its list.
  bool list_shared = false;  // A snapshot of `list` was handed out: copy before a change.
  bool wipe = false;         // The index's entries are to go first.
  bool dirty = false;        // Has changes for the next checkpoint.
  bool flushing = false;     // Is part of the checkpoint under way.
  Chunk tail;                // Not loaded: arrived since the last checkpoint began.
  Chunk in_checkpoint;       // Not loaded: part of it, or written while the list was loading.
  size_t charged_bytes = 0;
  MaildropState* newer = nullptr;
  MaildropState* older = nullptr;
};

class MaildropTable {
 public:
  explicit MaildropTable(uint64_t cache_bytes_max) : cache_bytes_max_(cache_bytes_max) {}
  ~MaildropTable();
  MaildropTable(const MaildropTable&) = delete;
  MaildropTable& operator=(const MaildropTable&) = delete;

  // --- Looking. Pointers end when the maildrop is evicted: pin what is kept.
  MaildropState* Find(std::string_view key);
  MaildropState& FindOrMake(std::string_view key);
  // REQUIRES: loaded. The list as it is now, for ever.
  std::shared_ptr<const MessageList> Snapshot(MaildropState& maildrop);
  // What the index had, when it was read after the state was made and pinned.
  void InstallList(MaildropState& maildrop, std::shared_ptr<MessageList> from_index);
  // The same for what the list holds: from now on it is counted.
  void InstallTotals(MaildropState& maildrop, const IndexTotals& from_index);

  // --- Changing.
  // `reserved`: the ledger counts it already.
  void Add(MaildropState& maildrop, const MessageEntry& entry, std::string_view text,
           bool reserved = false);
  // REQUIRES for the others: loaded. Ids ascend.
  void Expunge(MaildropState& maildrop, std::span<const MessageId> ids);
  // Deletes them from the maildrop's list and adds them to that of its kept mail.
  void Keep(MaildropState& maildrop, MaildropState& kept, std::span<const MessageId> ids,
            const KeptInfo& info);
  // Where the list of kept mail is damaged: it is counted as kept, and stands in no list.
  void KeepUnlisted(MaildropState& maildrop, std::span<const MessageId> ids);
  void MarkRead(MaildropState& maildrop, std::span<const MessageId> ids, uint16_t day);
  // Everything with a smaller id ends; so does the lease.
  void Remove(MaildropState& maildrop, MessageId id);
  // Where the message does not stand at `from`, only notes that a copy of it did.
  void Move(MaildropState& maildrop, MessageId id, Lsn from, Lsn to);
  void Insert(MaildropState& maildrop, const MessageEntry& entry, std::string_view text);

  void AddSegment(uint32_t number, const SegmentStats& stats);
  void SetSegmentEnd(uint32_t number, uint32_t end);
  void SetSegmentBytes(uint32_t number, uint64_t bytes);
  void NoteMovedOut(uint32_t number);
  void RemoveSegment(uint32_t number);
  const std::map<uint32_t, SegmentStats>& segments() const { return segments_; }
  // Forgets live counts, to count anew by Add.
  void LoadSegments(std::map<uint32_t, SegmentStats> segments) { segments_ = std::move(segments); }

  // Of the maildrops of this table.
  void LoadTenants(std::map<TenantId, TenantTotals> tenants) { tenants_ = std::move(tenants); }
  const std::map<TenantId, TenantTotals>& tenants() const { return tenants_; }
  bool HasKept(TenantId tenant) const;
  // From now on `ledger` follows; it outlives this.
  void AttachLedger(TenantLedger& ledger);

  // --- Checkpoints, one at a time. Without `meta`, which is the caller's.
  Checkpoint TakeCheckpoint();
  void FinishCheckpoint(const Checkpoint& checkpoint, bool written);
  uint64_t changes() const { return changes_; }  // Since the last TakeCheckpoint.
  size_t changed_maildrops() const { return dirty_.size(); }
  // Whose lists the next checkpoint will write.
  std::vector<std::string> ChangedKeys() const;

  // Blobs of deleted messages, to be unlinked.
  std::vector<BlobId> TakeDoomedBlobs() { return std::exchange(doomed_blobs_, {}); }
  bool has_doomed_blobs() const { return !doomed_blobs_.empty(); }

  // It was used: others are freed before it. REQUIRES: counted.
  void Use(MaildropState& maildrop);
  // Frees lists that were not used lately until the cache holds its budget.
  void Evict();
  // Frees `maildrop` if nothing needs it in memory.
  void Unpin(MaildropState& maildrop);
  uint64_t cached_bytes() const { return cached_bytes_; }
  size_t size() const { return maildrops_.size(); }

 private:
  struct Hash {
    using is_transparent = void;
    size_t operator()(std::string_view key) const;
  };
  struct Equal {
    using is_transparent = void;
    bool operator()(std::string_view a, std::string_view b) const { return a == b; }
  };

  MessageList& Change(MaildropState& maildrop);
  void MarkDirty(MaildropState& maildrop);
  void Drop(MaildropState& maildrop, std::span<const MessageEntry> gone);
  void CountLive(const MaildropState& maildrop, const MessageEntry& entry, bool added);
  // All of them, in the totals of the tenant whose list stands under `key`.
  void CountTenant(std::string_view key, std::span<const MessageEntry> entries, bool added,
                   bool reserved = false);
  void Charge(MaildropState& maildrop);
  void Unlink(MaildropState& maildrop);
  // Nobody needs it, and nothing of it is worth remembering.
  bool Forgettable(const MaildropState& maildrop) const;
  bool Idle(const MaildropState& maildrop) const;
  void Forget(MaildropState& maildrop);

  absl::flat_hash_map<std::string_view, std::unique_ptr<MaildropState>, Hash, Equal> maildrops_;
  std::vector<MaildropState*> dirty_;
  std::map<uint32_t, SegmentStats> segments_;
  std::vector<uint32_t> segments_gone_;
  std::map<TenantId, TenantTotals> tenants_;
  std::set<TenantId> tenants_changed_;
  TenantLedger* ledger_ = nullptr;
  std::map<MessageId, BlobId> blob_changes_;
  std::vector<BlobId> doomed_blobs_;
  MaildropState* newest_ = nullptr;
  MaildropState* oldest_ = nullptr;
  const uint64_t cache_bytes_max_;
  uint64_t cached_bytes_ = 0;
  uint64_t changes_ = 0;
};

// The entry for a message whose record stands at `at`.
MessageEntry EntryOf(const Record& record, Lsn at);

// Octets of the record of a message in the log.
uint64_t RecordBytes(std::string_view encoded_key, const MessageEntry& entry);

}  // namespace poplar::storage
