#include "auth/users/sqlite.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <sys/stat.h>

#include <cerrno>
#include <utility>

#include "core/base/check.h"
#include "core/base/fd.h"

namespace poplar::auth {
namespace {

// What holds for each connection. A password change must survive a power cut: full sync. Rows that
// are gone are overwritten: they held hashes. No files beside the database and its log.
constexpr char kConnectionSetup[] =
    "PRAGMA foreign_keys = ON;"
    "PRAGMA synchronous = FULL;"
    "PRAGMA secure_delete = ON;"
    "PRAGMA trusted_schema = OFF;"
    "PRAGMA temp_store = MEMORY;"
    "PRAGMA cell_size_check = ON;";

StatusCode CodeOf(int sqlite_code) {
  switch (sqlite_code & 0xff) {
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return StatusCode::kDataLoss;
    case SQLITE_FULL:
      return StatusCode::kResourceExhausted;
    case SQLITE_PERM:
    case SQLITE_READONLY:
    case SQLITE_AUTH:
      return StatusCode::kPermissionDenied;
    case SQLITE_CONSTRAINT:
      return StatusCode::kFailedPrecondition;
    default:  // Busy, locked, I/O errors, no memory.
      return StatusCode::kUnavailable;
  }
}

}  // namespace

// SQLite would make the file by the umask. That it is there already is left to the schema to judge:
// an earlier Create may have ended halfway.
Status MakePrivateFile(const std::string& path) {
  const base::UniqueFd fd(::open(path.c_str(), O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0600));
  if (!fd.valid() && errno != EEXIST) return ErrnoStatus(errno, path);
  return OkStatus();
}

StatusOr<std::unique_ptr<SqliteConnection>> SqliteConnection::Open(const std::string& path,
                                                                   const SqliteOptions& options) {
  struct stat file{};
  if (!options.create && ::stat(path.c_str(), &file) != 0) return ErrnoStatus(errno, path);

  sqlite3* handle = nullptr;
  const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE |
                    (options.create ? SQLITE_OPEN_CREATE : 0);
  const int code = sqlite3_open_v2(path.c_str(), &handle, flags, nullptr);
  if (handle == nullptr) return MakeStatus(StatusCode::kUnavailable, path + ": out of memory");
  std::unique_ptr<SqliteConnection> connection(new SqliteConnection(handle, path));
  if (code != SQLITE_OK) return connection->Fault(code);
  sqlite3_busy_timeout(handle, static_cast<int>(options.busy_timeout_ms));
  POP_RETURN_IF_ERROR(connection->Execute(kConnectionSetup));
  return connection;
}

SqliteConnection::~SqliteConnection() {
  for (const auto& [sql, statement] : prepared_) sqlite3_finalize(statement);
  POP_CHECK(sqlite3_close(handle_) == SQLITE_OK);
}

Status SqliteConnection::Execute(const char* sql) {
  const int code = sqlite3_exec(handle_, sql, nullptr, nullptr, nullptr);
  return code == SQLITE_OK ? OkStatus() : Fault(code);
}

StatusOr<int64_t> SqliteConnection::Number(const char* sql) {
  SqliteQuery query(*this, sql);
  POP_ASSIGN_OR_RETURN(const bool row, query.Step());
  if (!row) return MakeStatus(StatusCode::kDataLoss, path_ + ": the database does not answer");
  return query.Number(0);
}

int64_t SqliteConnection::changes() const { return sqlite3_changes64(handle_); }

Status SqliteConnection::Fault(int code) const {
  // A constraint's message names tables and columns only, never values.
  const std::string_view what =
      (code & 0xff) == SQLITE_CONSTRAINT ? sqlite3_errmsg(handle_) : sqlite3_errstr(code);
  std::string message = path_ + ": " + std::string(what);
  StatusCode meaning = CodeOf(code);
  const int error_number = sqlite3_system_errno(handle_);
  if ((code & 0xff) == SQLITE_CANTOPEN && (error_number == EACCES || error_number == EPERM)) {
    meaning = StatusCode::kPermissionDenied;
  }
  if (meaning == StatusCode::kPermissionDenied) {
    message +=
        "; this user may not write it, or not make files beside it: do this as the server's user "
        "or as root";
  }
  return MakeStatus(meaning, message);
}

StatusOr<sqlite3_stmt*> SqliteConnection::Prepare(const char* sql) {
  const auto found = prepared_.find(std::string_view(sql));
  if (found != prepared_.end()) return found->second;
  sqlite3_stmt* statement = nullptr;
  const int code =
      sqlite3_prepare_v3(handle_, sql, -1, SQLITE_PREPARE_PERSISTENT, &statement, nullptr);
  if (code != SQLITE_OK) return Fault(code);
  prepared_.emplace(sql, statement);
  return statement;
}

SqliteQuery::SqliteQuery(SqliteConnection& connection, const char* sql) : connection_(connection) {
  StatusOr<sqlite3_stmt*> statement = connection.Prepare(sql);
  if (!statement.ok()) {
    fault_ = statement.status();
    return;
  }
  POP_CHECK(sqlite3_stmt_busy(*statement) == 0);
  statement_ = *statement;
}

SqliteQuery::~SqliteQuery() {
  if (statement_ == nullptr) return;
  sqlite3_reset(statement_);
  sqlite3_clear_bindings(statement_);
}

SqliteQuery& SqliteQuery::Bind(std::string_view text) {
  if (!fault_.ok()) return *this;
  // A null pointer would bind NULL, not the empty text.
  const char* bytes = text.data() == nullptr ? "" : text.data();
  const int code =
      sqlite3_bind_text64(statement_, ++bound_, bytes, text.size(), SQLITE_TRANSIENT, SQLITE_UTF8);
  if (code != SQLITE_OK) fault_ = connection_.Fault(code);
  return *this;
}

SqliteQuery& SqliteQuery::Bind(int64_t number) {
  if (!fault_.ok()) return *this;
  const int code = sqlite3_bind_int64(statement_, ++bound_, number);
  if (code != SQLITE_OK) fault_ = connection_.Fault(code);
  return *this;
}

SqliteQuery& SqliteQuery::Bind(std::optional<int64_t> number) {
  if (number.has_value()) return Bind(*number);
  ++bound_;  // What is not bound is NULL.
  return *this;
}

StatusOr<bool> SqliteQuery::Step() {
  if (!fault_.ok()) return fault_;
  const int code = sqlite3_step(statement_);
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) return false;
  fault_ = connection_.Fault(code);
  return fault_;
}

