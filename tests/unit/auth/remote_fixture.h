// Two tenants with back ends in auth hosts: real processes of a plug-in that does what it is told.

#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "auth/remote/remote_backends.h"
#include "tests/unit/auth/service_fixture.h"

namespace poplar::auth {

std::string PluginPath(const std::string& name);
std::string AuthHostPath();  // What `poplar auth-host` is.

class RemoteTest : public ServiceFixture {
 protected:
  explicit RemoteTest(uint32_t shard_count = 2) : ServiceFixture(shard_count) {
    TenantPolicies tenants;
    TenantPolicies::Domain acme;
    acme.tenant = TenantId(1);
    acme.name = "acme";
    acme.maildrop_quota.octets = 12'345;
    tenants.by_domain["acme.example"] = acme;
    TenantPolicies::Domain other = acme;
    other.tenant = TenantId(2);
    other.name = "other";
    tenants.by_domain["other.example"] = other;
    tenants.by_tenant[1].name = "acme";
    tenants.by_tenant[2].name = "other";
    tenants.by_tenant[3].name = "third";
    other.tenant = TenantId(3);
    other.name = "third";
    tenants.by_domain["third.example"] = other;
    acme.enabled = false;
    tenants.by_domain["closed.example"] = acme;
    board_.Publish(std::make_shared<TenantPolicies>(std::move(tenants)));
    remote_options_.spawner = &spawner_;
    remote_options_.threads = 4;
    options_.password_cache_ttl_ms = 0;
    options_.resolve_cache_ttl_ms = 0;
  }
  ~RemoteTest() override {
    service_.reset();
    remote_.reset();
  }

  Status StartRemote(std::vector<RemoteBackendSpec> specs) {
    auto remote = RemoteBackends::Start(remote_options_, std::move(specs), *shards_, board_);
    if (!remote.ok()) return remote.status();
    remote_ = std::move(*remote);
    remote_->Register(registry_);
    return OkStatus();
  }
  void Start(std::vector<RemoteBackendSpec> specs) {
    std::vector<BackendSource> chain;
    for (const RemoteBackendSpec& spec : specs) {
      BackendSource source;
      source.make_port = [this, name = spec.name](io::Shard& shard) {
        return remote_->MakePort(name, shard);
      };
      chain.push_back(std::move(source));
    }
    const Status started = StartRemote(std::move(specs));
    ASSERT_TRUE(started.ok()) << started;
    StartService(std::move(chain));
  }
  void StartTrouble(PluginSettings settings = {}) {
    Start({{.name = "trouble", .plugin = PluginPath("trouble"), .settings = std::move(settings)}});
  }

  PolicyBoard board_;
  DirectSpawner spawner_{{.executable = AuthHostPath()}};
  RemoteBackendsOptions remote_options_;
  std::unique_ptr<RemoteBackends> remote_;
};

}  // namespace poplar::auth
