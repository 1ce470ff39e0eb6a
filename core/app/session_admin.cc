#include "core/app/session_admin.h"

#include <charconv>
#include <set>
#include <string>
#include <string_view>
#include <utility>

#include "auth/users/address.h"

namespace poplar::app {
namespace {

using nlohmann::json;

json SessionToJson(const server::ConnectionInfo& info) {
  return {{"id", std::to_string(info.id.value())},
          {"protocol", server::Name(info.protocol)},
          {"user", info.user},
          {"login", info.login},
          {"tenant", info.tenant},
          {"peer", info.peer},
          {"proxy", info.proxy},
          {"tls", info.tls},
          {"recent", info.recent},
          {"state", info.state},
          {"age_s", info.age_ms / 1000},
          {"idle_s", info.idle_ms / 1000}};
}

// `key` as LookupKey makes it: back ends may spell an address otherwise than who logs in.
bool IsOf(const server::ConnectionInfo& info, const std::string& key) {
  return auth::LookupKey(info.user) == key || auth::LookupKey(info.login) == key;
}

// The user's sessions, and those of the same accounts by whatever names: those that he has sessions
// of, and `account` of `tenant` where somebody knows it.
uint64_t KickUser(server::Server& server, const std::string& user, const std::string& tenant,
                  const std::string& account) {
  const std::string key = auth::LookupKey(user);
  std::set<std::pair<std::string, std::string>> accounts;
  if (!account.empty()) accounts.emplace(tenant, account);
  for (server::ConnectionInfo& info : server.Sessions()) {
    if (IsOf(info, key)) accounts.emplace(std::move(info.tenant), std::move(info.account));
  }
  return server.Kick([&](const server::ConnectionInfo& info) {
    return IsOf(info, key) || accounts.contains({info.tenant, info.account});
  });
}

StatusOr<json> Kicked(uint64_t kicked, std::string_view whose) {
  if (kicked > 0) return json{{"kicked", kicked}};
  return MakeStatus(StatusCode::kNotFound, "there is no session of " + std::string(whose));
}

StatusOr<json> Kick(server::Server& server, const std::function<void()>& look_at_policies,
                    const json& arguments) {
  if (const std::string id = arguments.value("session", ""); !id.empty()) {
    uint64_t number = 0;
    const auto parsed = std::from_chars(id.data(), id.data() + id.size(), number);
    const bool whole = parsed.ec == std::errc() && parsed.ptr == id.data() + id.size();
    return Kicked(whole && server.Kick(SessionId(number)) ? 1 : 0, "id " + id);
  }
  const std::string tenant = arguments.value("tenant", "");
  if (const std::string user = arguments.value("user", ""); !user.empty()) {
    return Kicked(KickUser(server, user, tenant, arguments.value("account", "")), user);
  }
  if (!tenant.empty()) {
    look_at_policies();
    const auto is_of = [&](const server::ConnectionInfo& info) { return info.tenant == tenant; };
    return Kicked(server.Kick(is_of), "tenant " + tenant);
  }
  return MakeStatus(StatusCode::kInvalidArgument, "whose sessions?");
}

}  // namespace

void AddSessionHandlers(server::Server& server, std::function<void()> look_at_policies,
                        ops::AdminHandlers& handlers) {
  handlers["session.list"] = [&server](const json& arguments) -> StatusOr<json> {
    const std::string user = auth::LookupKey(arguments.value("user", ""));
    json sessions = json::array();
    for (const server::ConnectionInfo& info : server.Sessions()) {
      if (user.empty() || IsOf(info, user)) sessions.push_back(SessionToJson(info));
    }
    return json{{"sessions", sessions}};
  };
  handlers["session.kick"] = [&server, look = std::move(look_at_policies)](const json& arguments) {
    return Kick(server, look, arguments);
  };
}

}  // namespace poplar::app
