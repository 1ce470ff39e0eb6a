#include "core/app/policy_watch.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "core/base/log.h"
#include "core/base/login_domain.h"

namespace poplar::app {

namespace {

using Clock = std::chrono::steady_clock;

// Between two looks, however long one takes.
constexpr std::chrono::milliseconds kRestMin{100};
// Thousands of files of tenants take seconds to be read, where the disk is slow.
constexpr std::chrono::seconds kLookNowMax{10};

// What a tenant has none of its own of.
void FillLimits(const tenant::TenantLimitsConfig& limits, TenantPolicies& policies) {
  const auto fill = [](uint32_t& own, uint32_t of_all) {
    if (own == 0) own = of_all;
  };
  for (auto& [id, policy] : policies.by_tenant) {
    fill(policy.rules.sessions_max, limits.sessions_max);
    fill(policy.rules.sessions_per_address_max, limits.sessions_per_address_max);
    fill(policy.rules.logins_per_minute, limits.logins_per_minute);
    fill(policy.rules.deliveries_per_minute, limits.deliveries_per_minute);
    fill(policy.rules.egress_kib_per_s, limits.egress_kib_per_s);
  }
}

}  // namespace

StatusOr<std::unique_ptr<PolicyWatch>> PolicyWatch::Start(PolicyWatchOptions options,
                                                          PolicyBoard& board) {
  std::unique_ptr<PolicyWatch> watch(new PolicyWatch(std::move(options), board));
  POP_RETURN_IF_ERROR(watch->Look());
  watch->thread_ =
      std::jthread([raw = watch.get()](const std::stop_token& stop) { raw->Run(stop); });
  return watch;
}

void PolicyWatch::Run(const std::stop_token& stop) {
  std::unique_lock<std::mutex> lock(looks_mutex_);
  // From begin to begin: what was written while thousands of files were read does not wait once
  // more as long.
  Clock::time_point next = Clock::now() + options_.period;
  for (;;) {
    looks_.wait_until(lock, stop, next, [this] { return look_wanted_; });
    if (stop.stop_requested()) return;
    const Clock::time_point began = Clock::now();
    look_wanted_ = false;
    ++looks_begun_;
    lock.unlock();
    // Authentication, which reads the same file every second, tells of its faults.
    if (!Look().ok()) database_.reset();
    lock.lock();
    ++looks_ended_;
    looks_.notify_all();
    next = std::max(began + options_.period, Clock::now() + std::min(kRestMin, options_.period));
  }
}

void PolicyWatch::LookNow() {
  std::unique_lock<std::mutex> lock(looks_mutex_);
  // One that is under way may have read before the change that is asked for.
  const uint64_t wanted = looks_begun_ + 1;
  look_wanted_ = true;
  looks_.notify_all();
  looks_.wait_for(lock, kLookNowMax, [&] { return looks_ended_ >= wanted; });
}

void PolicyWatch::SetLimits(const tenant::TenantLimitsConfig& limits) {
  const std::lock_guard lock(limits_mutex_);
  limits_ = limits;
  limits_changed_ = true;
}

void PolicyWatch::Register(base::MetricRegistry& registry) const {
  registry.Add(tenant_files_.wrong(), "poplar_tenant_files_wrong",
               "Files of users.tenants that are wrong; their tenants stay as they were.");
}

Status PolicyWatch::Look() {
  tenant::TenantLimitsConfig limits;
  {
    const std::lock_guard lock(limits_mutex_);
    limits = limits_;
    // The database tells policies again only when it is opened again.
    if (std::exchange(limits_changed_, false)) database_.reset();
  }
  POP_ASSIGN_OR_RETURN(const auth::FileIdentity file, auth::IdentityOf(options_.database_path));
  if (!database_ || file != file_) {
    POP_ASSIGN_OR_RETURN(database_, auth::UserDatabase::Open(options_.database_path));
    POP_ASSIGN_OR_RETURN(tenants_, auth::UserDatabase::Open(options_.database_path));
    file_ = file;
  }
  // What files say is for another time where the database cannot take it now.
  const Status looked = tenant_files_.Look(*tenants_);
  if (!looked.ok()) {
    base::Log(base::LogLevel::kWarning, "tenant_files_wait", {{"reason", Message(looked)}});
  }
  POP_ASSIGN_OR_RETURN(std::optional<TenantPolicies> policies, database_->TakePolicies());
  if (!policies.has_value()) return OkStatus();
  FillLimits(limits, *policies);
  if (*policies == *board_.Current()) return OkStatus();
  const size_t tenants = policies->by_tenant.size();
  board_.Publish(std::make_shared<TenantPolicies>(std::move(*policies)));
  base::Log(base::LogLevel::kInfo, "policies_changed", {{"tenants", tenants}});
  TellHostClashes();
  return OkStatus();
}

void PolicyWatch::TellHostClashes() {
  std::set<std::string> clashes;
  for (const HostClash& clash : HostClashesOf(*board_.Current())) {
    const std::string why = clash.Why();
    if (!host_clashes_told_.contains(why)) {
      base::Log(base::LogLevel::kWarning, "tenant_host_lost",
                {{"tenant", clash.tenant}, {"host", clash.host}, {"reason", why}});
    }
    clashes.insert(why);
  }
  host_clashes_told_ = std::move(clashes);
}

}  // namespace poplar::app