Status SqliteQuery::Run() {
  for (;;) {
    POP_ASSIGN_OR_RETURN(const bool row, Step());
    if (!row) return OkStatus();
  }
}

std::string SqliteQuery::Text(int column) const {
  const auto* bytes = reinterpret_cast<const char*>(sqlite3_column_text(statement_, column));
  const int length = sqlite3_column_bytes(statement_, column);
  return bytes == nullptr ? std::string() : std::string(bytes, static_cast<size_t>(length));
}

int64_t SqliteQuery::Number(int column) const { return sqlite3_column_int64(statement_, column); }

std::optional<int64_t> SqliteQuery::NumberOrNull(int column) const {
  if (sqlite3_column_type(statement_, column) == SQLITE_NULL) return std::nullopt;
  return Number(column);
}

SqliteTransaction::~SqliteTransaction() {
  // A rollback that fails leaves nothing to do: SQLite has rolled back already.
  if (open_) connection_.Execute("ROLLBACK").IgnoreError();
}

Status SqliteTransaction::Begin() {
  POP_RETURN_IF_ERROR(connection_.Execute("BEGIN IMMEDIATE"));
  open_ = true;
  return OkStatus();
}

Status SqliteTransaction::Commit() {
  POP_RETURN_IF_ERROR(connection_.Execute("COMMIT"));
  open_ = false;
  return OkStatus();
}

}  // namespace poplar::auth
