// The MariaDB plug-in's entry. auth/SQL.md tells how to configure it.

#include <mariadb/mysql.h>

#include <cstdlib>
#include <memory>
#include <string>

#include "auth/plugin.h"
#include "auth/plugins/common/entry.h"
#include "auth/plugins/mariadb/connection.h"
#include "auth/plugins/sql/accounts.h"

namespace poplar::mariadb {
namespace {

constexpr sql::Driver kDriver = {
    .dialect = sql::Dialect::kMariadb, .port = 3306, .connect = &Connect};

std::unique_ptr<sql::Accounts> MakeAccounts(const poplar_setting* settings, const poplar_host& host,
                                            std::string& fault) {
  return sql::Accounts::Make(settings, kDriver, host, fault);
}

// The back end's settings are all there is; of files libmariadb reads none that it is not told to.
// Before the process has a second thread.
bool Prepare() {
  for (const char* name :
       {"LIBMYSQL_PLUGINS", "MARIADB_PLUGIN_DIR", "MARIADB_TLS_DISABLE_PEER_VERIFICATION",
        "MYSQL_PWD", "MYSQL_TCP_PORT", "MARIADB_UNIX_PORT", "MYSQL_UNIX_PORT"}) {
    ::unsetenv(name);
  }
  return mysql_library_init(0, nullptr, nullptr) == 0;
}

}  // namespace
}  // namespace poplar::mariadb

extern "C" const poplar_plugin* poplar_plugin_entry() {
  static const bool once = poplar::mariadb::Prepare();
  static_cast<void>(once);
  static const poplar_plugin plugin =
      poplar::plugins::PluginOf<poplar::sql::Accounts, &poplar::mariadb::MakeAccounts>(
          "mariadb", poplar::sql::kOperations);
  return &plugin;
}
