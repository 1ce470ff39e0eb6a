// The doctor's look at the certificates that mail programs see. One thread; blocks.

#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "core/app/doctor/findings.h"
#include "core/base/mail_policy.h"
#include "core/setup/mail_settings.h"
#include "core/tenant/config.h"
#include "core/tenant/listen_address.h"

namespace poplar::app {

// By which names customers reach POP3.
struct Pop3Hosts {
  std::vector<std::string> names;  // At least one.
  size_t left_out = 0;             // There are so many more.
};
// Of this address's domain; of "": the server's own, and those that tenants have for themselves, of
// which only so many are named.
inline constexpr size_t kTenantHostsMax = 100;
Pop3Hosts Pop3HostsOf(const setup::SetupFacts& facts, const TenantPolicies& policies,
                      std::string_view address);

// What comes at this port of POP3S for each of these names: is it for that name, and trusted?
void LookAtCertificates(const tenant::Config& config, const tenant::ListenAddress& pop3s,
                        const Pop3Hosts& hosts, Findings& findings);

}  // namespace poplar::app
