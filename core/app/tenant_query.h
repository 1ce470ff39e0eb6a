// Keeps the user database's tenants as a provider's own database says: asks the back end that
// users.tenants_backend names again and again, and hands all of it on. A tenant that is told
// wrongly stays as it was, and so do all while the back end cannot be asked.
//
// On a thread of its own, since a database may take its time.

#pragma once

#include <chrono>
#include <memory>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "auth/remote/tenant_lister.h"
#include "auth/users/user_database.h"
#include "core/app/tenant_sources.h"
#include "core/base/metrics.h"
#include "core/base/status.h"

namespace poplar::app {

struct TenantQueryOptions {
  std::string database_path;
  std::string backend;             // As the configuration calls it.
  std::string tenant_folder = {};  // Whose files tell tenants, too; empty: none.
  auth::TenantListerOptions lister;
  std::chrono::milliseconds period{30'000};
};

class TenantQuery {
 public:
  // Has asked once when it returns. kInvalidArgument: the back end is not fit for it, in a
  // sentence. One that cannot be asked now is asked again later.
  static StatusOr<std::unique_ptr<TenantQuery>> Start(TenantQueryOptions options);
  TenantQuery(const TenantQuery&) = delete;
  TenantQuery& operator=(const TenantQuery&) = delete;
  ~TenantQuery() = default;

  void Register(base::MetricRegistry& registry) const;

 private:
  explicit TenantQuery(TenantQueryOptions options)
      : options_(std::move(options)), kind_(KindOfBackend(options_.backend)) {}

  void Run(const std::stop_token& stop);
  Status Look(const std::stop_token& stop);
  Status Sync(const std::vector<std::string>& listed);
  void Tell(std::vector<std::string> faults);
  void CountFailure(const Status& why);

  const TenantQueryOptions options_;
  const std::string kind_;         // Sources of its tenants begin so.
  std::vector<std::string> told_;  // Faults that the log has.
  std::string told_failure_;       // Empty: the last look was well.
  base::Counter failures_;
  base::Gauge tenants_;
  base::Gauge faulty_;
  base::Gauge success_s_;
  std::jthread thread_;  // Last: it ends before what it uses.
};

}  // namespace poplar::app
