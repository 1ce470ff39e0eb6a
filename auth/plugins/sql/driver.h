// What a kind of server has to do: a connection that asks one query. No call waits longer than its
// deadline, whatever the other end does.

#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "auth/plugins/common/deadline.h"
#include "auth/plugins/common/pool.h"
#include "auth/plugins/sql/query.h"

namespace poplar::sql {

struct Settings;
struct Server;

struct Column {
  std::string name;
  std::optional<std::string> value;  // nullopt: NULL.
};
using Row = std::vector<Column>;

// Of a question about one user: whoever sees two rows knows enough.
inline constexpr size_t kUserRowsMax = 2;
// A value that is longer fits nothing that Poplar could do with it.
inline constexpr size_t kValueBytesMax = 4096;

struct Reply {
  plugins::Tried tried;
  // Where it was answered: why the server refuses the query, or else its rows, as many as were
  // asked for.
  std::string refusal;
  std::vector<Row> rows;
};

// One thread at a time.
class Connection {
 public:
  Connection() = default;
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  virtual ~Connection() = default;

  // `values` are the parameters of `query`, as text. The answer is read to `rows_max` rows.
  virtual Reply Ask(const std::string& query, const std::vector<std::string>& values,
                    size_t rows_max, plugins::Deadline deadline) = 0;
  // False: an answer was not read to its end, or the other end has closed it meanwhile.
  virtual bool Usable() const = 0;
};

struct Driver {
  Dialect dialect;
  uint16_t port;
  // The server's certificate must be trusted and hold its name, where TLS is used. Null: `fault`
  // says why. Any thread.
  std::unique_ptr<Connection> (*connect)(const Settings& settings, const Server& server,
                                         plugins::Deadline deadline, std::string& fault);
};

}  // namespace poplar::sql
