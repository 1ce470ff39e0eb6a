#include <lmdb.h>
#include <sys/stat.h>

#include <array>
#include <cerrno>

#include "storage/index/key_value.h"
#include "storage/index/lmdb_readahead.h"

namespace poplar::storage {
namespace {

constexpr mode_t kFileMode = 0600;
constexpr std::array<const char*, kDatabases> kNames = {"meta",     "maildrops", "chunks",
                                                        "segments", "blobs",     "tenants"};

struct Handles {
  MDB_dbi main = 0;  // Which names the others.
  std::array<MDB_dbi, kDatabases> named{};
};

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

class LmdbTransaction final : public KeyValueTransaction {
 public:
  LmdbTransaction(MDB_txn* txn, const Handles& handles) : txn_(txn), handles_(handles) {}
  ~LmdbTransaction() override {
    if (txn_ != nullptr) mdb_txn_abort(txn_);
  }

  StatusOr<std::string_view> Get(Database database, std::string_view key) override {
    MDB_val k = ToVal(key), value;
    RETURN_IF_LMDB_ERROR(mdb_get(txn_, Handle(database), &k, &value), "index read");
    return ToView(value);
  }

  StatusOr<std::pair<std::string_view, std::string_view>> LastBefore(
      Database database, std::string_view key) override {
    MDB_cursor* cursor = nullptr;
    RETURN_IF_LMDB_ERROR(mdb_cursor_open(txn_, Handle(database), &cursor), "index cursor");
    MDB_val k = ToVal(key), value;
    int code = mdb_cursor_get(cursor, &k, &value, MDB_SET_RANGE);
    code = mdb_cursor_get(cursor, &k, &value, code == MDB_NOTFOUND ? MDB_LAST : MDB_PREV);
    mdb_cursor_close(cursor);
    RETURN_IF_LMDB_ERROR(code, "index cursor");
    return std::pair(ToView(k), ToView(value));
  }

  Status ForEach(Database database, std::string_view prefix, Visit visit) override {
    MDB_cursor* cursor = nullptr;
    RETURN_IF_LMDB_ERROR(mdb_cursor_open(txn_, Handle(database), &cursor), "index cursor");
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

  void Expect(Database database, std::string_view prefix) override {
    ReadAhead(txn_, handles_.main, kNames[static_cast<size_t>(database)], prefix);
  }

  Status Put(Database database, std::string_view key, std::string_view bytes) override {
    MDB_val k = ToVal(key), value = ToVal(bytes);
    RETURN_IF_LMDB_ERROR(mdb_put(txn_, Handle(database), &k, &value, 0), "index write");
    return OkStatus();
  }

  Status Delete(Database database, std::string_view key) override {
    MDB_val k = ToVal(key);
    const int code = mdb_del(txn_, Handle(database), &k, nullptr);
    return code == 0 || code == MDB_NOTFOUND ? OkStatus() : LmdbStatus(code, "index delete");
  }

  Status Commit() override {
    RETURN_IF_LMDB_ERROR(mdb_txn_commit(std::exchange(txn_, nullptr)), "index commit");
    return OkStatus();
  }

 private:
  MDB_dbi Handle(Database database) const { return handles_.named[static_cast<size_t>(database)]; }

  MDB_txn* txn_;
  const Handles& handles_;
};

class LmdbStore final : public KeyValueStore {
 public:
  explicit LmdbStore(MDB_env* env) : env_(env) {}
  ~LmdbStore() override { mdb_env_close(env_); }
  LmdbStore(const LmdbStore&) = delete;
  LmdbStore& operator=(const LmdbStore&) = delete;

  Status Open(const std::string& directory, uint64_t map_bytes, unsigned flags) {
    RETURN_IF_LMDB_ERROR(mdb_env_set_mapsize(env_, map_bytes), directory);
    RETURN_IF_LMDB_ERROR(mdb_env_set_maxdbs(env_, 8), directory);
    // NOTLS: a reader belongs to its transaction, not to its thread.
    RETURN_IF_LMDB_ERROR(
        mdb_env_open(env_, directory.c_str(), MDB_NOTLS | MDB_NORDAHEAD | flags, kFileMode),
        directory);
    POP_RETURN_IF_ERROR(CheckNotCutShort(directory));
    return OpenDatabases((flags & MDB_RDONLY) != 0 ? Access::kRead : Access::kChange);
  }

