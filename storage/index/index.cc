#include "storage/index/index.h"

#include <algorithm>
#include <tuple>

#include "core/base/log.h"
#include "storage/format/bytes.h"

namespace poplar::storage {
namespace {

constexpr std::string_view kMetaKey = "meta";
// From here on it is worth finding out where the chunks lie before the first is read.
constexpr uint32_t kExpectChunksMin = 8;

std::string ChunkKey(const std::string& maildrop, uint32_t number) {
  std::string key = maildrop;
  AppendBe32(key, number);
  return key;
}

std::string SegmentKey(uint32_t number) {
  std::string key;
  AppendBe32(key, number);
  return key;
}

std::string NumberKey(uint64_t number) {
  std::string key;
  AppendBe64(key, number);
  return key;
}

Status PutChunk(KeyValueTransaction& transaction, const std::string& maildrop, uint32_t number,
                const Chunk& chunk) {
  const std::string key = ChunkKey(maildrop, number);
  return transaction.Put(Database::kChunks, key, EncodeChunk(key, chunk));
}

// None: it is new, or of a version that is made anew.
StatusOr<std::optional<IndexMeta>> MetaIn(KeyValueTransaction& transaction) {
  const StatusOr<std::string_view> value = transaction.Get(Database::kMeta, kMetaKey);
  if (value.status().code() == StatusCode::kNotFound) return std::optional<IndexMeta>();
  if (!value.ok()) return value.status();
  const StatusOr<IndexMeta> meta = DecodeIndexMeta(*value);
  if (meta.status().code() == StatusCode::kNotFound) return std::optional<IndexMeta>();
  if (!meta.ok()) return meta.status();
  return std::optional<IndexMeta>(*meta);
}

// All of a database whose keys are numbers.
template <class Map, class Value = typename Map::mapped_type>
StatusOr<Map> ReadNumbered(IndexStore& store, Database database,
                           StatusOr<Value> (*decode)(std::string_view key,
                                                     std::string_view bytes)) {
  using Key = typename Map::key_type;
  POP_ASSIGN_OR_RETURN(const auto transaction, store.Begin(KeyValueStore::Access::kRead));
  Map map;
  POP_RETURN_IF_ERROR(transaction->ForEach(
      database, {}, [&](std::string_view key, std::string_view bytes) -> Status {
        if (key.size() != sizeof(Key)) {
          return MakeStatus(StatusCode::kDataLoss, "index: the key of a number is not sound");
        }
        const Key number(sizeof(Key) == sizeof(uint32_t) ? LoadBe32(key.data())
                                                         : LoadBe64(key.data()));
        POP_ASSIGN_OR_RETURN(map[number], decode(key, bytes));
        return OkStatus();
      }));
  return map;
}

}  // namespace

Index::Index(const IndexOptions& options)
    : store_(options,
             [this](KeyValueTransaction& transaction) { return CheckReopened(transaction); }) {}

StatusOr<std::unique_ptr<Index>> Index::Open(const IndexOptions& options) {
  std::unique_ptr<Index> index(new Index(options));
  POP_RETURN_IF_ERROR(index->store_.Open());
  return index;
}

StatusOr<std::unique_ptr<Index>> Index::OpenToRead(const IndexOptions& options) {
  std::unique_ptr<Index> index(new Index(options));
  POP_RETURN_IF_ERROR(index->store_.OpenToRead());
  return index;
}

StatusOr<std::optional<IndexMeta>> Index::ReadMeta() {
  POP_ASSIGN_OR_RETURN(const auto transaction, store_.Begin(KeyValueStore::Access::kRead));
  POP_ASSIGN_OR_RETURN(const std::optional<IndexMeta> meta, MetaIn(*transaction));
  checkpoint_ = meta.has_value() ? meta->checkpoint.value() : 0;
  return meta;
}

// One that began anew, or went back, would hide mail.
Status Index::CheckReopened(KeyValueTransaction& transaction) const {
  POP_ASSIGN_OR_RETURN(const std::optional<IndexMeta> meta, MetaIn(transaction));
  if ((meta.has_value() ? meta->checkpoint.value() : 0) >= checkpoint_) return OkStatus();
  return MakeStatus(StatusCode::kDataLoss, "the index does not hold its last checkpoint any more");
}

void Index::Found(const Status& damage, const std::string& key) {
  if (unsound_.exchange(true, std::memory_order_relaxed)) return;
  const MaildropKey maildrop = key.empty() ? MaildropKey() : DecodeMaildropKey(key);
  base::Log(base::LogLevel::kError, "store_index_unsound",
            {{"tenant", maildrop.tenant.value()},
             {"account", maildrop.account},
             {"why", damage.ToString()}});
}

StatusOr<std::shared_ptr<MessageList>> Index::Load(const std::string& key) {
  POP_ASSIGN_OR_RETURN(const auto transaction, store_.Begin(KeyValueStore::Access::kRead));
  StatusOr<std::shared_ptr<MessageList>> list = Read(*transaction, key);
  if (list.status().code() == StatusCode::kDataLoss) Found(list.status(), key);
  return list;
}

StatusOr<IndexTotals> Index::LoadTotals(const std::string& key) {
  POP_ASSIGN_OR_RETURN(const auto transaction, store_.Begin(KeyValueStore::Access::kRead));
  const StatusOr<std::optional<IndexTotals>> totals = ReadTotals(*transaction, key);
  if (totals.status().code() == StatusCode::kDataLoss) Found(totals.status(), key);
  if (!totals.ok()) return totals.status();
  return totals->value_or(IndexTotals());
}

// A key that was damaged stands between the same two as before, or they are out of order; so where
// nothing is found, a value beside that place may be the one that is missed: it tells by its
// checksum.
Status Index::CheckAbsent(KeyValueTransaction& transaction, const std::string& key) {
  const auto before = transaction.LastBefore(Database::kMaildrops, key);
  const auto behind = transaction.FirstFrom(Database::kMaildrops, key);
  for (const auto* beside : {&before, &behind}) {
    if (beside->status().code() == StatusCode::kNotFound) continue;
    if (!beside->ok()) return beside->status();
    const auto& [found, value] = **beside;
    const bool in_order = beside == &before ? found < key : found > key;
    if (!in_order) return MakeStatus(StatusCode::kDataLoss, "index: keys out of order");
    if (DecodeIndexTotals(key, value).ok()) {
      return MakeStatus(StatusCode::kDataLoss, "index totals: under another key");
    }
  }
  return OkStatus();
}

// Nothing: the index does not know the list.
StatusOr<std::optional<IndexTotals>> Index::ReadTotals(KeyValueTransaction& transaction,
                                                       const std::string& key) {
  const StatusOr<std::string_view> value = transaction.Get(Database::kMaildrops, key);
  if (value.status().code() == StatusCode::kNotFound) {
    POP_RETURN_IF_ERROR(CheckAbsent(transaction, key));
    return std::optional<IndexTotals>();
  }
  if (!value.ok()) return value.status();
  POP_ASSIGN_OR_RETURN(const IndexTotals totals, DecodeIndexTotals(key, *value));
  return std::optional(totals);
}

StatusOr<std::shared_ptr<MessageList>> Index::Read(KeyValueTransaction& transaction,
                                                   const std::string& key) {
  POP_ASSIGN_OR_RETURN(const std::optional<IndexTotals> found, ReadTotals(transaction, key));
  if (!found.has_value()) return std::make_shared<MessageList>();
  const IndexTotals& totals = *found;
  if (totals.chunks >= kExpectChunksMin) transaction.Expect(Database::kChunks, key);
  std::vector<NumberedChunk> chunks;
  MessageId before{0};
  POP_RETURN_IF_ERROR(transaction.ForEach(
      Database::kChunks, key, [&](std::string_view number, std::string_view bytes) -> Status {
        POP_ASSIGN_OR_RETURN(Chunk chunk, DecodeChunk(key + std::string(number), bytes));
        if (number.size() != sizeof(uint32_t) || chunk.entries.front().id <= before) {
          return MakeStatus(StatusCode::kDataLoss, "index chunk: out of order");
        }
        before = chunk.entries.back().id;
        chunks.emplace_back(LoadBe32(number.data()),
                            std::make_shared<const Chunk>(std::move(chunk)));
        return OkStatus();
      }));
  auto list = std::make_shared<MessageList>(totals.last_id, chunks);
  if (list->totals() != totals) {
    return MakeStatus(StatusCode::kDataLoss, "index totals: not those of the chunks");
  }
  return list;
}

StatusOr<std::map<uint32_t, SegmentStats>> Index::ReadSegments() {
  return ReadNumbered<std::map<uint32_t, SegmentStats>>(store_, Database::kSegments,
                                                        DecodeSegmentStats);
}

StatusOr<std::map<TenantId, TenantTotals>> Index::ReadTenants() {
  return ReadNumbered<std::map<TenantId, TenantTotals>>(store_, Database::kTenants,
                                                        DecodeTenantTotals);
}

StatusOr<std::map<MessageId, BlobId>> Index::ReadBlobs() {
  return ReadNumbered<std::map<MessageId, BlobId>>(store_, Database::kBlobs, DecodeIndexBlob);
}

// A key that was damaged stands where it stood. So where the pair in front of the first is sound,
// and below it, all that are not visited were below it; and of those that are, each is checked.
Status Index::VisitBlobs(MessageId first, absl::FunctionRef<void(BlobId blob)> visit) {
  POP_ASSIGN_OR_RETURN(const auto transaction, store_.Begin(KeyValueStore::Access::kRead));
  const std::string first_key = NumberKey(first.value());
  const auto before = transaction->LastBefore(Database::kBlobs, first_key);
  if (before.ok()) {
    POP_RETURN_IF_ERROR(DecodeIndexBlob(before->first, before->second).status());
    if (before->first >= first_key) {
      return MakeStatus(StatusCode::kDataLoss, "index: keys out of order");
    }
  } else if (before.status().code() != StatusCode::kNotFound) {
    return before.status();
  }
  return transaction->ForEachFrom(
      Database::kBlobs, first_key, [&](std::string_view key, std::string_view bytes) -> Status {
        POP_ASSIGN_OR_RETURN(const BlobId blob, DecodeIndexBlob(key, bytes));
        visit(blob);
        return OkStatus();
      });
}

Status Index::Wipe(KeyValueTransaction& transaction, const std::string& key) {
  std::vector<std::string> keys;
  POP_RETURN_IF_ERROR(
      transaction.ForEach(Database::kChunks, key, [&](std::string_view number, std::string_view) {
        keys.push_back(key + std::string(number));
        return OkStatus();
      }));
  for (const std::string& each : keys) {
    POP_RETURN_IF_ERROR(transaction.Delete(Database::kChunks, each));
  }
  return transaction.Delete(Database::kMaildrops, key);
}

// Its number, and what stands there. It is the one before what would stand behind all of them.
// Where no chunk was dropped their count says its number, and one look tells that it does.
StatusOr<std::pair<uint32_t, Chunk>> Index::ReadLastChunk(KeyValueTransaction& transaction,
                                                          const std::string& key,
                                                          const IndexTotals& totals) {
  const std::string likely_key = ChunkKey(key, totals.chunks - 1);
  if (const auto likely = transaction.Get(Database::kChunks, likely_key); likely.ok()) {
    POP_ASSIGN_OR_RETURN(Chunk chunk, DecodeChunk(likely_key, *likely));
    // Ids ascend.
    if (chunk.entries.back().id == totals.last_id) {
      return std::pair(totals.chunks - 1, std::move(chunk));
    }
  }
  const auto found = transaction.LastBefore(Database::kChunks, ChunkKey(key, UINT32_MAX));
  if (!found.ok() && found.status().code() != StatusCode::kNotFound) return found.status();
  const auto [last_key, bytes] = found.value_or(std::pair<std::string_view, std::string_view>());
  if (last_key.size() != key.size() + sizeof(uint32_t) || !last_key.starts_with(key)) {
    return MakeStatus(StatusCode::kDataLoss, "index totals: not those of the chunks");
  }
  POP_ASSIGN_OR_RETURN(Chunk chunk, DecodeChunk(last_key, bytes));
  return std::pair(LoadBe32(last_key.data() + key.size()), std::move(chunk));
}

Status Index::Append(KeyValueTransaction& transaction, const std::string& key,
                     const Chunk& appended) {
  POP_ASSIGN_OR_RETURN(const std::optional<IndexTotals> known, ReadTotals(transaction, key));
  IndexTotals totals = known.value_or(IndexTotals());
  uint32_t number = 0;
  Chunk last;
  if (totals.chunks > 0) {
    POP_ASSIGN_OR_RETURN(std::tie(number, last), ReadLastChunk(transaction, key, totals));
  }
  totals.chunks = std::max(totals.chunks, 1U);
  size_t text_at = 0;
  for (const MessageEntry& entry : appended.entries) {
    const std::string_view text =
        std::string_view(appended.texts).substr(text_at, entry.text_bytes());
    text_at += entry.text_bytes();
    // A commit may have reached the disk although it was told to have failed.
    if (entry.id <= totals.last_id) continue;
    if (!AppendToChunk(last, entry, text)) {
      POP_RETURN_IF_ERROR(PutChunk(transaction, key, number, last));
      last = Chunk{{entry}, std::string(text)};
      ++number;
      ++totals.chunks;
    }
    const uint16_t day = entry.age_day();
    totals.oldest_day = totals.messages == 0 ? day : std::min(totals.oldest_day, day);
    ++totals.messages;
    totals.octets += entry.octets;
    totals.wire_bytes += entry.wire_bytes;
    totals.last_id = std::max(totals.last_id, entry.id);
  }
  POP_RETURN_IF_ERROR(PutChunk(transaction, key, number, last));
  return transaction.Put(Database::kMaildrops, key, EncodeIndexTotals(key, totals));
}

Status Index::WriteMaildrop(KeyValueTransaction& transaction, const MaildropChange& change) {
  if (change.wipe) POP_RETURN_IF_ERROR(Wipe(transaction, change.key));
  if (!change.totals.has_value()) {
    return change.appended.entries.empty() ? OkStatus()
                                           : Append(transaction, change.key, change.appended);
  }
  for (const uint32_t number : change.changes.dropped) {
    POP_RETURN_IF_ERROR(transaction.Delete(Database::kChunks, ChunkKey(change.key, number)));
  }
  for (const auto& [number, chunk] : change.changes.put) {
    POP_RETURN_IF_ERROR(PutChunk(transaction, change.key, number, *chunk));
  }
  return transaction.Put(Database::kMaildrops, change.key,
                         EncodeIndexTotals(change.key, *change.totals));
}

Status Index::WriteSums(KeyValueTransaction& transaction, const Checkpoint& checkpoint) {
  for (const auto& [number, stats] : checkpoint.segments) {
    const std::string key = SegmentKey(number);
    POP_RETURN_IF_ERROR(transaction.Put(Database::kSegments, key, EncodeSegmentStats(key, stats)));
  }
  for (const uint32_t number : checkpoint.segments_gone) {
    POP_RETURN_IF_ERROR(transaction.Delete(Database::kSegments, SegmentKey(number)));
  }
  for (const auto& [tenant, totals] : checkpoint.tenants) {
    const std::string key = NumberKey(tenant.value());
    POP_RETURN_IF_ERROR(transaction.Put(Database::kTenants, key, EncodeTenantTotals(key, totals)));
  }
  for (const auto& [message, blob] : checkpoint.blobs) {
    const std::string key = NumberKey(message.value());
    POP_RETURN_IF_ERROR(blob == BlobId(0)
                            ? transaction.Delete(Database::kBlobs, key)
                            : transaction.Put(Database::kBlobs, key, EncodeIndexBlob(key, blob)));
  }
  return OkStatus();
}

Status Index::Write(const Checkpoint& checkpoint) {
  auto begun = store_.Begin(KeyValueStore::Access::kChange);
  if (begun.status().code() == StatusCode::kDataLoss) Found(begun.status(), "");
  POP_ASSIGN_OR_RETURN(const auto transaction, std::move(begun));
  // What it misses after damage stands in the log.
  const auto keep_on = [this](const Status& written, const std::string& key) {
    if (written.code() == StatusCode::kDataLoss) Found(written, key);
    return written.ok() || written.code() == StatusCode::kDataLoss;
  };
  // In the order of the keys neighbours share their pages.
  std::vector<const MaildropChange*> changes;
  changes.reserve(checkpoint.maildrops.size());
  for (const MaildropChange& change : checkpoint.maildrops) changes.push_back(&change);
  std::ranges::sort(changes, {}, &MaildropChange::key);
  for (const MaildropChange* change : changes) {
    const Status written = WriteMaildrop(*transaction, *change);
    if (!keep_on(written, change->key)) return written;
  }
  if (const Status written = WriteSums(*transaction, checkpoint); !keep_on(written, "")) {
    return written;
  }
  if (unsound()) {
    checkpoint_ = 0;
    POP_RETURN_IF_ERROR(transaction->Delete(Database::kMeta, kMetaKey));
    return transaction->Commit();
  }
  if (!checkpoint.meta.has_value()) return transaction->Commit();
  POP_RETURN_IF_ERROR(
      transaction->Put(Database::kMeta, kMetaKey, EncodeIndexMeta(*checkpoint.meta)));
  POP_RETURN_IF_ERROR(transaction->Commit());
  checkpoint_ = checkpoint.meta->checkpoint.value();
  return OkStatus();
}

}  // namespace poplar::storage
