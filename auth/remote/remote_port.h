// One back end of an auth host as one shard asks it: only for domains of tenants, with circuit
// breakers, and with the tenant put to what it answers. Lives on its shard.

#pragma once

#include <cstdint>
#include <string>

#include "auth/remote/host_link.h"
#include "auth/remote/tenant_breakers.h"
#include "auth/service/backend_call.h"
#include "core/base/mail_policy.h"

namespace poplar::auth {

struct RemoteBackendInfo {
  std::string name;
  uint32_t instance = 0;
  Capabilities capabilities;
  bool weak_schemes = false;
  uint32_t remember_ms_max = UINT32_MAX;  // Of right passwords.
  BreakerOptions breaker;
};

class RemotePort final : public BackendPort {
 public:
  // All of these outlive it.
  RemotePort(const RemoteBackendInfo& info, HostLink& link, const PolicyBoard& tenants,
             io::Reactor& reactor, RemoteMetrics& metrics);

  std::string_view name() const override { return info_.name; }
  Capabilities capabilities() const override { return info_.capabilities; }
  void Ask(BackendCall& call) override;
  bool idle() const override { return under_way_ == 0; }

 private:
  void OnTold(BackendCall& call, const TenantPolicies::Domain& tenant, AnswerFrame* answer,
              const NoAnswer& why);
  void CountOutcome(TenantId tenant, const AnswerFrame* answer, const NoAnswer& why);
  void ShowBreakers();

  const RemoteBackendInfo& info_;
  HostLink& link_;
  PolicyReader tenants_;
  io::Reactor& reactor_;
  RemoteMetrics& metrics_;
  TenantBreakers breakers_;
  HostLink::Lane& lane_;
  uint32_t random_ = 1;
  size_t under_way_ = 0;
};

}  // namespace poplar::auth
