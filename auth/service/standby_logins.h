// Log-ins that were right, kept for the time when their back ends cannot be asked, for as long as
// the tenant allows (offline_logins_s of core/base/tenant_rules.h). One password a name, the last.
//
// Lives on the shard of the names.

#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "auth/api/auth.h"
#include "auth/service/expiring_map.h"
#include "auth/service/keyed_hash.h"
#include "auth/service/results.h"
#include "core/base/mail_policy.h"

namespace poplar::auth {

class StandbyLogins {
 public:
  // `tenants` outlives this; null: nothing is kept.
  StandbyLogins(const PolicyBoard* tenants, uint64_t entries_max);

  // It was right just now. `login` as LookupKey makes it.
  void Keep(const LoginMacs& macs, std::string_view login, const Principal& principal,
            uint64_t now_us);
  // It is right no longer. Another password for the same name changes nothing.
  void Drop(const LoginMacs& macs);
  // Null: nothing that counts still. Ends with the next change.
  const Principal* Find(const LoginMacs& macs, uint64_t now_us);
  // Whether another password counts still for the same name.
  bool HasAnother(const LoginMacs& macs, uint64_t now_us);

  void Forget(const Mac& name) { kept_.Erase(name); }
  void ForgetUser(const PrincipalTest& is_his);
  void ForgetAll() { kept_.Clear(); }

 private:
  struct Kept {
    Mac login;
    std::string domain;
    Principal principal;
    uint64_t at_us = 0;
  };

  // What is kept for the name and counts still, or null.
  const Kept* FindName(const Mac& name, uint64_t now_us);
  // 0: not at all.
  uint64_t AllowedUs(std::string_view domain, TenantId tenant);

  PolicyReader tenants_;
  ExpiringMap<Mac, Kept> kept_;  // By name.
};

}  // namespace poplar::auth
