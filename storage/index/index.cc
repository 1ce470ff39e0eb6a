#include "storage/index/index.h"

#include <lmdb.h>
#include <sys/stat.h>

#include <cerrno>

#include "storage/format/bytes.h"

namespace poplar::storage {
namespace {

constexpr mode_t kFileMode = 0600;
constexpr std::string_view kMetaKey = "meta";

Status LmdbStatus(int code, std::string_view what) {
  if (code > 0) return ErrnoStatus(code, what);
  const std::string message = std::string(what) + ": " + mdb_strerror(code);
  switch (code) {
    case MDB_NOTFOUND:
      return MakeStatus(StatusCode::kNotFound, message);
    case MDB_MAP_FULL:
      return MakeStatus(StatusCode::kResourceExhausted, message);
    case MDB_CORRUPTED:
    case MDB_PAGE_NOTFOUND:
    case MDB_INVALID:
    case MDB_VERSION_MISMATCH:
      return MakeStatus(StatusCode::kDataLoss, message);
    default:
      return MakeStatus(StatusCode::kUnavailable, message);
  }
}

#define RETURN_IF_LMDB_ERROR(call, what)                            \
  do {                                                              \
    if (const int code_ = (call)) return LmdbStatus(code_, (what)); \
  } while (false)

MDB_val ToVal(std::string_view bytes) { return {bytes.size(), const_cast<char*>(bytes.data())}; }
std::string_view ToView(const MDB_val& value) {
  return {static_cast<const char*>(value.mv_data), value.mv_size};
}

std::string ChunkKey(const std::string& maildrop, uint32_t number) {
  std::string key = maildrop;
  AppendBe32(key, number);
  return key;
}

// LMDB maps its file: pages that are not there would end the process.
Status CheckNotCutShort(MDB_env* env, const std::string& directory) {
  MDB_envinfo info;
  MDB_stat stat;
  RETURN_IF_LMDB_ERROR(mdb_env_info(env, &info), directory);
  RETURN_IF_LMDB_ERROR(mdb_env_stat(env, &stat), directory);
  struct stat file{};
  const std::string path = directory + "/data.mdb";
  if (::stat(path.c_str(), &file) != 0) return ErrnoStatus(errno, path);
  if (static_cast<uint64_t>(file.st_size) < (info.me_last_pgno + 1) * uint64_t{stat.ms_psize}) {
    return MakeStatus(StatusCode::kDataLoss, path + ": cut short");
  }
  return OkStatus();
}

}  // namespace

// A transaction that is given up unless it is committed.
class Index::Transaction {
 public:
  static StatusOr<std::unique_ptr<Transaction>> Begin(MDB_env* env, unsigned flags) {
    MDB_txn* txn = nullptr;
    RETURN_IF_LMDB_ERROR(mdb_txn_begin(env, nullptr, flags, &txn), "index transaction");
    return std::unique_ptr<Transaction>(new Transaction(txn));
  }
  ~Transaction() {
    if (txn_ != nullptr) mdb_txn_abort(txn_);
  }
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;

  MDB_txn* get() { return txn_; }

  // kNotFound where nothing is. The view ends with the transaction or the next change.
  StatusOr<std::string_view> Get(unsigned database, std::string_view key) {
    MDB_val k = ToVal(key), value;
    RETURN_IF_LMDB_ERROR(mdb_get(txn_, database, &k, &value), "index read");
    return ToView(value);
  }
  Status Put(unsigned database, std::string_view key, std::string_view bytes) {
    MDB_val k = ToVal(key), value = ToVal(bytes);
    RETURN_IF_LMDB_ERROR(mdb_put(txn_, database, &k, &value, 0), "index write");
    return OkStatus();
  }
  // What is not there is deleted already.
  Status Delete(unsigned database, std::string_view key) {
    MDB_val k = ToVal(key);
    const int code = mdb_del(txn_, database, &k, nullptr);
    return code == 0 || code == MDB_NOTFOUND ? OkStatus() : LmdbStatus(code, "index delete");
  }
  Status Commit() {
    RETURN_IF_LMDB_ERROR(mdb_txn_commit(std::exchange(txn_, nullptr)), "index commit");
    return OkStatus();
  }

