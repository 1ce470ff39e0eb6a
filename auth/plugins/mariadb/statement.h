// One prepared statement on a connection of libmariadb's, from its start to its end.

#pragma once

#include <mariadb/mysql.h>

#include <string>
#include <vector>

#include "auth/plugins/common/deadline.h"
#include "auth/plugins/sql/driver.h"

namespace poplar::mariadb {

class Statement {
 public:
  // `handle` outlives this, and is used by nobody else meanwhile.
  Statement(MYSQL* handle, plugins::Deadline deadline)
      : handle_(handle), deadline_(deadline), statement_(mysql_stmt_init(handle)) {}
  Statement(const Statement&) = delete;
  Statement& operator=(const Statement&) = delete;
  // One that has not ended takes the connection with it.
  ~Statement();

  sql::Reply Ask(const std::string& query, const std::vector<std::string>& values, size_t rows_max);
  // All of the answer was read: the connection may be used again.
  bool ended() const { return statement_ == nullptr; }

 private:
  // False: `reply` says why.
  bool Execute(const std::string& query, const std::vector<std::string>& values, sql::Reply& reply);
  void FetchRows(sql::Reply& reply, size_t rows_max);
  void End();
  // Puts into `reply` why a call failed, or that it was not in time. Returns false.
  bool Fault(bool in_time, sql::Reply& reply) const;

  MYSQL* const handle_;
  const plugins::Deadline deadline_;
  MYSQL_STMT* statement_;
};

}  // namespace poplar::mariadb
