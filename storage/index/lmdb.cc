#include <fcntl.h>
#include <lmdb.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "core/base/fd.h"
#include "core/base/units.h"
#include "storage/index/key_value.h"
#include "storage/index/lmdb_environment.h"
#include "storage/index/lmdb_readahead.h"

namespace poplar::storage {
namespace {

constexpr mode_t kFileMode = 0600;
constexpr size_t kHeadBytesMax = 128 * kKiB;
constexpr size_t kTouchBytes = 4 * kKiB;  // No page of memory is smaller.
constexpr std::array<const char*, kDatabases> kNames = {"meta",     "maildrops", "chunks",
                                                        "segments", "blobs",     "tenants"};

struct Handles {
  MDB_dbi main = 0;  // Which names the others.
  std::array<MDB_dbi, kDatabases> named{};
};

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
  using Access = KeyValueStore::Access;

  LmdbTransaction(LmdbEnvironment* environment, const Handles* handles, Access access)
      : env_(*environment), handles_(*handles), access_(access) {}
  // After a fault it is left as it is.
  ~LmdbTransaction() override {
    if (txn_ != nullptr && !env_.lost()) mdb_txn_abort(txn_);
  }

  Status Begin() {
    const unsigned flags = access_ == Access::kRead ? MDB_RDONLY : 0;
    POP_RETURN_IF_ERROR(Call("index transaction",
                             [&] { return mdb_txn_begin(env_.get(), nullptr, flags, &txn_); }));
    if (access_ == Access::kRead || env_.pages().base() == nullptr) return OkStatus();
    return Look(
        [&] { return env_.pages().CheckChange(env_.LastTransaction(), env_.CountPages()); });
  }

  Status OpenDatabases(Handles& handles) {
    POP_RETURN_IF_ERROR(
        Call("index databases", [&] { return mdb_dbi_open(txn_, nullptr, 0, &handles.main); }));
    const unsigned flags = access_ == Access::kChange ? MDB_CREATE : 0;
    for (size_t i = 0; i < kDatabases; ++i) {
      POP_RETURN_IF_ERROR(
          Call(kNames[i], [&] { return mdb_dbi_open(txn_, kNames[i], flags, &handles.named[i]); }));
    }
    return OkStatus();
  }

  StatusOr<std::string_view> Get(Database database, std::string_view key) override {
    POP_RETURN_IF_ERROR(LookAt(database, key, LmdbPages::Reach::kWay));
    MDB_val k = ToVal(key), value;
    POP_RETURN_IF_ERROR(Call("index read", [&] {
      const int code = mdb_get(txn_, Handle(database), &k, &value);
      return code != 0 ? code : Touch(value);
    }));
    return ToView(value);
  }

  StatusOr<Pair> LastBefore(Database database, std::string_view key) override {
    return Beside(database, key, [](MDB_cursor* cursor, MDB_val* k, MDB_val* value) {
      const int code = mdb_cursor_get(cursor, k, value, MDB_SET_RANGE);
      return mdb_cursor_get(cursor, k, value, code == MDB_NOTFOUND ? MDB_LAST : MDB_PREV);
    });
  }

  StatusOr<Pair> FirstFrom(Database database, std::string_view key) override {
    return Beside(database, key, [](MDB_cursor* cursor, MDB_val* k, MDB_val* value) {
      return mdb_cursor_get(cursor, k, value, MDB_SET_RANGE);
    });
  }

  Status ForEach(Database database, std::string_view prefix, Visit visit) override {
    return VisitFrom(database, prefix, prefix, visit);
  }

  Status ForEachFrom(Database database, std::string_view first, Visit visit) override {
    return VisitFrom(database, first, {}, visit);
  }

  void Expect(Database database, std::string_view prefix) override {
    LmdbTree tree;
    mdb_filehandle_t file = -1;
    const Status found = Look([&] { return TreeOf(database, tree); });
    if (!found.ok() || mdb_env_get_fd(env_.get(), &file) != 0) return;
    ReadAhead(file, env_.pages().page_bytes(), tree, prefix);
  }

  Status Put(Database database, std::string_view key, std::string_view bytes) override {
    POP_RETURN_IF_ERROR(LookAt(database, key, LmdbPages::Reach::kWay));
    MDB_val k = ToVal(key), value = ToVal(bytes);
    return Change("index write", [&] { return mdb_put(txn_, Handle(database), &k, &value, 0); });
  }

  Status Delete(Database database, std::string_view key) override {
    POP_RETURN_IF_ERROR(LookAt(database, key, LmdbPages::Reach::kNeighbours));
    MDB_val k = ToVal(key);
    return Change("index delete", [&] {
      const int code = mdb_del(txn_, Handle(database), &k, nullptr);
      return code == MDB_NOTFOUND ? 0 : code;
    });
  }