  // Every pair whose key begins with `prefix`, in order: visit(key behind the prefix, value) gives
  // a Status.
  template <class Visit>
  Status ForEach(unsigned database, std::string_view prefix, const Visit& visit) {
    MDB_cursor* cursor = nullptr;
    RETURN_IF_LMDB_ERROR(mdb_cursor_open(txn_, database, &cursor), "index cursor");
    MDB_val key = ToVal(prefix), value;
    Status status;
    int code = mdb_cursor_get(cursor, &key, &value, prefix.empty() ? MDB_FIRST : MDB_SET_RANGE);
    for (; code == 0 && status.ok(); code = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) {
      const std::string_view found = ToView(key);
      if (found.substr(0, prefix.size()) != prefix) break;
      status = visit(found.substr(prefix.size()), ToView(value));
    }
    mdb_cursor_close(cursor);
    if (!status.ok()) return status;
    return code == 0 || code == MDB_NOTFOUND ? OkStatus() : LmdbStatus(code, "index cursor");
  }

 private:
  explicit Transaction(MDB_txn* txn) : txn_(txn) {}
  MDB_txn* txn_;
};

Index::~Index() { mdb_env_close(env_); }

StatusOr<std::unique_ptr<Index>> Index::Open(const IndexOptions& options) {
  MDB_env* env = nullptr;
  RETURN_IF_LMDB_ERROR(mdb_env_create(&env), options.directory);
  std::unique_ptr<Index> index(new Index(env));
  RETURN_IF_LMDB_ERROR(mdb_env_set_mapsize(env, options.map_bytes), options.directory);
  RETURN_IF_LMDB_ERROR(mdb_env_set_maxdbs(env, 8), options.directory);
  // NOTLS: a reader belongs to its transaction, not to its thread.
  RETURN_IF_LMDB_ERROR(
      mdb_env_open(env, options.directory.c_str(), MDB_NOTLS | MDB_NORDAHEAD, kFileMode),
      options.directory);
  POP_RETURN_IF_ERROR(CheckNotCutShort(env, options.directory));
  POP_RETURN_IF_ERROR(index->OpenDatabases());
  return index;
}

Status Index::OpenDatabases() {
  POP_ASSIGN_OR_RETURN(const auto transaction, Transaction::Begin(env_, 0));
  const std::pair<const char*, unsigned*> names[] = {{"meta", &databases_.meta},
                                                     {"maildrops", &databases_.maildrops},
                                                     {"chunks", &databases_.chunks},
                                                     {"segments", &databases_.segments},
                                                     {"blobs", &databases_.blobs}};
  for (const auto& [name, database] : names) {
    RETURN_IF_LMDB_ERROR(mdb_dbi_open(transaction->get(), name, MDB_CREATE, database), name);
  }
  return transaction->Commit();
}

StatusOr<std::optional<IndexMeta>> Index::ReadMeta() {
  POP_ASSIGN_OR_RETURN(const auto transaction, Transaction::Begin(env_, MDB_RDONLY));
  const StatusOr<std::string_view> value = transaction->Get(databases_.meta, kMetaKey);
  if (value.status().code() == StatusCode::kNotFound) return std::optional<IndexMeta>();
  if (!value.ok()) return value.status();
  POP_ASSIGN_OR_RETURN(const IndexMeta meta, DecodeIndexMeta(*value));
  return std::optional<IndexMeta>(meta);
}

StatusOr<std::shared_ptr<MessageList>> Index::Load(const std::string& key) {
  POP_ASSIGN_OR_RETURN(const auto transaction, Transaction::Begin(env_, MDB_RDONLY));
  const StatusOr<std::string_view> value = transaction->Get(databases_.maildrops, key);
  if (value.status().code() == StatusCode::kNotFound) return std::make_shared<MessageList>();
  if (!value.ok()) return value.status();
  POP_ASSIGN_OR_RETURN(const IndexTotals totals, DecodeIndexTotals(*value));
  std::vector<NumberedChunk> chunks;
  MessageId before{0};
  POP_RETURN_IF_ERROR(transaction->ForEach(
      databases_.chunks, key, [&](std::string_view number, std::string_view bytes) -> Status {
        POP_ASSIGN_OR_RETURN(Chunk chunk, DecodeChunk(bytes));
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

StatusOr<std::vector<std::string>> Index::ReadMaildropKeys() {
  POP_ASSIGN_OR_RETURN(const auto transaction, Transaction::Begin(env_, MDB_RDONLY));
  std::vector<std::string> keys;
  POP_RETURN_IF_ERROR(transaction->ForEach(databases_.maildrops, {},
                                           [&](std::string_view key, std::string_view /*totals*/) {
                                             keys.emplace_back(key);
                                             return OkStatus();
                                           }));
  return keys;
}

StatusOr<std::map<uint32_t, SegmentStats>> Index::ReadSegments() {
  POP_ASSIGN_OR_RETURN(const auto transaction, Transaction::Begin(env_, MDB_RDONLY));
  std::map<uint32_t, SegmentStats> segments;
  POP_RETURN_IF_ERROR(transaction->ForEach(
      databases_.segments, {}, [&](std::string_view key, std::string_view bytes) -> Status {
        if (key.size() != sizeof(uint32_t)) {
          return MakeStatus(StatusCode::kDataLoss, "index segment: not sound");
        }
        POP_ASSIGN_OR_RETURN(segments[LoadBe32(key.data())], DecodeSegmentStats(bytes));
        return OkStatus();
      }));
  return segments;
}

StatusOr<std::map<MessageId, BlobId>> Index::ReadBlobs() {
  POP_ASSIGN_OR_RETURN(const auto transaction, Transaction::Begin(env_, MDB_RDONLY));
  std::map<MessageId, BlobId> blobs;
  POP_RETURN_IF_ERROR(transaction->ForEach(
      databases_.blobs, {}, [&](std::string_view key, std::string_view bytes) -> Status {
        if (key.size() != sizeof(uint64_t) || bytes.size() != sizeof(uint64_t)) {
          return MakeStatus(StatusCode::kDataLoss, "index blob: not sound");
        }
        blobs[MessageId(LoadBe64(key.data()))] = BlobId(LoadLe<uint64_t>(bytes.data()));
        return OkStatus();
      }));
  return blobs;
}

Status Index::Wipe(Transaction& transaction, const std::string& key) {
  std::vector<std::string> keys;
  POP_RETURN_IF_ERROR(
      transaction.ForEach(databases_.chunks, key, [&](std::string_view number, std::string_view) {
        keys.push_back(key + std::string(number));
        return OkStatus();
      }));
  for (const std::string& each : keys) {
    POP_RETURN_IF_ERROR(transaction.Delete(databases_.chunks, each));
  }
  return transaction.Delete(databases_.maildrops, key);
}

Status Index::Append(Transaction& transaction, const std::string& key, const Chunk& appended) {
  IndexTotals totals;
  const StatusOr<std::string_view> known = transaction.Get(databases_.maildrops, key);
  if (known.ok()) {
    POP_ASSIGN_OR_RETURN(totals, DecodeIndexTotals(*known));
  } else if (known.status().code() != StatusCode::kNotFound) {
    return known.status();
  }
  // The last chunk: the one before what would stand behind all of them.
  uint32_t number = 0;
  Chunk last;
  if (totals.chunks > 0) {
    MDB_cursor* cursor = nullptr;
    RETURN_IF_LMDB_ERROR(mdb_cursor_open(transaction.get(), databases_.chunks, &cursor),
                         "index cursor");
    const std::string behind = ChunkKey(key, UINT32_MAX);
    MDB_val k = ToVal(behind), value;
    int code = mdb_cursor_get(cursor, &k, &value, MDB_SET_RANGE);
    code = code == MDB_NOTFOUND ? mdb_cursor_get(cursor, &k, &value, MDB_LAST)
                                : mdb_cursor_get(cursor, &k, &value, MDB_PREV);
    const std::string found(code == 0 ? ToView(k) : std::string_view());
    const std::string bytes(code == 0 ? ToView(value) : std::string_view());
    mdb_cursor_close(cursor);
    if (found.size() != key.size() + sizeof(uint32_t) || found.compare(0, key.size(), key) != 0) {
      return MakeStatus(StatusCode::kDataLoss, "index totals: not those of the chunks");
    }
    number = LoadBe32(found.data() + key.size());
    POP_ASSIGN_OR_RETURN(last, DecodeChunk(bytes));
  }
  totals.chunks = std::max(totals.chunks, 1U);
  size_t uidl_at = 0;
  for (const MessageEntry& entry : appended.entries) {
    const std::string_view uidl =
        std::string_view(appended.uidls).substr(uidl_at, entry.uidl_bytes);
    uidl_at += entry.uidl_bytes;
    // A commit may have reached the disk although it was told to have failed.
    if (entry.id <= totals.last_id) continue;
    if (!AppendToChunk(last, entry, uidl)) {
      POP_RETURN_IF_ERROR(
          transaction.Put(databases_.chunks, ChunkKey(key, number), EncodeChunk(last)));
      last = Chunk{{entry}, std::string(uidl)};
      ++number;
      ++totals.chunks;
    }
    ++totals.messages;
    totals.octets += entry.octets;
    totals.wire_bytes += entry.wire_bytes;
    totals.last_id = std::max(totals.last_id, entry.id);
  }
  POP_RETURN_IF_ERROR(transaction.Put(databases_.chunks, ChunkKey(key, number), EncodeChunk(last)));
  return transaction.Put(databases_.maildrops, key, EncodeIndexTotals(totals));
}

Status Index::WriteMaildrop(Transaction& transaction, const MaildropChange& change) {
  if (change.wipe) POP_RETURN_IF_ERROR(Wipe(transaction, change.key));
  if (!change.totals.has_value()) {
    return change.appended.entries.empty() ? OkStatus()
                                           : Append(transaction, change.key, change.appended);
  }
  for (const uint32_t number : change.changes.dropped) {
    POP_RETURN_IF_ERROR(transaction.Delete(databases_.chunks, ChunkKey(change.key, number)));
  }
  for (const auto& [number, chunk] : change.changes.put) {
    POP_RETURN_IF_ERROR(
        transaction.Put(databases_.chunks, ChunkKey(change.key, number), EncodeChunk(*chunk)));
  }
  return transaction.Put(databases_.maildrops, change.key, EncodeIndexTotals(*change.totals));
}

Status Index::Write(const Checkpoint& checkpoint) {
  POP_ASSIGN_OR_RETURN(const auto transaction, Transaction::Begin(env_, 0));
  for (const MaildropChange& change : checkpoint.maildrops) {
    POP_RETURN_IF_ERROR(WriteMaildrop(*transaction, change));
  }
  for (const auto& [number, stats] : checkpoint.segments) {
    std::string key;
    AppendBe32(key, number);
    POP_RETURN_IF_ERROR(transaction->Put(databases_.segments, key, EncodeSegmentStats(stats)));
  }
  for (const uint32_t number : checkpoint.segments_gone) {
    std::string key;
    AppendBe32(key, number);
    POP_RETURN_IF_ERROR(transaction->Delete(databases_.segments, key));
  }
  for (const auto& [message, blob] : checkpoint.blobs) {
    std::string key;
    AppendBe64(key, message.value());
    if (blob == BlobId(0)) {
      POP_RETURN_IF_ERROR(transaction->Delete(databases_.blobs, key));
      continue;
    }
    std::string value(sizeof(uint64_t), '\0');
    StoreLe<uint64_t>(value.data(), blob.value());
    POP_RETURN_IF_ERROR(transaction->Put(databases_.blobs, key, value));
  }
  if (checkpoint.meta.has_value()) {
    POP_RETURN_IF_ERROR(
        transaction->Put(databases_.meta, kMetaKey, EncodeIndexMeta(*checkpoint.meta)));
  }
  return transaction->Commit();
}

}  // namespace poplar::storage
