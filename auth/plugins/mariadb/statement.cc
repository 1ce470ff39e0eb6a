#include "auth/plugins/mariadb/statement.h"

#include <mariadb/errmsg.h>
#include <mariadb/mysqld_error.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <memory>
#include <utility>

#include "auth/plugins/mariadb/drive.h"

namespace poplar::mariadb {
namespace {

using plugins::Tried;

// Of what a server says: it cannot tell now, another may.
bool IsUnfit(unsigned code) {
  constexpr std::array<unsigned, 12> kCodes = {
      ER_CON_COUNT_ERROR,
      ER_OUT_OF_RESOURCES,
      ER_UNKNOWN_COM_ERROR,  // A node of a cluster that has no quorum.
      ER_SERVER_SHUTDOWN,
      ER_NORMAL_SHUTDOWN,
      ER_SHUTDOWN_COMPLETE,
      ER_CANT_CREATE_THREAD,
      ER_TOO_MANY_USER_CONNECTIONS,
      ER_USER_LIMIT_REACHED,
      ER_OPTION_PREVENTS_STATEMENT,  // --read-only.
      1836,                          // ER_READ_ONLY_MODE, of MySQL.
      1927,                          // ER_CONNECTION_KILLED, of MariaDB.
  };
  return std::ranges::find(kCodes, code) != kCodes.end();
}

// The same of this query alone: its rows were in use, or it took too long.
bool IsFault(unsigned code) {
  constexpr unsigned kStatementTimeout = 1969;  // ER_STATEMENT_TIMEOUT, of MariaDB.
  return code == ER_LOCK_WAIT_TIMEOUT || code == ER_LOCK_DEADLOCK || code == ER_QUERY_INTERRUPTED ||
         code == kStatementTimeout;
}

// libmariadb's own: there was no answer, or none that it understands.
bool IsClients(unsigned code) {
  return (code >= CR_MIN_ERROR && code <= CR_MAX_ERROR) || code >= 5000;
}

// Where the values of a row go.
class Cells {
 public:
  explicit Cells(MYSQL_STMT* statement) {
    const std::unique_ptr<MYSQL_RES, void (*)(MYSQL_RES*)> described(
        mysql_stmt_result_metadata(statement), mysql_free_result);
    if (described == nullptr) return;
    const unsigned n = mysql_num_fields(described.get());
    const MYSQL_FIELD* const fields = mysql_fetch_fields(described.get());
    cells_ = std::vector<Cell>(n);
    binds_ = std::vector<MYSQL_BIND>(n);
    for (unsigned i = 0; i < n; ++i) {
      Cell& cell = cells_[i];
      cell.name = fields[i].name;
      // One more than is of use, which tells that there is more.
      cell.text.resize(sql::kValueBytesMax + 1);
      binds_[i].buffer_type = MYSQL_TYPE_STRING;
      binds_[i].buffer = cell.text.data();
      binds_[i].buffer_length = cell.text.size();
      binds_[i].length = &cell.bytes;
      binds_[i].is_null = &cell.is_null;
      binds_[i].error = &cell.is_cut;
    }
  }

  MYSQL_BIND* binds() { return binds_.data(); }
  sql::Row Row() const {
    sql::Row row;
    for (const Cell& cell : cells_) {
      sql::Column& column = row.emplace_back();
      column.name = cell.name;
      if (cell.is_null != 0) continue;
      column.value = cell.text.substr(0, std::min<size_t>(cell.bytes, cell.text.size()));
    }
    return row;
  }

 private:
  struct Cell {
    std::string name;
    std::string text;
    unsigned long bytes = 0;
    my_bool is_null = 0;
    my_bool is_cut = 0;
  };

