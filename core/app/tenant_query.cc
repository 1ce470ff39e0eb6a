#include "core/app/tenant_query.h"

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <set>
#include <utility>

#include "core/base/clock.h"
#include "core/base/log.h"
#include "core/tenant/tenant_lines.h"

namespace poplar::app {

StatusOr<std::unique_ptr<TenantQuery>> TenantQuery::Start(TenantQueryOptions options) {
  std::unique_ptr<TenantQuery> query(new TenantQuery(std::move(options)));
  const Status looked = query->Look({});
  if (looked.code() == StatusCode::kInvalidArgument ||
      looked.code() == StatusCode::kFailedPrecondition) {
    return MakeStatus(StatusCode::kInvalidArgument, "users.tenants_backend: back end " +
                                                        query->options_.backend + ": " +
                                                        std::string(Message(looked)));
  }
  query->CountFailure(looked);
  query->thread_ =
      std::jthread([raw = query.get()](const std::stop_token& stop) { raw->Run(stop); });
  return query;
}

void TenantQuery::Register(base::MetricRegistry& registry) const {
  registry.Add(failures_, "poplar_tenant_query_failures_total",
               "Times that users.tenants_backend could not say which tenants there are.");
  registry.Add(tenants_, "poplar_tenant_query_tenants",
               "Tenants that users.tenants_backend told last.");
  registry.Add(faulty_, "poplar_tenant_query_faulty_tenants",
               "Of these, tenants that stay as they were because what was told is wrong.");
  registry.Add(success_s_, "poplar_tenant_query_success_seconds",
               "When users.tenants_backend was last heard of (Unix time).");
}

void TenantQuery::Run(const std::stop_token& stop) {
  std::mutex mutex;
  std::condition_variable_any wake;
  std::unique_lock<std::mutex> lock(mutex);
  while (!wake.wait_for(lock, stop, options_.period, [&] { return stop.stop_requested(); })) {
    const Status looked = Look(stop);
    if (!stop.stop_requested()) CountFailure(looked);
  }
}

Status TenantQuery::Look(const std::stop_token& stop) {
  POP_ASSIGN_OR_RETURN(const std::vector<std::string> listed,
                       auth::ListTenants(options_.lister, stop));
  // Nobody has lost all his customers at once: it is an empty copy of the database, or another one.
  if (listed.empty()) return MakeStatus(StatusCode::kUnavailable, "there is no tenant in it");
  POP_RETURN_IF_ERROR(Sync(listed));
  success_s_.Set(base::SystemClock().WallUs() / 1'000'000);
  return OkStatus();
}

Status TenantQuery::Sync(const std::vector<std::string>& listed) {
  std::vector<TenantSpec> specs;
  std::set<std::string> untouched;
  std::vector<std::string> faults;
  for (const std::string& lines : listed) {
    TenantSpec spec;
    const Status parsed = tenant::ParseTenantLines(lines, spec);
    spec.source = kind_ + spec.name;
    if (parsed.ok()) {
      specs.push_back(std::move(spec));
    } else {
      untouched.insert(spec.source);
      faults.emplace_back(Message(parsed));
    }
  }
  POP_ASSIGN_OR_RETURN(const std::unique_ptr<auth::UserDatabase> database,
                       auth::UserDatabase::Open(options_.database_path));
  POP_ASSIGN_OR_RETURN(
      const std::vector<auth::TenantFault> refused,
      database->SyncTenants(kind_, specs, untouched, {KindOfFiles(options_.tenant_folder)}));
  for (const auth::TenantFault& fault : refused) faults.push_back(fault.ToString());
  tenants_.Set(static_cast<int64_t>(listed.size()));
  faulty_.Set(static_cast<int64_t>(faults.size()));
  Tell(std::move(faults));
  return OkStatus();
}

// Each fault once, as long as it lasts.
void TenantQuery::Tell(std::vector<std::string> faults) {
  std::ranges::sort(faults);
  for (const std::string& fault : faults) {
    if (std::ranges::binary_search(told_, fault)) continue;
    base::Log(base::LogLevel::kError, "tenant_row_wrong",
              {{"backend", options_.backend}, {"reason", fault}});
  }
  told_ = std::move(faults);
}

void TenantQuery::CountFailure(const Status& why) {
  if (why.ok()) {
    if (!std::exchange(told_failure_, "").empty()) {
      base::Log(base::LogLevel::kInfo, "tenant_query_back", {{"backend", options_.backend}});
    }
    return;
  }
  failures_.Add();
  if (told_failure_ == Message(why)) return;
  told_failure_ = Message(why);
  base::Log(base::LogLevel::kError, "tenant_query_failed",
            {{"backend", options_.backend}, {"reason", told_failure_}});
}

}  // namespace poplar::app
