// The transactional ordered key-value store under an index: LMDB, or where a whole store is
// simulated, a model of what LMDB promises (tests/sim). A commit is atomic, and durable when it has
// answered; one that fails may have reached the disk, or not.
//
// Blocking; any thread. One changing transaction at a time; readers see what was committed when
// they began.

#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "absl/functional/function_ref.h"
#include "core/base/status.h"

namespace poplar::storage {

// The databases of FORMAT.md section 7.
enum class Database : uint8_t { kMeta, kMaildrops, kChunks, kSegments, kBlobs, kTenants };
inline constexpr size_t kDatabases = 6;

// Given up unless it is committed. Views end with the transaction or its next change. kDataLoss of
// any call: what it would go by is damaged; in a changing one the transaction may go on, if it can.
class KeyValueTransaction {
 public:
  using Pair = std::pair<std::string_view, std::string_view>;
  using Visit = absl::FunctionRef<Status(std::string_view key_rest, std::string_view value)>;

  virtual ~KeyValueTransaction() = default;

  // kNotFound where nothing is.
  virtual StatusOr<std::string_view> Get(Database database, std::string_view key) = 0;
  // The pair with the greatest key below `key`. kNotFound: there is none.
  virtual StatusOr<Pair> LastBefore(Database database, std::string_view key) = 0;
  // The pair with the least key that is not below `key`. kNotFound: there is none.
  virtual StatusOr<Pair> FirstFrom(Database database, std::string_view key) = 0;
  // Every pair whose key begins with `prefix`, in order: `visit` gets the key behind the prefix,
  // and the value; its first error ends the visit and is returned. It changes nothing.
  virtual Status ForEach(Database database, std::string_view prefix, Visit visit) = 0;
  // The same of every pair whose key is not below `first`, to the last one; `visit` gets whole
  // keys.
  virtual Status ForEachFrom(Database database, std::string_view first, Visit visit) = 0;
  // Many pairs whose keys begin with `prefix` are visited next: the disk may be asked for all of
  // them at once. REQUIRES: it changes nothing.
  virtual void Expect(Database database, std::string_view prefix) = 0;

  // --- Of a changing transaction.
  virtual Status Put(Database database, std::string_view key, std::string_view value) = 0;
  // What is not there is deleted already.
  virtual Status Delete(Database database, std::string_view key) = 0;
  // Once; the end of the transaction, whatever it answers.
  virtual Status Commit() = 0;
};

class KeyValueStore {
 public:
  enum class Access : uint8_t { kRead, kChange };

  virtual ~KeyValueStore() = default;
  virtual StatusOr<std::unique_ptr<KeyValueTransaction>> Begin(Access access) = 0;
  // Of its file.
  virtual StatusOr<uint64_t> FileBytes() = 0;
  // A commit failed so that nothing begins here any more, and visits under way end, with
  // kUnavailable. Whoever opens it anew, when all transactions have ended and it was destroyed,
  // finds it sound. It may be known as late as when something is to begin.
  virtual bool broken() const = 0;
};

class KeyValueEngine {
 public:
  virtual ~KeyValueEngine() = default;

  // Opens what lies in `directory`, which exists, or makes it anew there: in the files data.mdb and
  // lock.mdb, so that who unlinks these begins anew. kDataLoss: unsound.
  virtual StatusOr<std::unique_ptr<KeyValueStore>> Open(const std::string& directory,
                                                        uint64_t map_bytes) = 0;
  // The same for those who only read: changes no file. REQUIRES: nobody changes it meanwhile.
  // kNotFound: nothing was ever written there.
  virtual StatusOr<std::unique_ptr<KeyValueStore>> OpenToRead(const std::string& directory,
                                                              uint64_t map_bytes) = 0;
};

// LMDB. Lives for ever.
KeyValueEngine& Lmdb();

}  // namespace poplar::storage
