#include "auth/plugins/sql/settings.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "auth/plugins/common/dial.h"

namespace poplar::sql {
namespace {

using plugins::SettingsReader;

// "HOST", "HOST:PORT", "[::1]:PORT", "/PATH", "/PATH:PORT".
std::optional<Server> ParseServer(const std::string& text, uint16_t default_port) {
  Server server{.name = text, .host = text, .port = default_port};
  std::string port;
  const size_t bracket = text.starts_with('[') ? text.find(']') : std::string::npos;
  const size_t colon = text.find(':', bracket == std::string::npos ? 0 : bracket);
  if (colon != std::string::npos) {
    server.host = text.substr(0, colon);
    port = text.substr(colon + 1);
    const auto read = std::from_chars(port.data(), port.data() + port.size(), server.port);
    if (read.ec != std::errc() || read.ptr != port.data() + port.size() || server.port == 0) {
      return std::nullopt;
    }
  }
  if (bracket != std::string::npos) {
    if (!server.host.ends_with(']')) return std::nullopt;
    server.host = server.host.substr(1, server.host.size() - 2);
  }
  if (server.host.empty() || server.host.find_first_of("[]@, ") != std::string::npos ||
      (!server.local() && server.host.find('/') != std::string::npos)) {
    return std::nullopt;
  }
  return server;
}

void ReadServers(SettingsReader& reader, const std::string& name, bool tls, uint16_t default_port,
                 std::vector<Server>& to) {
  for (const std::string& text : reader.List(name)) {
    std::optional<Server> server = ParseServer(text, default_port);
    if (!server.has_value()) {
      return reader.Fault(name + ": \"" + text +
                          "\" is not as \"db1.example.net\", \"db1.example.net:1234\", \"[::1]\" "
                          "or \"/run/socket\"");
    }
    server->tls = tls && !server->local();
    if (!server->tls && !server->local() && !plugins::IsLoopback(server->host)) {
      reader.Fault(name + ": passwords would travel to " + text +
                   " in clear: tls = false is for this machine only");
    }
    to.push_back(std::move(*server));
  }
}

}  // namespace

std::optional<Settings> ReadSettings(const poplar_setting* settings, const Driver& driver,
                                     std::string& fault) {
  SettingsReader reader(settings, "auth/SQL.md", fault);
  Settings read;
  bool tls = true;
  reader.Truth("tls", tls);
  ReadServers(reader, "server", tls, driver.port, read.servers);
  ReadServers(reader, "replica", tls, driver.port, read.replicas);
  if (read.servers.empty()) reader.Fault("server is missing: as \"db1.example.net\"");
  reader.CaFile(std::ranges::any_of(read.servers, &Server::tls) ||
                    std::ranges::any_of(read.replicas, &Server::tls),
                read.ca_file);
  reader.Text("database", read.database);
  reader.Text("user", read.user);
  reader.Secret("password", read.password);
  if (read.database.empty()) reader.Fault("database is missing");
  if (read.user.empty()) reader.Fault("user is missing: as whom to log in at the server");
  std::string why;
  const std::string text = reader.Text("user_query").value_or("");
  const std::optional<Query> query = Query::Parse(text, driver.dialect, why);
  if (text.empty()) {
    reader.Fault(
        "user_query is missing: as \"SELECT id AS account, password FROM users WHERE "
        "address = %{login}\"");
  } else if (query.has_value()) {
    read.user_query = *query;
  } else {
    reader.Fault("user_query: " + why);
  }
  reader.Text("tenant_query", read.tenant_query);
  reader.Times(read.limits);
  reader.NothingElse();
  if (!reader.ok()) return std::nullopt;
  return read;
}

}  // namespace poplar::sql