  std::vector<Cell> cells_;
  std::vector<MYSQL_BIND> binds_;
};

}  // namespace

Statement::~Statement() {
  if (statement_ == nullptr) return;
  // libmariadb would read on to the end of the answer.
  ::shutdown(mysql_get_socket(handle_), SHUT_RDWR);
  mysql_stmt_close(statement_);
}

sql::Reply Statement::Ask(const std::string& query, const std::vector<std::string>& values,
                          size_t rows_max) {
  sql::Reply reply;
  if (statement_ == nullptr) {
    reply.tried = {.result = Tried::Result::kNoAnswer, .why = "no memory"};
    return reply;
  }
  if (Execute(query, values, reply)) FetchRows(reply, rows_max);
  if (reply.tried.answered()) End();
  return reply;
}

bool Statement::Execute(const std::string& query, const std::vector<std::string>& values,
                        sql::Reply& reply) {
  int failed = 0;
  bool in_time = Drive(
      handle_, deadline_,
      [&] { return mysql_stmt_prepare_start(&failed, statement_, query.data(), query.size()); },
      [&](int came) { return mysql_stmt_prepare_cont(&failed, statement_, came); });
  if (!in_time || failed != 0) return Fault(in_time, reply);
  if (mysql_stmt_param_count(statement_) != values.size()) {
    reply.refusal = "the server sees another number of parameters in it than were written";
    return false;
  }
  std::vector<MYSQL_BIND> parameters(values.size());
  for (size_t i = 0; i < values.size(); ++i) {
    parameters[i].buffer_type = MYSQL_TYPE_STRING;
    parameters[i].buffer = const_cast<char*>(values[i].data());
    parameters[i].buffer_length = values[i].size();
  }
  if (mysql_stmt_bind_param(statement_, parameters.data()) != 0) return Fault(true, reply);
  in_time = Drive(
      handle_, deadline_, [&] { return mysql_stmt_execute_start(&failed, statement_); },
      [&](int came) { return mysql_stmt_execute_cont(&failed, statement_, came); });
  if (!in_time || failed != 0) return Fault(in_time, reply);
  if (mysql_stmt_field_count(statement_) > 0) return true;
  reply.refusal = "it is no SELECT";
  return false;
}

void Statement::FetchRows(sql::Reply& reply, size_t rows_max) {
  Cells cells(statement_);
  bool in_time = true;
  int result = mysql_stmt_bind_result(statement_, cells.binds()) != 0 ? 1 : 0;
  while (result == 0 && reply.rows.size() < rows_max) {
    in_time = Drive(
        handle_, deadline_, [&] { return mysql_stmt_fetch_start(&result, statement_); },
        [&](int came) { return mysql_stmt_fetch_cont(&result, statement_, came); });
    if (result == MYSQL_DATA_TRUNCATED) result = 0;
    if (in_time && result == 0) reply.rows.push_back(cells.Row());
    if (!in_time) break;
  }
  if (!in_time || (result != 0 && result != MYSQL_NO_DATA)) Fault(in_time, reply);
}

void Statement::End() {
  my_bool failed = 0;
  const bool in_time = Drive(
      handle_, deadline_, [&] { return mysql_stmt_close_start(&failed, statement_); },
      [&](int came) { return mysql_stmt_close_cont(&failed, statement_, came); });
  if (in_time) statement_ = nullptr;
}

bool Statement::Fault(bool in_time, sql::Reply& reply) const {
  unsigned code = mysql_stmt_errno(statement_);
  std::string text = mysql_stmt_error(statement_);
  if (code == 0) {  // What goes wrong between rows is told by the connection alone.
    code = mysql_errno(handle_);
    text = mysql_error(handle_);
  }
  reply.rows.clear();
  using Result = Tried::Result;
  if (!in_time) {
    reply.tried = {.result = Result::kNoAnswer, .why = "no answer in time"};
  } else if (code == CR_SERVER_GONE_ERROR || code == CR_SERVER_LOST) {
    reply.tried = {.result = Result::kEnded, .why = text};
  } else if (code == 0) {
    reply.tried = {.result = Result::kNoAnswer, .why = "it failed and does not say why"};
  } else if (IsClients(code)) {
    reply.tried = {.result = Result::kNoAnswer, .why = text};
  } else if (IsFault(code)) {
    reply.tried = {.result = Result::kFaulted, .why = text};
  } else if (IsUnfit(code)) {
    reply.tried = {.result = Result::kUnfit, .why = text};
  } else {
    reply.refusal = text;
  }
  return false;
}

}  // namespace poplar::mariadb