  Status Commit() override {
    return Change("index commit", [&] { return mdb_txn_commit(std::exchange(txn_, nullptr)); });
  }

 private:
  MDB_dbi Handle(Database database) const { return handles_.named[static_cast<size_t>(database)]; }

  // Pairs from `first` on, as long as their keys begin with `prefix`.
  Status VisitFrom(Database database, std::string_view first, std::string_view prefix,
                   Visit visit) {
    POP_RETURN_IF_ERROR(LookAt(database, first, prefix, LmdbPages::Reach::kNeighbours));
    MDB_cursor* cursor = nullptr;
    MDB_val key = ToVal(first), value;
    const auto step = [&](MDB_cursor_op op) {
      return Call("index cursor", [&] { return Step(cursor, &key, &value, op); });
    };
    POP_RETURN_IF_ERROR(
        Call("index cursor", [&] { return mdb_cursor_open(txn_, Handle(database), &cursor); }));
    std::string_view before;
    Status visited;
    Status found = step(first.empty() ? MDB_FIRST : MDB_SET_RANGE);
    for (; found.ok(); found = step(MDB_NEXT)) {
      const std::string_view at = ToView(key);
      if (at <= before) visited = MakeStatus(StatusCode::kDataLoss, "index: keys out of order");
      if (!visited.ok() || !at.starts_with(prefix)) break;
      before = at;
      visited = env_.broken() ? LmdbStatus(MDB_PANIC, "index cursor")
                              : visit(at.substr(prefix.size()), ToView(value));
      if (!visited.ok()) break;
    }
    if (!env_.lost()) mdb_cursor_close(cursor);
    return found.ok() || found.code() == StatusCode::kNotFound ? visited : found;
  }

  Status Call(std::string_view what, absl::FunctionRef<int()> call) {
    return env_.Call(what, call);
  }

  // What LMDB finds damaged while it changes something leaves it in no state to go on.
  Status Change(std::string_view what, absl::FunctionRef<int()> call) {
    const Status status = Call(what, call);
    if (status.code() == StatusCode::kDataLoss) env_.Lose();
    return status;
  }

  Status Look(absl::FunctionRef<LmdbPages::Fault()> look) {
    LmdbPages::Fault fault = nullptr;
    POP_RETURN_IF_ERROR(Call("index pages", [&] {
      fault = look();
      return 0;
    }));
    if (fault == nullptr) return OkStatus();
    return MakeStatus(StatusCode::kDataLoss, std::string("index pages: ") + fault);
  }

  // The pages on the way to the keys that begin with `keys`.
  Status LookAt(Database database, std::string_view keys, LmdbPages::Reach reach) {
    return LookAt(database, keys, keys, reach);
  }
  // Those to the keys from `first` on that begin with `prefix`.
  Status LookAt(Database database, std::string_view first, std::string_view prefix,
                LmdbPages::Reach reach) {
    if (env_.pages().base() == nullptr) return OkStatus();
    return Look([&] {
      LmdbTree tree;
      const LmdbPages::Fault fault = TreeOf(database, tree);
      if (fault != nullptr) return fault;
      return env_.pages().CheckKeys(tree, env_.CountPages(), first, prefix, reach, seen_);
    });
  }

  // As it was committed. REQUIRES: guarded.
  LmdbPages::Fault TreeOf(Database database, LmdbTree& tree) {
    MDB_val key = ToVal(kNames[static_cast<size_t>(database)]), record;
    if (mdb_get(txn_, handles_.main, &key, &record) != 0) return "a database is missing";
    return LmdbPages::DecodeTree(ToView(record), 0, tree);
  }

  // A value that stands in the file must be in it as a whole, and is read here, where a fault is
  // met. What is on a page that this transaction changed is LMDB's own memory.
  int Touch(const MDB_val& value) const {
    const auto begin = reinterpret_cast<uintptr_t>(env_.pages().base());
    const auto at = reinterpret_cast<uintptr_t>(value.mv_data);
    const uintptr_t end = begin + env_.CountPages() * env_.pages().page_bytes();
    const bool in_file = at >= begin && at < end;
    if (!in_file) return access_ == Access::kChange ? 0 : MDB_CORRUPTED;
    if (value.mv_size > end - at) return MDB_CORRUPTED;
    const volatile char* const bytes = static_cast<const volatile char*>(value.mv_data);
    for (size_t i = 0; i < value.mv_size; i += kTouchBytes) (void)bytes[i];
    if (value.mv_size > 0) (void)bytes[value.mv_size - 1];
    return 0;
  }

  int Step(MDB_cursor* cursor, MDB_val* key, MDB_val* value, MDB_cursor_op op) const {
    int code = mdb_cursor_get(cursor, key, value, op);
    if (code == 0) code = Touch(*key);
    return code != 0 ? code : Touch(*value);
  }

