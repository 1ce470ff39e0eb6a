#include "auth/remote/tenant_lister.h"

#include <memory>
#include <utility>

#include "auth/remote/host_process.h"
#include "auth/remote/plugin_log.h"

namespace poplar::auth {
namespace {

StatusOr<std::vector<std::string>> Ask(HostProcess& host, uint32_t timeout_ms) {
  std::vector<std::string> tenants;
  QuestionFrame question;
  question.operation = POPLAR_LIST_TENANTS;
  question.deadline_ms = timeout_ms;
  while (true) {
    ++question.id;
    question.login = std::to_string(tenants.size());
    POP_ASSIGN_OR_RETURN(AnswerFrame answer, host.Ask(question, timeout_ms));
    if (answer.outcome == POPLAR_UNSUPPORTED) {
      return MakeStatus(StatusCode::kFailedPrecondition, answer.reason);
    }
    if (answer.outcome != POPLAR_OK) return MakeStatus(StatusCode::kUnavailable, answer.reason);
    if (answer.tenants.empty()) return tenants;
    if (tenants.size() + answer.tenants.size() > kListedTenantsMax) {
      return MakeStatus(StatusCode::kUnavailable,
                        "more than " + std::to_string(kListedTenantsMax) + " tenants");
    }
    for (std::string& tenant : answer.tenants) tenants.push_back(std::move(tenant));
  }
}

}  // namespace

StatusOr<std::vector<std::string>> ListTenants(const TenantListerOptions& options,
                                               const std::stop_token& stop) {
  POP_ASSIGN_OR_RETURN(std::unique_ptr<HostProcess> host,
                       HostProcess::Start({.spawner = options.spawner,
                                           .plugin = options.plugin,
                                           .threads = 1,
                                           .shards = 1,
                                           .start_timeout_ms = options.start_timeout_ms,
                                           .stop = stop}));
  if ((host->operations() & POPLAR_LIST_TENANTS) == 0) {
    return MakeStatus(StatusCode::kFailedPrecondition, "its plug-in knows nothing of tenants");
  }
  POP_RETURN_IF_ERROR(host->Open(0, options.settings, options.start_timeout_ms));
  StatusOr<std::vector<std::string>> tenants = Ask(*host, options.answer_timeout_ms);
  host->TakeLogs([&](const LogFrame& frame) { LogOfPlugin(host->name(), frame); });
  return tenants;
}

}  // namespace poplar::auth
