// What [backend.NAME] says of a database, read and checked. auth/SQL.md describes each setting.

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "auth/plugin.h"
#include "auth/plugins/common/settings_reader.h"
#include "auth/plugins/sql/driver.h"
#include "auth/plugins/sql/query.h"

namespace poplar::sql {

struct Server {
  std::string name;  // As it was written, for logs.
  std::string host;  // Or the path of a Unix socket.
  uint16_t port = 0;
  bool tls = true;

  bool local() const { return host.starts_with('/'); }
};

struct Settings {
  std::vector<Server> servers;   // The first that works is asked.
  std::vector<Server> replicas;  // Asked before them, in turn.
  std::string ca_file = plugins::kSystemCaFile;
  std::string database;
  std::string user;
  std::string password;
  Query user_query;
  std::string tenant_query;  // Empty: it knows nothing of tenants.
  plugins::Limits limits;    // For the servers, and the same for the replicas.
};

// nullopt: `fault` is a sentence about the first setting that is wrong, missing or not known. Reads
// the files that settings name.
std::optional<Settings> ReadSettings(const poplar_setting* settings, const Driver& driver,
                                     std::string& fault);

}  // namespace poplar::sql
