#include "core/app/auth_admin.h"

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "auth/users/address.h"
#include "core/app/ask_shard.h"
#include "core/base/log.h"
#include "core/server/admission.h"
#include "core/server/outcome_table.h"

namespace poplar::app {
namespace {

using auth::LinkReport;
using nlohmann::json;

// The ways in which a client could bring what was tried.
std::vector<std::string_view> MechanismsFor(auth::Probed probed) {
  switch (probed) {
    case auth::Probed::kAddress:
      return {};
    case auth::Probed::kPassword:
      return {"USER", "PLAIN", "LOGIN"};
    case auth::Probed::kToken:
    case auth::Probed::kAccount:
      return {"OAUTHBEARER", "XOAUTH2"};
  }
  return {};
}

// Whether a client would be let in that comes with what the back end found right.
server::AdmissionVerdict Judge(const LinkReport& report, const TenantRules& rules) {
  const server::AdmissionVerdict pop3 = server::JudgePop3(rules, report.principal);
  if (pop3 != server::AdmissionVerdict::kAdmitted) return pop3;
  const std::vector<std::string_view> ways = MechanismsFor(report.probed);
  const bool allowed = ways.empty() || std::ranges::any_of(ways, [&](std::string_view way) {
                         return rules.mechanisms.Contains(way);
                       });
  return allowed ? server::AdmissionVerdict::kAdmitted : server::AdmissionVerdict::kMechanismOff;
}

// What a client is told, without its line end.
std::string LineOf(pop3::LoginOutcome outcome) {
  std::string_view reply = pop3::ReplyTo(outcome);
  reply.remove_suffix(2);
  return std::string(reply);
}

void AddAdmission(const LinkReport& report, const TenantPolicies& policies, json& link) {
  const TenantRules& rules = policies.Of(report.principal.tenant).rules;
  link["mechanisms"] = rules.mechanisms.Text();
  if (!report.principal.may_log_in) {
    link["refused"] = "the account is disabled";
    link["client_hears"] = LineOf(pop3::LoginOutcome::kDisabled);
    return;
  }
  const server::AdmissionVerdict verdict = Judge(report, rules);
  const bool admitted = verdict == server::AdmissionVerdict::kAdmitted;
  link["refused"] = server::Reason(verdict);
  link["client_hears"] = admitted ? "" : LineOf(server::ToPop3(verdict));
}

json LinkToJson(const LinkReport& report, const TenantPolicies& policies) {
  json link = {{"backend", report.backend},          {"asked", auth::Name(report.probed)},
               {"says", auth::Name(report.outcome)}, {"reason", report.reason},
               {"decides", report.decides},          {"took_us", report.asked_us}};
  if (report.outcome == auth::BackendOutcome::kOk) {
    link["tenant"] = report.principal.tenant_name;
    link["account"] = report.principal.account;
    link["address"] = report.principal.address;
    link["quota"] = {{"octets", report.principal.quota.octets},
                     {"messages", report.principal.quota.messages}};
    link["from_networks"] = report.from_networks;
    AddAdmission(report, policies, link);
  }
  return link;
}

StatusOr<json> Test(const AuthAdminParts& parts, const json& arguments) {
  const auto login = arguments.at("address").get<std::string>();
  if (!auth::IsLoginName(login)) {
    return MakeStatus(StatusCode::kInvalidArgument,
                      "nobody has such a name: it is empty, too long or no UTF-8, or holds blanks "
                      "or other characters that cannot be seen");
  }
  auth::ProbedSecret tried;
  tried.kind = arguments.contains("token") ? auth::Probed::kToken : auth::Probed::kPassword;
  std::string text = arguments.value(auth::Name(tried.kind), "");
  tried.secret = base::Secret(text);
  base::Wipe(text.data(), text.size());
  const auto reports = AskFirstShard<std::vector<LinkReport>>(
      parts.shards, [&](auto& done) { parts.auth.Probe(login, std::move(tried), done); });
  const std::shared_ptr<const TenantPolicies> policies = parts.policies.Current();
  json links = json::array();
  for (const LinkReport& report : reports) links.push_back(LinkToJson(report, *policies));
  json penalties = json::array();
  for (const auth::HeldPenalty& held : parts.auth.Penalties(login)) {
    penalties.push_back({{"by", auth::Name(held.because)},
                         {"delay_ms", held.delay_ms},
                         {"lasts_s", (held.lasts_ms + 999) / 1000},
                         {"place", held.place}});
  }
  return json{{"links", std::move(links)}, {"penalties", std::move(penalties)}};
}

// Under every name that his back ends know him by: that only they can say. What was remembered of
// this one is forgotten by now, so they are asked.
StatusOr<json> FlushAccountOf(const AuthAdminParts& parts, const std::string& login) {
  const auto found = AskFirstShard<auth::ResolveResult>(
      parts.shards, [&](io::Completion<auth::ResolveResult>& done) {
        parts.auth.OnShard(ShardIndex(0)).Resolve(login, done);
      });
  const auth::Principal& owner = found.principal;
  if (found.outcome == auth::ResolveOutcome::kTemporary) return json{{"not_asked", found.reason}};
  if (found.outcome == auth::ResolveOutcome::kUnknown) return json::object();
  if (owner.account.empty()) {
    return json{{"not_asked", "it is disabled, and its back end says no more of it"}};
  }
  Status status = AskFirstShard<Status>(parts.shards, [&](auto& done) {
    parts.auth.FlushAccount(owner.tenant, owner.account, done);
  });
  if (!status.ok()) return status;
  return json{{"tenant", owner.tenant_name}, {"account", owner.account}};
}

StatusOr<json> Flush(const AuthAdminParts& parts, const json& arguments) {
  const std::string login = arguments.value("address", "");
  Status status =
      AskFirstShard<Status>(parts.shards, [&](auto& done) { parts.auth.Flush(login, done); });
  if (!status.ok()) return status;
  base::Log(base::LogLevel::kInfo, "auth_flushed", {{"user", login.empty() ? "all" : login}});
  return arguments.value("by_account", false) ? FlushAccountOf(parts, login) : json::object();
}

}  // namespace

void AddAuthHandlers(const AuthAdminParts& parts, ops::AdminHandlers& handlers) {
  handlers["auth.test"] = [parts](const json& arguments) { return Test(parts, arguments); };
  handlers["auth.flush"] = [parts](const json& arguments) { return Flush(parts, arguments); };
}

}  // namespace poplar::app
