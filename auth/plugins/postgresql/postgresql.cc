// The PostgreSQL plug-in's entry. auth/SQL.md tells how to configure it.

#include <libpq-fe.h>

#include <cstdlib>
#include <memory>
#include <string>

#include "auth/plugin.h"
#include "auth/plugins/common/entry.h"
#include "auth/plugins/postgresql/connection.h"
#include "auth/plugins/sql/accounts.h"

namespace poplar::postgresql {
namespace {

constexpr sql::Driver kDriver = {
    .dialect = sql::Dialect::kPostgresql, .port = 5432, .connect = &Connect};

std::unique_ptr<sql::Accounts> MakeAccounts(const poplar_setting* settings, const poplar_host& host,
                                            std::string& fault) {
  return sql::Accounts::Make(settings, kDriver, host, fault);
}

// libpq reads the environment for whatever it was not told: the back end's settings are all there
// is. Before the process has a second thread.
bool ForgetEnvironment() {
  PQconninfoOption* const options = PQconndefaults();
  for (const PQconninfoOption* one = options; one != nullptr && one->keyword != nullptr; ++one) {
    if (one->envvar != nullptr) ::unsetenv(one->envvar);
  }
  PQconninfoFree(options);
  ::unsetenv("PGSERVICEFILE");
  ::unsetenv("PGSYSCONFDIR");
  return true;
}

}  // namespace
}  // namespace poplar::postgresql

extern "C" const poplar_plugin* poplar_plugin_entry() {
  static const bool once = poplar::postgresql::ForgetEnvironment();
  static_cast<void>(once);
  static const poplar_plugin plugin =
      poplar::plugins::PluginOf<poplar::sql::Accounts, &poplar::postgresql::MakeAccounts>(
          "postgresql", poplar::sql::kOperations);
  return &plugin;
}
