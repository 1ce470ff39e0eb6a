#include "auth/service/auth_service.h"

#include <chrono>
#include <thread>
#include <utility>

#include "auth/service/change_watch.h"
#include "auth/service/login_source.h"
#include "auth/service/shard_auth.h"
#include "auth/users/address.h"
#include "core/base/check.h"

namespace poplar::auth {

AuthService::AuthService(const AuthServiceOptions& options, io::ShardSet& shards,
                         const AuthPools& pools, std::vector<BackendSource> chain,
                         const PolicyBoard* tenants) {
  POP_CHECK(pools.hash != nullptr && pools.lookup != nullptr && pools.hashers != nullptr);
  context_ = std::make_unique<AuthContext>(options, shards, pools, std::move(chain), tenants);
  shards.RunOnEach([this](io::Shard& shard) {
    context_->on_shard[shard.index().value()] = std::make_unique<ShardAuthImpl>(*context_, shard);
  });
  // Only when every shard can be told.
  shards.RunOn(ShardIndex(0), [this](io::Shard&) {
    watch_ = std::make_unique<ChangeWatch>(*context_, *context_->on_shard[0]);
    watch_->Begin();
  });
}

AuthService::~AuthService() {
  context_->shards.RunOn(ShardIndex(0), [this](io::Shard&) { watch_->Stop(); });
  while (!Idle()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  context_->shards.RunOn(ShardIndex(0), [this](io::Shard&) { watch_.reset(); });
  context_->shards.RunOnEach(
      [this](io::Shard& shard) { context_->on_shard[shard.index().value()].reset(); });
}

bool AuthService::Idle() {
  bool idle = true;
  context_->shards.RunOnEach([&](io::Shard& shard) {
    if (shard.index() == ShardIndex(0) && !watch_->idle()) idle = false;
    if (!context_->on_shard[shard.index().value()]->idle()) idle = false;
  });
  return idle;
}

ShardAuth& AuthService::OnShard(ShardIndex index) { return *context_->on_shard[index.value()]; }

void AuthService::Flush(const std::string& login, io::Completion<Status>& done) {
  BackendChanges changes;
  changes.everything = changes.standby = login.empty();
  if (!login.empty()) {
    changes.logins.push_back(LookupKey(login));
    changes.addresses = changes.logins;
  }
  Forget(std::move(changes), done);
}

void AuthService::FlushAccount(TenantId tenant, const std::string& account,
                               io::Completion<Status>& done) {
  BackendChanges changes;
  changes.accounts.emplace_back(tenant, account);
  Forget(std::move(changes), done);
}

void AuthService::Forget(BackendChanges changes, io::Completion<Status>& done) {
  io::Shard* here = io::Shard::Current();
  POP_CHECK(here != nullptr);
  context_->on_shard[here->index().value()]->ForgetEverywhere(std::move(changes), done);
}

void AuthService::Probe(const std::string& login, ProbedSecret tried,
                        io::Completion<std::vector<LinkReport>>& done) {
  io::Shard* here = io::Shard::Current();
  POP_CHECK(here != nullptr);
  context_->on_shard[here->index().value()]->Probe(LookupKey(login), std::move(tried), done);
}

std::vector<HeldPenalty> AuthService::Penalties(const std::string& login) const {
  LoginHasher hasher(context_->key);
  const LoginSource source = SourceOf(hasher, LookupKey(login), /*address=*/"");
  return context_->throttle.Held(source.user, source.tenant, base::SystemClock().MonotonicUs());
}

void AuthService::Register(base::MetricRegistry& registry) const {
  for (const auto& on_shard : context_->on_shard) on_shard->Register(registry);
  registry.AddComputed(
      base::MetricRegistry::Kind::kCounter,
      [hashers = context_->pools.hashers] { return static_cast<double>(hashers->computations()); },
      "poplar_auth_hashes_total", "Password hashes computed.");
  registry.AddComputed(
      base::MetricRegistry::Kind::kCounter,
      [hashers = context_->pools.hashers] { return static_cast<double>(hashers->rehashed()); },
      "poplar_auth_rehashed_total",
      "Stored hashes replaced by ones of the configured scheme, after a log-in.");
  registry.AddComputed(
      base::MetricRegistry::Kind::kCounter,
      [this] { return static_cast<double>(context_->throttle.known_forgotten()); },
      "poplar_auth_known_forgotten_total",
      "Names that are strangers again at places where they were known, for want of room.");
  registry.AddComputed(
      base::MetricRegistry::Kind::kGauge,
      [this] { return static_cast<double>(context_->options.throttle.known_max); },
      "poplar_auth_known_max", "Names at places, each by itself, that may be known.");
  const auto add_limit = [&](uint64_t of_each_shard, std::string_view name, std::string_view help) {
    registry.AddComputed(
        base::MetricRegistry::Kind::kGauge,
        [limit = of_each_shard * context_->on_shard.size()] { return static_cast<double>(limit); },
        name, help);
  };
  add_limit(context_->options.throttle.waiting_max, "poplar_auth_delayed_max",
            "Log-ins that may wait for a penalty, each shard an equal part; of clients that are "
            "known, twice as many.");
  add_limit(context_->options.password_cache_entries_max, "poplar_auth_cache_entries_max",
            "Log-ins that may be in the cache, each shard an equal part.");
}

}  // namespace poplar::auth
