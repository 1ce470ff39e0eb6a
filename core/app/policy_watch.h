// Brings what the user database says of tenants to those who go by it: reads the policies of all
// when the database changed, by whatever process, and publishes them. Before that it brings the
// database up to what files say of tenants.
//
// On a thread of its own, since it waits for the disk. While the database cannot be read, what was
// published last goes on. A tenant without a limit of its own has that of [tenant_limits].

#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>

#include "auth/users/file_identity.h"
#include "auth/users/user_database.h"
#include "core/app/tenant_files.h"
#include "core/app/tenant_sources.h"
#include "core/base/mail_policy.h"
#include "core/base/metrics.h"
#include "core/base/status.h"
#include "core/tenant/config.h"

namespace poplar::app {

struct PolicyWatchOptions {
  std::string database_path;
  std::string tenant_folder = {};    // Empty: none.
  std::string tenants_backend = {};  // That tells tenants, too; empty: none.
  tenant::TenantLimitsConfig limits = {};
  std::chrono::milliseconds period{1000};
};

class PolicyWatch {
 public:
  // Has published once when it returns, so that nobody serves without. Errors as
  // UserDatabase::Open. `board` outlives this.
  static StatusOr<std::unique_ptr<PolicyWatch>> Start(PolicyWatchOptions options,
                                                      PolicyBoard& board);
  PolicyWatch(const PolicyWatch&) = delete;
  PolicyWatch& operator=(const PolicyWatch&) = delete;
  ~PolicyWatch() = default;

  // Holds within a period. Any thread.
  void SetLimits(const tenant::TenantLimitsConfig& limits);

  // Returns when what the database says now is published, or could not be read, or after ten
  // seconds. Any other thread.
  void LookNow();

  // REQUIRES: this object outlives the registry's last reader.
  void Register(base::MetricRegistry& registry) const;

 private:
  PolicyWatch(PolicyWatchOptions options, PolicyBoard& board)
      : options_(std::move(options)),
        board_(board),
        tenant_files_(options_.tenant_folder, {KindOfBackend(options_.tenants_backend)}),
        limits_(options_.limits) {}

  void Run(const std::stop_token& stop);
  Status Look();
  // Each once, when it comes into force.
  void TellHostClashes();

  const PolicyWatchOptions options_;
  PolicyBoard& board_;
  TenantFiles tenant_files_;
  // Null after a fault. Two, as each is told only of what others write.
  std::unique_ptr<auth::UserDatabase> database_;
  std::unique_ptr<auth::UserDatabase> tenants_;
  auth::FileIdentity file_;  // That database_ has open.
  std::set<std::string> host_clashes_told_;
  std::mutex looks_mutex_;
  std::condition_variable_any looks_;  // Of what follows, which goes with the mutex.
  uint64_t looks_begun_ = 0;
  uint64_t looks_ended_ = 0;
  bool look_wanted_ = false;
  std::mutex limits_mutex_;
  tenant::TenantLimitsConfig limits_;  // With the mutex, as the next.
  bool limits_changed_ = false;
  std::jthread thread_;  // Last: it ends before what it uses.
};

}  // namespace poplar::app
