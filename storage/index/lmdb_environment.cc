#include "storage/index/lmdb_environment.h"

#include "core/base/log.h"
#include "storage/format/bytes.h"
#include "storage/index/map_fault.h"

namespace poplar::storage {
namespace {

// LMDB's own checks of itself; it would end the process.
void OnAssert(MDB_env* /*env*/, const char* /*what*/) { GiveUp(); }

}  // namespace

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

LmdbEnvironment::~LmdbEnvironment() {
  if (!lost()) mdb_env_close(env_);
}

Status LmdbEnvironment::Create() {
  int code = mdb_env_create(&env_);
  if (code == 0) code = mdb_env_set_assert(env_, OnAssert);
  return code == 0 ? OkStatus() : LmdbStatus(code, path_);
}

Status LmdbEnvironment::Call(std::string_view what, absl::FunctionRef<int()> call) {
  int code = 0;
  if (!lost()) {
    if (RunGuarded([&] { code = call(); })) {
      if (code == MDB_PANIC) broken_.store(true, std::memory_order_relaxed);
      return code == 0 ? OkStatus() : LmdbStatus(code, what);
    }
    Lose();
  }
  return MakeStatus(StatusCode::kDataLoss, std::string(what) + ": the file cannot be read");
}

void LmdbEnvironment::Lose() {
  if (lost_.exchange(true, std::memory_order_acq_rel)) return;
  base::Log(base::LogLevel::kError, "store_index_lost",
            {{"file", path_},
             {"mend", "stop the server; poplar store rebuild-index makes it anew from the log"}});
}

Status LmdbEnvironment::FindPages() {
  const char* base = nullptr;
  size_t page_bytes = 0;
  POP_RETURN_IF_ERROR(Call(path_, [&] { return FindBase(base, page_bytes); }));
  if (base != nullptr) pages_ = LmdbPages(base, page_bytes);
  return OkStatus();
}

uint64_t LmdbEnvironment::CountPages() const {
  MDB_envinfo info;
  return mdb_env_info(env_, &info) == 0 ? info.me_last_pgno + 1 : 0;
}

uint64_t LmdbEnvironment::LastTransaction() const {
  MDB_envinfo info;
  return mdb_env_info(env_, &info) == 0 ? info.me_last_txnid : 0;
}

// A page of the file knows its number, so where it lies says where the file begins.
int LmdbEnvironment::FindBase(const char*& base, size_t& page_bytes) {
  MDB_txn* txn = nullptr;
  MDB_cursor* cursor = nullptr;
  MDB_dbi main = 0;
  MDB_stat stat;
  MDB_val key, value;
  if (const int code = mdb_txn_begin(env_, nullptr, MDB_RDONLY, &txn)) return code;
  int code = mdb_env_stat(env_, &stat);
  if (code == 0) code = mdb_dbi_open(txn, nullptr, 0, &main);
  if (code == 0) code = mdb_cursor_open(txn, main, &cursor);
  if (code == 0) code = mdb_cursor_get(cursor, &key, &value, MDB_FIRST);
  if (code == 0) {
    page_bytes = stat.ms_psize;
    const char* const at = static_cast<const char*>(key.mv_data);
    const char* const page = at - reinterpret_cast<uintptr_t>(at) % page_bytes;
    base = page - LoadLe<uint64_t>(page) * page_bytes;
    if (CheckLmdbHead({base, 2 * page_bytes}) != nullptr) code = MDB_CORRUPTED;
  }
  if (cursor != nullptr) mdb_cursor_close(cursor);
  mdb_txn_abort(txn);
  return code == MDB_NOTFOUND ? 0 : code;
}

}  // namespace poplar::storage
