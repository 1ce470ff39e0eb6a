#include "core/app/session_admin.h"

#include <charconv>
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
  if (const std::string tenant = arguments.value("tenant", ""); !tenant.empty()) {
    look_at_policies();
    const auto is_of = [&](const server::ConnectionInfo& info) { return info.tenant == tenant; };
    return Kicked(server.Kick(is_of), "tenant " + tenant);
  }
  const std::string user = arguments.at("user").get<std::string>();
  if (user.empty()) return MakeStatus(StatusCode::kInvalidArgument, "whose sessions?");
  const std::string key = auth::LookupKey(user);
  return Kicked(server.Kick([&](const server::ConnectionInfo& info) { return IsOf(info, key); }),
                user);
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
