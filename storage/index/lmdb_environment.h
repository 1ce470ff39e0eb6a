// An LMDB environment, and the only place where LMDB reads its file: a fault there costs the
// environment, not the process. Any thread.

#pragma once

#include <lmdb.h>

#include <atomic>
#include <cstdint>
#include <string>
#include <string_view>

#include "absl/functional/function_ref.h"
#include "core/base/status.h"
#include "storage/index/lmdb_pages.h"

namespace poplar::storage {

// What a code of LMDB means.
Status LmdbStatus(int code, std::string_view what);

// One that was lost is left as it is for good, with all that it holds.
class LmdbEnvironment {
 public:
  // `path`: the file, for the log.
  explicit LmdbEnvironment(std::string path) : path_(std::move(path)) {}
  ~LmdbEnvironment();
  LmdbEnvironment(const LmdbEnvironment&) = delete;
  LmdbEnvironment& operator=(const LmdbEnvironment&) = delete;

  // Once, first.
  Status Create();
  MDB_env* get() const { return env_; }

  // `call`: plain calls of LMDB, which return its codes (RunGuarded). kDataLoss: also after a
  // fault, then or before.
  Status Call(std::string_view what, absl::FunctionRef<int()> call);
  // Nothing is asked of it any more.
  void Lose();
  bool lost() const { return lost_.load(std::memory_order_acquire); }
  // LMDB has refused a call because a commit failed half-way (KeyValueStore::broken).
  bool broken() const { return broken_.load(std::memory_order_relaxed); }

  // Finds out where the file is mapped, if anything was ever written to it.
  Status FindPages();
  // Without a base: not known.
  const LmdbPages& pages() const { return pages_; }
  // As of the last commit. REQUIRES: guarded.
  uint64_t CountPages() const;
  uint64_t LastTransaction() const;

 private:
  int FindBase(const char*& base, size_t& page_bytes);

  const std::string path_;
  MDB_env* env_ = nullptr;
  std::atomic<bool> lost_{false};
  std::atomic<bool> broken_{false};
  LmdbPages pages_;
};

}  // namespace poplar::storage
