// SQLite, as the user database needs it: a connection, a prepared statement run, a transaction.
// Private to auth/users. One thread at a time.

#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "core/base/ids.h"
#include "core/base/status.h"

struct sqlite3;
struct sqlite3_stmt;

namespace poplar::auth {

// Makes the file, for its owner's eyes only, unless it is there. SQLite's -wal and -shm files take
// over these rights.
Status MakePrivateFile(const std::string& path);

// Of 64 bits, as SQLite's are.
inline int64_t ToSql(uint64_t number) { return static_cast<int64_t>(number); }
inline int64_t ToSql(TenantId id) { return ToSql(id.value()); }
inline std::optional<int64_t> ToSql(std::optional<uint64_t> number) {
  if (!number.has_value()) return std::nullopt;
  return static_cast<int64_t>(*number);
}

struct SqliteOptions {
  bool create = false;
  uint32_t busy_timeout_ms = 5000;  // How long a call waits for another process's transaction.
};

class SqliteConnection {
 public:
  // kNotFound: no such file. Sets what holds for each connection: foreign keys, full sync.
  static StatusOr<std::unique_ptr<SqliteConnection>> Open(const std::string& path,
                                                          const SqliteOptions& options);
  SqliteConnection(const SqliteConnection&) = delete;
  SqliteConnection& operator=(const SqliteConnection&) = delete;
  ~SqliteConnection();

  // Runs statements that take and give nothing.
  Status Execute(const char* sql);
  // The single number that `sql` (a PRAGMA, a count) answers.
  StatusOr<int64_t> Number(const char* sql);
  // Rows that the last INSERT, UPDATE or DELETE changed.
  int64_t changes() const;

  // What SQLite's `code` means, as Poplar's statuses say it.
  Status Fault(int code) const;

 private:
  friend class SqliteQuery;

  SqliteConnection(sqlite3* handle, std::string path) : handle_(handle), path_(std::move(path)) {}
  StatusOr<sqlite3_stmt*> Prepare(const char* sql);

  sqlite3* const handle_;
  const std::string path_;
  std::map<std::string, sqlite3_stmt*, std::less<>> prepared_;  // Kept for the next run.
};

// One run of a prepared statement: bind in order, then Step for each row or Run for none. Faults
// are kept until then. Two runs of the same text must not overlap.
class SqliteQuery {
 public:
  SqliteQuery(SqliteConnection& connection, const char* sql);
  SqliteQuery(const SqliteQuery&) = delete;
  SqliteQuery& operator=(const SqliteQuery&) = delete;
  ~SqliteQuery();

  SqliteQuery& Bind(std::string_view text);
  SqliteQuery& Bind(int64_t number);
  SqliteQuery& Bind(std::optional<int64_t> number);  // None: NULL.

  // True: a row is there.
  StatusOr<bool> Step();
  // To the end; rows are passed over.
  Status Run();

  // Of the row, 0-based.
  std::string Text(int column) const;
  int64_t Number(int column) const;  // Of NULL: 0.
  std::optional<int64_t> NumberOrNull(int column) const;

 private:
  SqliteConnection& connection_;
  sqlite3_stmt* statement_ = nullptr;
  Status fault_;
  int bound_ = 0;
};

// A writing transaction; rolled back unless committed.
class SqliteTransaction {
 public:
  explicit SqliteTransaction(SqliteConnection& connection) : connection_(connection) {}
  SqliteTransaction(const SqliteTransaction&) = delete;
  SqliteTransaction& operator=(const SqliteTransaction&) = delete;
  ~SqliteTransaction();

  // Takes the database's write lock, waiting for others up to the busy timeout.
  Status Begin();
  Status Commit();

 private:
  SqliteConnection& connection_;
  bool open_ = false;
};

}  // namespace poplar::auth