  StatusOr<Pair> Beside(Database database, std::string_view key,
                        absl::FunctionRef<int(MDB_cursor*, MDB_val*, MDB_val*)> find) {
    POP_RETURN_IF_ERROR(LookAt(database, key, LmdbPages::Reach::kNeighbours));
    MDB_val k = ToVal(key), value;
    POP_RETURN_IF_ERROR(Call("index cursor", [&] {
      MDB_cursor* cursor = nullptr;
      int code = mdb_cursor_open(txn_, Handle(database), &cursor);
      if (code != 0) return code;
      code = find(cursor, &k, &value);
      mdb_cursor_close(cursor);
      if (code == 0) code = Touch(k);
      return code != 0 ? code : Touch(value);
    }));
    return Pair(ToView(k), ToView(value));
  }

  LmdbEnvironment& env_;
  const Handles& handles_;
  const Access access_;
  LmdbPagesSeen seen_;
  MDB_txn* txn_ = nullptr;
};

class LmdbStore final : public KeyValueStore {
 public:
  explicit LmdbStore(const std::string& directory)
      : directory_(directory), env_(directory + "/data.mdb") {}

  Status Open(uint64_t map_bytes, unsigned flags) {
    POP_RETURN_IF_ERROR(env_.Create());
    RETURN_IF_LMDB_ERROR(mdb_env_set_mapsize(env_.get(), map_bytes), directory_);
    RETURN_IF_LMDB_ERROR(mdb_env_set_maxdbs(env_.get(), 8), directory_);
    POP_RETURN_IF_ERROR(CheckHead());
    // NOTLS: a reader belongs to its transaction, not to its thread.
    POP_RETURN_IF_ERROR(env_.Call(directory_, [&] {
      return mdb_env_open(env_.get(), directory_.c_str(), MDB_NOTLS | MDB_NORDAHEAD | flags,
                          kFileMode);
    }));
    POP_RETURN_IF_ERROR(CheckNotCutShort());
    POP_RETURN_IF_ERROR(env_.FindPages());
    LmdbTransaction transaction(&env_, &handles_,
                                (flags & MDB_RDONLY) != 0 ? Access::kRead : Access::kChange);
    POP_RETURN_IF_ERROR(transaction.Begin());
    POP_RETURN_IF_ERROR(transaction.OpenDatabases(handles_));
    POP_RETURN_IF_ERROR(transaction.Commit());
    return env_.FindPages();
  }

  StatusOr<std::unique_ptr<KeyValueTransaction>> Begin(Access access) override {
    auto transaction = std::make_unique<LmdbTransaction>(&env_, &handles_, access);
    POP_RETURN_IF_ERROR(transaction->Begin());
    return transaction;
  }

  bool broken() const override { return env_.broken() && !env_.lost(); }

  StatusOr<uint64_t> FileBytes() override {
    uint64_t bytes = 0;
    POP_RETURN_IF_ERROR(env_.Call("index size", [&] {
      MDB_stat stat;
      const int code = mdb_env_stat(env_.get(), &stat);
      if (code == 0) bytes = env_.CountPages() * uint64_t{stat.ms_psize};
      return code;
    }));
    return bytes;
  }

 private:
  std::string Path() const { return directory_ + "/data.mdb"; }

  // LMDB takes the size of its pages from there as it is.
  Status CheckHead() const {
    const base::UniqueFd file(::open(Path().c_str(), O_RDONLY | O_CLOEXEC));
    if (!file.valid()) return errno == ENOENT ? OkStatus() : ErrnoStatus(errno, Path());
    std::string head(kHeadBytesMax, '\0');
    const ssize_t got = ::pread(file.get(), head.data(), head.size(), 0);
    if (got < 0) return MakeStatus(StatusCode::kDataLoss, Path() + ": cannot be read");
    if (got == 0) return OkStatus();  // New.
    head.resize(static_cast<size_t>(got));
    const LmdbPages::Fault fault = CheckLmdbHead(head);
    return fault == nullptr ? OkStatus() : MakeStatus(StatusCode::kDataLoss, Path() + ": " + fault);
  }

  Status CheckNotCutShort() {
    POP_ASSIGN_OR_RETURN(const uint64_t bytes, FileBytes());
    struct stat file{};
    if (::stat(Path().c_str(), &file) != 0) return ErrnoStatus(errno, Path());
    if (static_cast<uint64_t>(file.st_size) < bytes) {
      return MakeStatus(StatusCode::kDataLoss, Path() + ": cut short");
    }
    return OkStatus();
  }

  const std::string directory_;
  LmdbEnvironment env_;
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
    auto store = std::make_unique<LmdbStore>(directory);
    POP_RETURN_IF_ERROR(store->Open(map_bytes, flags));
    return store;
  }
};

}  // namespace

KeyValueEngine& Lmdb() {
  static LmdbEngine engine;
  return engine;
}

}  // namespace poplar::storage
