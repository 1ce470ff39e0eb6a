// Shards, two where a test does not say otherwise, pools, and an AuthService over whatever back
// ends a test brings.

#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "auth/service/auth_service.h"
#include "core/base/metrics.h"
#include "tests/unit/auth/asking.h"

namespace poplar::auth {

class ServiceFixture : public testing::Test {
 protected:
  static constexpr ShardIndex kFirst{0};
  static constexpr ShardIndex kSecond{1};

  explicit ServiceFixture(uint32_t shard_count = 2) {
    auto shards = io::ShardSet::Start({.count = shard_count, .pin = false, .reactor = {}});
    EXPECT_TRUE(shards.ok()) << shards.status();
    shards_ = std::move(*shards);
    options_.changes_poll_ms = 20;
    PublishTenant(TenantId(7));  // GateBackend's.
  }
  ~ServiceFixture() override {
    service_.reset();
    hash_pool_.reset();
    lookup_pool_.reset();
    shards_.reset();
  }

  // What the policies say from now on: whose example.org is.
  void PublishTenant(TenantId tenant, bool enabled = true, const std::string& auth_chain = "") {
    auto policies = std::make_shared<TenantPolicies>();
    policies->by_tenant[tenant.value()].rules.auth_chain = auth_chain;
    policies->by_domain["example.org"] = {.tenant = tenant, .name = "gated", .enabled = enabled};
    tenants_.Publish(std::move(policies));
  }
  void StartService(std::unique_ptr<Backend> backend) {
    std::vector<BackendSource> chain(1);
    chain[0].backend = std::move(backend);
    StartService(std::move(chain));
  }
  void StartService(std::vector<BackendSource> chain) {
    hash_pool_ = std::make_unique<io::OffloadPool>(hash_pool_options_);
    lookup_pool_ = std::make_unique<io::OffloadPool>(lookup_pool_options_);
    service_ = std::make_unique<AuthService>(
        options_, *shards_,
        AuthPools{.hash = hash_pool_.get(), .lookup = lookup_pool_.get(), .hashers = &hashers_},
        std::move(chain), &tenants_);
    service_->Register(registry_);
  }

  std::unique_ptr<Asking<AuthResult>> StartLogin(ShardIndex shard, const std::string& user,
                                                 const std::string& password,
                                                 const std::string& from = "192.0.2.1",
                                                 SessionId session = SessionId(1)) {
    return std::make_unique<Asking<AuthResult>>(
        *shards_, shard, [&](io::Completion<AuthResult>& done) {
          service_->OnShard(shard).VerifyPassword(user, base::Secret(password),
                                                  {.address = from, .session = session}, done);
        });
  }
  AuthResult Login(ShardIndex shard, const std::string& user, const std::string& password,
                   const std::string& from = "192.0.2.1", SessionId session = SessionId(1)) {
    return StartLogin(shard, user, password, from, session)->Get();
  }
  ResolveResult Resolve(ShardIndex shard, const std::string& address) {
    return Asking<ResolveResult>(*shards_, shard,
                                 [&](io::Completion<ResolveResult>& done) {
                                   service_->OnShard(shard).Resolve(address, done);
                                 })
        .Get();
  }
  void Flush(const std::string& login) {
    Asking<Status> flush(*shards_, kSecond,
                         [&](io::Completion<Status>& done) { service_->Flush(login, done); });
    EXPECT_TRUE(flush.Get().ok());
  }

  // Sum over shards.
  double Metric(const std::string& name, const std::string& outcome = "") const {
    double sum = 0;
    for (const auto& entry : registry_.Entries()) {
      if (entry.name != name || !entry.read) continue;
      if (!outcome.empty() && entry.labels.front().second != outcome) continue;
      sum += entry.read();
    }
    return sum;
  }

  template <class Condition>
  static bool Eventually(Condition condition) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    while (std::chrono::steady_clock::now() < end) {
      if (condition()) return true;
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    return false;
  }

  AuthServiceOptions options_;
  PolicyBoard tenants_;
  io::OffloadPoolOptions hash_pool_options_{.name = "hash", .threads = 2};
  io::OffloadPoolOptions lookup_pool_options_{.name = "lookup", .threads = 2};
  HasherPool hashers_{{.prefix = "$y$", .cost = 1}};
  base::MetricRegistry registry_;
  std::unique_ptr<io::ShardSet> shards_;
  std::unique_ptr<io::OffloadPool> hash_pool_;
  std::unique_ptr<io::OffloadPool> lookup_pool_;
  std::unique_ptr<AuthService> service_;
};

}  // namespace poplar::auth
