#include "auth/plugins/mariadb/connection.h"

#include <fcntl.h>
#include <mariadb/mysql.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "auth/plugins/common/left_behind.h"
#include "auth/plugins/mariadb/drive.h"
#include "auth/plugins/mariadb/statement.h"

namespace poplar::mariadb {
namespace {

using plugins::Deadline;
using sql::Reply;

// Of what runs while a call of libmariadb's waits: TLS needs more than its own default.
constexpr size_t kStackBytes = 256 * 1024;
// Nothing that a server may say is longer.
constexpr size_t kPacketBytesMax = 1024 * 1024;

class MariadbConnection final : public sql::Connection {
 public:
  MariadbConnection() { mysql_init(&handle_); }
  ~MariadbConnection() override {
    // Else it would say goodbye to somebody who may not listen.
    if (broken_) ::shutdown(mysql_get_socket(&handle_), SHUT_RDWR);
    mysql_close(&handle_);
  }

  bool Open(const sql::Settings& settings, const sql::Server& server, Deadline deadline,
            std::string& fault);

  Reply Ask(const std::string& query, const std::vector<std::string>& values, size_t rows_max,
            Deadline deadline) override {
    Statement statement(&handle_, deadline);
    Reply reply = statement.Ask(query, values, rows_max);
    broken_ = !statement.ended() || !reply.tried.answered();
    return reply;
  }
  bool Usable() const override {
    return !broken_ &&
           plugins::WaitFor(mysql_get_socket(&handle_), POLLRDHUP, plugins::Clock::now()) == 0;
  }

 private:
  bool SetOptions(const sql::Settings& settings, const sql::Server& server);

  mutable MYSQL handle_;  // libmariadb takes it so where it only looks, too.
  bool broken_ = true;
};

bool MariadbConnection::SetOptions(const sql::Settings& settings, const sql::Server& server) {
  const unsigned protocol = server.local() ? MYSQL_PROTOCOL_SOCKET : MYSQL_PROTOCOL_TCP;
  // For one address of several, and for each wait of the handshake. Whole seconds.
  const unsigned connect_timeout_s = std::max(1U, settings.limits.connect_timeout_ms / 2'000);
  const unsigned write_timeout_s = 1;
  const unsigned no_local_files = 0;  // Which a server may ask for.
  const my_bool tls = server.tls ? 1 : 0;
  const auto set = [this](mysql_option option, const void* value) {
    return mysql_optionsv(&handle_, option, value) == 0;
  };
  bool done = set(MYSQL_OPT_NONBLOCK, &kStackBytes) && set(MYSQL_OPT_PROTOCOL, &protocol) &&
              set(MYSQL_OPT_CONNECT_TIMEOUT, &connect_timeout_s) &&
              set(MYSQL_OPT_WRITE_TIMEOUT, &write_timeout_s) &&
              set(MYSQL_OPT_LOCAL_INFILE, &no_local_files) &&
              set(MYSQL_OPT_MAX_ALLOWED_PACKET, &kPacketBytesMax) &&
              set(MYSQL_SET_CHARSET_NAME, "utf8mb4") && set(MYSQL_OPT_SSL_ENFORCE, &tls);
  if (server.tls) {
    done = done && set(MYSQL_OPT_SSL_VERIFY_SERVER_CERT, &tls) &&
           set(MYSQL_OPT_SSL_CA, settings.ca_file.c_str()) &&
           set(MARIADB_OPT_TLS_VERSION, "TLSv1.2,TLSv1.3");
  }
  return done;
}

bool MariadbConnection::Open(const sql::Settings& settings, const sql::Server& server,
                             Deadline deadline, std::string& fault) {
  if (!SetOptions(settings, server)) {
    fault = "libmariadb refuses an option";
    return false;
  }
  const char* const host = server.local() ? nullptr : server.host.c_str();
  const char* const socket = server.local() ? server.host.c_str() : nullptr;
  MYSQL* connected = nullptr;
  const bool in_time = Drive(
      &handle_, deadline,
      [&] {
        return mysql_real_connect_start(&connected, &handle_, host, settings.user.c_str(),
                                        settings.password.c_str(), settings.database.c_str(),
                                        server.port, socket, 0);
      },
      [&](int came) { return mysql_real_connect_cont(&connected, &handle_, came); });
  broken_ = connected == nullptr || !in_time;
  if (broken_) fault = in_time ? mysql_error(&handle_) : "no connection in time";
  // After a handshake of TLS libmariadb leaves the socket one that blocks, whatever it was told.
  const int fd = mysql_get_socket(&handle_);
  if (!broken_) ::fcntl(fd, F_SETFL, ::fcntl(fd, F_GETFL) | O_NONBLOCK);
  return !broken_;
}

struct Opened {
  std::unique_ptr<MariadbConnection> connection;
  std::string fault;
};

}  // namespace

std::unique_ptr<sql::Connection> Connect(const sql::Settings& settings, const sql::Server& server,
                                         Deadline deadline, std::string& fault) {
  // libmariadb resolves names without an end, and waits within TLS's handshake as long as it likes:
  // so it has a thread that can be left behind, with copies of what it needs.
  std::optional<Opened> opened =
      plugins::DoneBy<Opened>(deadline, [settings, server, deadline]() -> Opened {
        Opened made{.connection = std::make_unique<MariadbConnection>(), .fault = ""};
        if (!made.connection->Open(settings, server, deadline, made.fault)) {
          made.connection = nullptr;
        }
        return made;
      });
  if (!opened.has_value()) {
    fault = "no connection in time";
    return nullptr;
  }
  fault = std::move(opened->fault);
  return std::move(opened->connection);
}

}  // namespace poplar::mariadb
