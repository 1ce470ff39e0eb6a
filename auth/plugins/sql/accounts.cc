#include "auth/plugins/sql/accounts.h"

#include <charconv>
#include <optional>
#include <utility>

#include "auth/plugins/common/placeholders.h"
#include "auth/plugins/sql/tenant_rows.h"

namespace poplar::sql {
namespace {

using plugins::Deadline;
using plugins::Servers;
using plugins::Tried;

std::vector<std::string> NamesOf(const std::vector<Server>& servers) {
  std::vector<std::string> names;
  names.reserve(servers.size());
  for (const Server& server : servers) names.push_back(server.name);
  return names;
}

}  // namespace

Accounts::Group::Group(const std::vector<Server>& list, Servers::Order order,
                       const Settings& settings, const Driver& driver, const poplar_host& host)
    : servers(NamesOf(list), order, host),
      pool(servers, settings.limits,
           [&list, &settings, &driver](size_t server, Deadline deadline, std::string& fault) {
             return driver.connect(settings, list[server],
                                   plugins::Within(settings.limits.connect_timeout_ms, deadline),
                                   fault);
           }) {}

Reply Accounts::Group::Ask(const std::string& query, const std::vector<std::string>& values,
                           size_t rows_max, Deadline deadline) {
  Reply reply;
  const Tried tried = pool.Run(deadline, [&](Connection& one, Deadline until) {
    reply = one.Ask(query, values, rows_max, until);
    return reply.tried;
  });
  // What came of all tries, where no connection came about too.
  reply.tried = tried;
  return reply;
}

std::unique_ptr<Accounts> Accounts::Make(const poplar_setting* settings, const Driver& driver,
                                         const poplar_host& host, std::string& fault) {
  std::optional<Settings> read = ReadSettings(settings, driver, fault);
  if (!read.has_value()) return nullptr;
  return std::make_unique<Accounts>(std::move(*read), driver, host);
}

Accounts::Accounts(Settings settings, const Driver& driver, const poplar_host& host)
    : settings_(std::move(settings)),
      host_(host),
      primaries_(settings_.servers, Servers::Order::kListed, settings_, driver, host) {
  if (settings_.replicas.empty()) return;
  replicas_ =
      std::make_unique<Group>(settings_.replicas, Servers::Order::kSpread, settings_, driver, host);
}

poplar_outcome Accounts::Ask(const poplar_question& question, poplar_answer* answer) {
  const Question asked(host_, question, answer);
  if (asked.operation() == POPLAR_LIST_TENANTS) return ListTenants(asked);
  UserRow user;
  if (const poplar_outcome found = Find(asked, user); found != POPLAR_OK) return found;
  poplar_outcome outcome = Describe(asked, user);
  if (outcome == POPLAR_OK) outcome = HandOut(asked, user);
  if (outcome != POPLAR_OK) return outcome;
  // Whoever may not log in still gets mail, as everywhere in Poplar.
  const bool for_mail = asked.operation() == POPLAR_RESOLVE && asked.mechanism().empty();
  if (user.disabled && !for_mail) return asked.Say(POPLAR_DISABLED, "account disabled");
  return POPLAR_OK;
}

poplar_outcome Accounts::Find(const Question& asked, UserRow& user) {
  if (!plugins::IsUtf8(asked.login())) return asked.Say(POPLAR_UNKNOWN, "the name is not UTF-8");
  const auto values = settings_.user_query.Values(asked.login());
  if (!values.has_value()) return asked.Say(POPLAR_UNKNOWN, "the name lacks a part");
  const Reply reply = Query(asked, *values);
  if (!reply.tried.answered()) return asked.Say(reply.tried.outcome(), reply.tried.why);
  if (!reply.refusal.empty()) {
    return asked.Say(POPLAR_TEMPORARY, "user_query is refused: " + reply.refusal);
  }
  if (reply.rows.empty()) return asked.Say(POPLAR_UNKNOWN, "unknown user");
  if (reply.rows.size() > 1) {
    return asked.Say(POPLAR_TEMPORARY, "user_query gives more than one row for this name");
  }
  std::string fault;
  std::optional<UserRow> read = ReadUserRow(reply.rows[0], fault);
  if (!read.has_value()) return asked.Say(POPLAR_TEMPORARY, "user_query's row: " + fault);
  user = std::move(*read);
  return POPLAR_OK;
}

Reply Accounts::Query(const Question& asked, const std::vector<std::string>& values) {
  const std::string& query = settings_.user_query.text();
  if (replicas_ != nullptr) {
    Reply reply =
        replicas_->Ask(query, values, kUserRowsMax, plugins::ShareOf(asked.deadline(), 2));
    // A replica may lag: mail for somebody who is new must not bounce for that.
    if (reply.tried.answered() && !reply.rows.empty()) return reply;
  }
  return primaries_.Ask(query, values, kUserRowsMax, asked.deadline());
}

poplar_outcome Accounts::ListTenants(const Question& asked) {
  if (settings_.tenant_query.empty()) {
    return asked.Say(POPLAR_UNSUPPORTED, "tenant_query is missing");
  }
  const std::lock_guard<std::mutex> lock(tenants_mutex_);
  size_t told = 0;
  const std::string_view from = asked.login();
  std::from_chars(from.data(), from.data() + from.size(), told);
  if (told == 0) {
    const Reply reply =
        primaries_.Ask(settings_.tenant_query, {}, kTenantRowsMax + 1, asked.deadline());
    if (!reply.tried.answered()) return asked.Say(reply.tried.outcome(), reply.tried.why);
    if (!reply.refusal.empty()) {
      return asked.Say(POPLAR_TEMPORARY, "tenant_query is refused: " + reply.refusal);
    }
    std::string fault;
    tenants_ = TenantsOf(reply.rows, fault);
    if (!fault.empty()) return asked.Say(POPLAR_TEMPORARY, "tenant_query: " + fault);
  }
  const size_t first = told;
  while (told < tenants_.size() && asked.Set(POPLAR_TENANT, tenants_[told])) ++told;
  if (told == first && told < tenants_.size()) {
    // A line that is no setting makes it a faulty one, and only that one.
    const std::string name = tenants_[told].substr(0, tenants_[told].find('\n') + 1);
    asked.Set(POPLAR_TENANT, name + "it has more domains than an answer can hold\n");
  }
  return POPLAR_OK;
}

poplar_outcome Accounts::HandOut(const Question& asked, const UserRow& user) const {
  switch (asked.operation()) {
    case POPLAR_RESOLVE:
      return POPLAR_OK;
    case POPLAR_VERIFY_PASSWORD:
      if (!user.has_password_column) {
        return asked.Say(POPLAR_TEMPORARY, "user_query gives no column password");
      }
      if (!user.password.has_value()) return asked.Say(POPLAR_REFUSED, "no password is set");
      asked.Set(POPLAR_STORED_PASSWORD, *user.password);
      return POPLAR_OK;
    case POPLAR_FETCH_VERIFIER:
      // Whether it serves the mechanism, Poplar finds out.
      if (!user.password.has_value()) return asked.Say(POPLAR_UNSUPPORTED, "nothing is stored");
      asked.Set(POPLAR_VERIFIER, *user.password);
      return POPLAR_OK;
    default:
      return POPLAR_UNSUPPORTED;
  }
}

poplar_outcome Accounts::Describe(const Question& asked, const UserRow& user) const {
  if (!asked.Set(POPLAR_ACCOUNT, user.account)) {
    return asked.Say(POPLAR_TEMPORARY, "column account is too long");
  }
  if (user.address.has_value()) asked.Set(POPLAR_ADDRESS, *user.address);
  const std::string whose = "the row of " + std::string(asked.login());
  if (user.quota_octets.has_value()) {
    asked.SetQuota(POPLAR_QUOTA_OCTETS, *user.quota_octets, whose + ": quota_octets");
  }
  if (user.quota_messages.has_value()) {
    asked.SetQuota(POPLAR_QUOTA_MESSAGES, *user.quota_messages, whose + ": quota_messages");
  }
  return POPLAR_OK;
}

}  // namespace poplar::sql
