#include "auth/plugins/postgresql/connection.h"

#include <libpq-fe.h>
#include <poll.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <string_view>
#include <utility>
#include <vector>

#include "auth/plugins/common/dial.h"

namespace poplar::postgresql {
namespace {

using plugins::Deadline;
using plugins::Tried;
using plugins::WaitFor;
using sql::Reply;
using sql::Row;

// Where libpq would look for files of its own in somebody's home, it finds nothing.
constexpr const char* kNoFile = "/dev/null/none";

struct ResultEnd {
  void operator()(PGresult* result) const { PQclear(result); }
};
using Result = std::unique_ptr<PGresult, ResultEnd>;

struct HandleEnd {
  void operator()(PGconn* handle) const { PQfinish(handle); }
};
using Handle = std::unique_ptr<PGconn, HandleEnd>;

// libpq ends its sentences with line ends, and may write several.
std::string OneLine(const char* message) {
  std::string line = message == nullptr ? "" : message;
  std::ranges::replace(line, '\n', ' ');
  while (line.ends_with(' ')) line.pop_back();
  return line;
}

// Of SQLSTATE (appendix A of PostgreSQL's manual): the server cannot say now, another may.
bool IsUnfit(std::string_view state) {
  constexpr std::array<std::string_view, 4> kClasses = {
      "08",   // Connection exception.
      "53",   // Insufficient resources, too many connections.
      "57P",  // Shutting down, starting up.
      "58",   // System error.
  };
  constexpr std::string_view kReadOnly = "25006";
  return state == kReadOnly ||
         std::ranges::any_of(kClasses, [state](auto one) { return state.starts_with(one); });
}

// The same of this query alone: its rows were in use, or it took too long.
bool IsFault(std::string_view state) {
  constexpr std::array<std::string_view, 4> kStates = {
      "40001",  // A replica's recovery was in the way.
      "40P01",  // Deadlock.
      "55P03",  // A lock was not to be had.
      "57014",  // Cancelled, by statement_timeout too.
  };
  return std::ranges::find(kStates, state) != kStates.end();
}

// The name has a character that the database's encoding has not: so nobody there has the name.
bool IsUntranslatable(std::string_view state) { return state == "22P05" || state == "22021"; }

class PostgresqlConnection final : public sql::Connection {
 public:
  explicit PostgresqlConnection(Handle handle) : handle_(std::move(handle)) {}

  Reply Ask(const std::string& query, const std::vector<std::string>& values, size_t rows_max,
            Deadline deadline) override;
  bool Usable() const override;

 private:
  bool Send(const std::string& query, const std::vector<std::string>& values, Deadline deadline);
  // False: it did not come.
  bool Receive(Deadline deadline, Result& result);
  void Take(const PGresult& result, Reply& reply);
  Reply NoAnswer(Deadline deadline);