  StatusOr<std::unique_ptr<KeyValueTransaction>> Begin(Access access) override {
    MDB_txn* txn = nullptr;
    const unsigned flags = access == Access::kRead ? MDB_RDONLY : 0;
    RETURN_IF_LMDB_ERROR(mdb_txn_begin(env_, nullptr, flags, &txn), "index transaction");
    return std::make_unique<LmdbTransaction>(txn, handles_);
  }

  StatusOr<uint64_t> FileBytes() override {
    MDB_envinfo info;
    MDB_stat stat;
    RETURN_IF_LMDB_ERROR(mdb_env_info(env_, &info), "index size");
    RETURN_IF_LMDB_ERROR(mdb_env_stat(env_, &stat), "index size");
    return (info.me_last_pgno + 1) * uint64_t{stat.ms_psize};
  }

 private:
  // LMDB maps its file: pages that are not there would end the process.
  Status CheckNotCutShort(const std::string& directory) {
    POP_ASSIGN_OR_RETURN(const uint64_t bytes, FileBytes());
    struct stat file{};
    const std::string path = directory + "/data.mdb";
    if (::stat(path.c_str(), &file) != 0) return ErrnoStatus(errno, path);
    if (static_cast<uint64_t>(file.st_size) < bytes) {
      return MakeStatus(StatusCode::kDataLoss, path + ": cut short");
    }
    return OkStatus();
  }

  Status OpenDatabases(Access access) {
    const bool change = access == Access::kChange;
    MDB_txn* txn = nullptr;
    RETURN_IF_LMDB_ERROR(mdb_txn_begin(env_, nullptr, change ? 0 : MDB_RDONLY, &txn),
                         "index transaction");
    LmdbTransaction transaction(txn, handles_);
    RETURN_IF_LMDB_ERROR(mdb_dbi_open(txn, nullptr, 0, &handles_.main), "index databases");
    for (size_t i = 0; i < kDatabases; ++i) {
      RETURN_IF_LMDB_ERROR(
          mdb_dbi_open(txn, kNames[i], change ? MDB_CREATE : 0, &handles_.named[i]), kNames[i]);
    }
    return transaction.Commit();
  }

  MDB_env* const env_;
  Handles handles_;
};

class LmdbEngine final : public KeyValueEngine {
 public:
  StatusOr<std::unique_ptr<KeyValueStore>> Open(const std::string& directory,
                                                uint64_t map_bytes) override {
    return OpenWith(directory, map_bytes, 0);
  }

  StatusOr<std::unique_ptr<KeyValueStore>> OpenToRead(const std::string& directory,
                                                      uint64_t map_bytes) override {
    // LMDB would begin a new one in an empty file.
    const std::string path = directory + "/data.mdb";
    struct stat file{};
    if (::stat(path.c_str(), &file) != 0) return ErrnoStatus(errno, path);
    if (file.st_size == 0) return MakeStatus(StatusCode::kNotFound, path + ": empty");
    return OpenWith(directory, map_bytes, MDB_RDONLY | MDB_NOLOCK);
  }

 private:
  static StatusOr<std::unique_ptr<KeyValueStore>> OpenWith(const std::string& directory,
                                                           uint64_t map_bytes, unsigned flags) {
    MDB_env* env = nullptr;
    RETURN_IF_LMDB_ERROR(mdb_env_create(&env), directory);
    auto store = std::make_unique<LmdbStore>(env);
    POP_RETURN_IF_ERROR(store->Open(directory, map_bytes, flags));
    return store;
  }
};

}  // namespace

KeyValueEngine& Lmdb() {
  static LmdbEngine engine;
  return engine;
}

}  // namespace poplar::storage
