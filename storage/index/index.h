// A partition's index: maildrop lists and totals in LMDB, changed by one transaction a checkpoint
// (FORMAT.md section 7). Every method blocks; any thread, one Write at a time.

#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "core/base/status.h"
#include "storage/format/index_format.h"
#include "storage/index/index_store.h"
#include "storage/index/message_list.h"

namespace poplar::storage {

// What one checkpoint does to one maildrop, in this order.
struct MaildropChange {
  std::string key;      // Encoded.
  bool wipe = false;    // Everything that the index holds of it goes.
  ListChanges changes;  // With totals: of a list that was in memory.
  std::optional<IndexTotals> totals;
  Chunk appended;  // Of a list that was not: any number of entries, for its end.
};

struct Checkpoint {
  std::optional<IndexMeta> meta;  // None: not complete yet.
  std::vector<MaildropChange> maildrops;
  std::map<uint32_t, SegmentStats> segments;  // As they are now.
  std::vector<uint32_t> segments_gone;
  std::map<TenantId, TenantTotals> tenants;  // Of those that changed, as they are now.
  std::map<MessageId, BlobId> blobs;         // New ones; BlobId 0: gone.
};

// What an index holds altogether.
struct IndexSums {
  uint64_t maildrops = 0;  // With a message now.
  uint64_t messages = 0;
  uint64_t octets = 0;
  uint64_t wire_bytes = 0;
  uint64_t kept_messages = 0;  // Deleted, and kept; in none of the above.
  uint64_t kept_octets = 0;
  uint64_t blobs = 0;
  uint64_t file_bytes = 0;  // Of the index itself.
};

struct AgedKeys {
  std::vector<std::string> keys;  // Encoded, in order.
  uint64_t damages = 0;           // What was met on the way to the last of them, and left out.
  bool more = false;              // Lists may stand behind it.
};

class Index {
 public:
  // kDataLoss: what lies there is unsound, and shall be set aside and rebuilt. kFailedPrecondition:
  // of a version that this build does not know.
  static StatusOr<std::unique_ptr<Index>> Open(const IndexOptions& options);
  // For tools: changes no file, not even LMDB's lock. REQUIRES: nobody writes meanwhile (the
  // store's lock says so). kNotFound: nothing was ever written to it. Else as Open.
  static StatusOr<std::unique_ptr<Index>> OpenToRead(const IndexOptions& options);

  // Nothing: it is new, or of a version that is made anew instead of read.
  StatusOr<std::optional<IndexMeta>> ReadMeta();
  // An empty list where the index knows nothing. kDataLoss: this maildrop's is unsound, and so is
  // the index from here on.
  StatusOr<std::shared_ptr<MessageList>> Load(const std::string& key);
  // What the list of `key` holds, without reading it. Errors as Load; damage of the list itself is
  // not seen.
  StatusOr<IndexTotals> LoadTotals(const std::string& key);
  // The encoded keys of all lists that it knows, of kept mail too.
  StatusOr<std::vector<std::string>> ReadMaildropKeys();
  // Lists behind `after`, at most `keys_max`, with a message that `aged` says is old enough to be
  // looked at, going by the list's oldest. Damage costs no more than the lists that it hit.
  using Aged = absl::FunctionRef<bool(std::string_view key, uint16_t oldest_day)>;
  StatusOr<AgedKeys> ReadAgedKeys(std::string_view after, size_t keys_max, Aged aged);
  // Sums over all of them, without looking at a message.
  StatusOr<IndexSums> ReadSums();
  StatusOr<std::map<uint32_t, SegmentStats>> ReadSegments();
  StatusOr<std::map<TenantId, TenantTotals>> ReadTenants();
  StatusOr<std::map<MessageId, BlobId>> ReadBlobs();
  // The blobs of messages with ids from `first` on; others are not read, but for one beside them:
  // none of those that are wanted is left out for a key that was damaged.
  Status VisitBlobs(MessageId first, absl::FunctionRef<void(BlobId blob)> visit);
  // Compares the totals of all lists with what is known of tenants, and checks them; `read_bytes`
  // grows by what it looked at. kDataLoss: a list is damaged or missing, and so is the index from
  // here on.
  Status Check(uint64_t& read_bytes);
  // Whole or not at all, durably. What is unsound is left as it is.
  Status Write(const Checkpoint& checkpoint);
  // Damage was met. The index serves all others, but no checkpoint says any more
  // that it is complete, so the next start builds it anew.
  bool unsound() const { return unsound_.load(std::memory_order_relaxed) || store_.lost(); }
  // Times that a failed write of it was mended by opening it again.
  uint64_t reopenings() const { return store_.reopenings(); }

 private:
  friend class IndexCopy;

  explicit Index(const IndexOptions& options);
  Status CheckReopened(KeyValueTransaction& transaction) const;
  static Status CompareTotals(KeyValueTransaction& transaction, uint64_t& read_bytes);
  Status CheckAbsent(KeyValueTransaction& transaction, const std::string& key);
  Status WriteSums(KeyValueTransaction& transaction, const Checkpoint& checkpoint);
  Status Wipe(KeyValueTransaction& transaction, const std::string& key);
  StatusOr<std::optional<IndexTotals>> ReadTotals(KeyValueTransaction& transaction,
                                                  const std::string& key);
  StatusOr<std::shared_ptr<MessageList>> Read(KeyValueTransaction& transaction,
                                              const std::string& key);
  Status WriteMaildrop(KeyValueTransaction& transaction, const MaildropChange& change);
  StatusOr<std::pair<uint32_t, Chunk>> ReadLastChunk(KeyValueTransaction& transaction,
                                                     const std::string& key,
                                                     const IndexTotals& totals);
  Status Append(KeyValueTransaction& transaction, const std::string& key, const Chunk& appended);
  // `key`: of the list that is damaged; empty: it is not known whose.
  void Found(const Status& damage, const std::string& key);

  IndexStore store_;
  std::atomic<bool> unsound_{false};
  std::atomic<uint64_t> checkpoint_{0};  // That its meta says, as far as is known; 0: no meta.
};

}  // namespace poplar::storage