  const Handle handle_;
  bool broken_ = false;
};

Reply PostgresqlConnection::Ask(const std::string& query, const std::vector<std::string>& values,
                                size_t rows_max, Deadline deadline) {
  broken_ = true;  // Until all of the answer was read.
  if (!Send(query, values, deadline)) return NoAnswer(deadline);
  PQsetSingleRowMode(handle_.get());
  Reply reply;
  while (reply.rows.size() < rows_max) {
    Result result;
    if (!Receive(deadline, result)) return NoAnswer(deadline);
    if (result == nullptr) {
      broken_ = false;
      break;
    }
    Take(*result, reply);
    if (PQstatus(handle_.get()) != CONNECTION_OK && reply.tried.answered()) {
      return NoAnswer(deadline);
    }
  }
  return reply;
}

bool PostgresqlConnection::Send(const std::string& query, const std::vector<std::string>& values,
                                Deadline deadline) {
  std::vector<const char*> parameters;
  parameters.reserve(values.size());
  for (const std::string& value : values) parameters.push_back(value.c_str());
  // Their types are the server's to infer; results come as text.
  if (PQsendQueryParams(handle_.get(), query.c_str(), static_cast<int>(parameters.size()), nullptr,
                        parameters.data(), nullptr, nullptr, 0) != 1) {
    return false;
  }
  for (;;) {
    const int left = PQflush(handle_.get());
    if (left <= 0) return left == 0;
    const short events = WaitFor(PQsocket(handle_.get()), POLLIN | POLLOUT, deadline);
    if (events == 0) return false;
    if ((events & POLLIN) != 0 && PQconsumeInput(handle_.get()) != 1) return false;
  }
}

bool PostgresqlConnection::Receive(Deadline deadline, Result& result) {
  while (PQisBusy(handle_.get()) == 1) {
    if (WaitFor(PQsocket(handle_.get()), POLLIN, deadline) == 0) return false;
    if (PQconsumeInput(handle_.get()) != 1) return false;
  }
  result.reset(PQgetResult(handle_.get()));
  return true;
}

void PostgresqlConnection::Take(const PGresult& result, Reply& reply) {
  switch (PQresultStatus(&result)) {
    case PGRES_SINGLE_TUPLE: {
      Row row;
      for (int i = 0; i < PQnfields(&result); ++i) {
        sql::Column& column = row.emplace_back();
        column.name = PQfname(&result, i);
        if (PQgetisnull(&result, 0, i) == 1) continue;
        column.value.emplace(PQgetvalue(&result, 0, i), PQgetlength(&result, 0, i));
      }
      reply.rows.push_back(std::move(row));
      return;
    }
    case PGRES_TUPLES_OK:  // No more rows.
      return;
    case PGRES_COMMAND_OK:
    case PGRES_EMPTY_QUERY:
      reply.refusal = "it is no SELECT";
      return;
    default:
      break;
  }
  const char* const state = PQresultErrorField(&result, PG_DIAG_SQLSTATE);
  const std::string text = OneLine(PQresultErrorMessage(&result));
  if (state == nullptr) {
    reply.tried = {.result = Tried::Result::kEnded, .why = text};
  } else if (IsFault(state)) {
    reply.tried = {.result = Tried::Result::kFaulted, .why = text};
  } else if (IsUnfit(state)) {
    reply.tried = {.result = Tried::Result::kUnfit, .why = text};
  } else if (!IsUntranslatable(state)) {
    reply.refusal = text;
  }
}

Reply PostgresqlConnection::NoAnswer(Deadline deadline) {
  Reply reply;
  if (plugins::Clock::now() >= deadline) {
    reply.tried = {.result = Tried::Result::kNoAnswer, .why = "no answer in time"};
  } else {
    reply.tried = {.result = Tried::Result::kEnded, .why = OneLine(PQerrorMessage(handle_.get()))};
  }
  return reply;
}

bool PostgresqlConnection::Usable() const {
  return !broken_ && PQstatus(handle_.get()) == CONNECTION_OK &&
         PQtransactionStatus(handle_.get()) == PQTRANS_IDLE &&
         WaitFor(PQsocket(handle_.get()), POLLRDHUP, plugins::Clock::now()) == 0;
}

// Each that could be read elsewhere has a value here (postgresql.cc sees to the rest).
Handle Start(const sql::Settings& settings, const sql::Server& server, const std::string& address) {
  const std::string port = std::to_string(server.port);
  const char* const tls = server.tls ? "verify-full" : "disable";
  const std::vector<std::pair<const char*, const char*>> all = {
      {"host", server.host.c_str()},
      // An empty one counts as none: for a Unix socket.
      {"hostaddr", address.c_str()},
      {"port", port.c_str()},
      {"dbname", settings.database.c_str()},
      {"user", settings.user.c_str()},
      {"password", settings.password.c_str()},
      {"passfile", kNoFile},
      {"sslmode", tls},
      {"sslrootcert", settings.ca_file.c_str()},
      {"ssl_min_protocol_version", "TLSv1.2"},
      {"sslcert", kNoFile},
      {"sslkey", kNoFile},
      {"sslcrl", kNoFile},
      {"gssencmode", "disable"},
      {"client_encoding", "UTF8"},
      {"application_name", "poplar"},
      {"keepalives_idle", "15"},
      {"keepalives_interval", "5"},
      {"keepalives_count", "3"},
      {"tcp_user_timeout", "30000"},
  };
  std::vector<const char*> names;
  std::vector<const char*> values;
  for (const auto& [name, value] : all) {
    names.push_back(name);
    values.push_back(value);
  }
  names.push_back(nullptr);
  values.push_back(nullptr);
  return Handle(PQconnectStartParams(names.data(), values.data(), 0));
}

// Null: `fault` says why.
Handle Finish(Handle handle, Deadline deadline, std::string& fault) {
  PostgresPollingStatusType state = PGRES_POLLING_WRITING;
  while (handle != nullptr && PQstatus(handle.get()) != CONNECTION_BAD) {
    const short events = state == PGRES_POLLING_READING ? POLLIN : POLLOUT;
    if (WaitFor(PQsocket(handle.get()), events, deadline) == 0) {
      fault = "no connection in time";
      return nullptr;
    }
    state = PQconnectPoll(handle.get());
    if (state == PGRES_POLLING_OK) return handle;
    if (state == PGRES_POLLING_FAILED) break;
  }
  fault = handle == nullptr ? "no memory" : OneLine(PQerrorMessage(handle.get()));
  return nullptr;
}

}  // namespace

std::unique_ptr<sql::Connection> Connect(const sql::Settings& settings, const sql::Server& server,
                                         Deadline deadline, std::string& fault) {
  // libpq would resolve the name without an end.
  std::vector<plugins::Address> addresses(1);
  if (!server.local()) {
    addresses = plugins::Resolve(server.host, server.port, deadline, fault);
  }
  for (size_t i = 0; i < addresses.size(); ++i) {
    Handle handle = Finish(Start(settings, server, addresses[i].numeric),
                           plugins::ShareOf(deadline, addresses.size() - i), fault);
    if (handle == nullptr) continue;
    PQsetnonblocking(handle.get(), 1);
    PQsetNoticeProcessor(handle.get(), [](void*, const char*) {}, nullptr);
    return std::make_unique<PostgresqlConnection>(std::move(handle));
  }
  return nullptr;
}

}  // namespace poplar::postgresql
