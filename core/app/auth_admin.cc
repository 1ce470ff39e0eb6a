#include "core/app/auth_admin.h"

#include <string>
#include <utility>
#include <vector>

#include "core/app/ask_shard.h"
#include "core/base/limits.h"
#include "core/base/log.h"

namespace poplar::app {
namespace {

using auth::LinkReport;
using nlohmann::json;

json ToJson(const LinkReport& report) {
  json link = {{"backend", report.backend},
               {"asked", auth::Name(report.probed)},
               {"says", auth::Name(report.outcome)},
               {"reason", report.reason},
               {"took_us", report.asked_us}};
  if (report.outcome == auth::BackendOutcome::kOk) {
    link["tenant"] = report.principal.tenant_name;
    link["account"] = report.principal.account;
    link["address"] = report.principal.address;
    link["quota"] = {{"octets", report.principal.quota.octets},
                     {"messages", report.principal.quota.messages}};
  }
  return link;
}

StatusOr<json> Test(io::ShardSet& shards, auth::AuthService& auth, const json& arguments) {
  const auto login = arguments.at("address").get<std::string>();
  if (login.empty() || login.size() > kAddressBytesMax) {
    return MakeStatus(StatusCode::kInvalidArgument, "no address can be like that");
  }
  auth::ProbedSecret tried;
  tried.kind = arguments.contains("token") ? auth::Probed::kToken : auth::Probed::kPassword;
  std::string text = arguments.value(auth::Name(tried.kind), "");
  tried.secret = base::Secret(text);
  base::Wipe(text.data(), text.size());
  const auto reports = AskFirstShard<std::vector<LinkReport>>(
      shards, [&](auto& done) { auth.Probe(login, std::move(tried), done); });
  json links = json::array();
  for (const LinkReport& report : reports) links.push_back(ToJson(report));
  return json{{"links", std::move(links)}};
}

StatusOr<json> Flush(io::ShardSet& shards, auth::AuthService& auth, const json& arguments) {
  const std::string login = arguments.value("address", "");
  Status status = AskFirstShard<Status>(shards, [&](auto& done) { auth.Flush(login, done); });
  if (!status.ok()) return status;
  base::Log(base::LogLevel::kInfo, "auth_flushed", {{"user", login.empty() ? "all" : login}});
  return json::object();
}

}  // namespace

void AddAuthHandlers(io::ShardSet& shards, auth::AuthService& auth, ops::AdminHandlers& handlers) {
  handlers["auth.test"] = [&](const json& arguments) { return Test(shards, auth, arguments); };
  handlers["auth.flush"] = [&](const json& arguments) { return Flush(shards, auth, arguments); };
}

}  // namespace poplar::app
