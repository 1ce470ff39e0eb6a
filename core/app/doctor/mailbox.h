// The doctor's look at one customer: his address, his log-in, his mailbox, who else is in it.
// One thread; blocks.

#pragma once

#include <optional>
#include <string>

#include "core/app/doctor/findings.h"
#include "core/base/secret.h"
#include "core/tenant/config.h"

namespace poplar::app {

struct Patient {
  std::string address;
  std::optional<base::Secret> password;  // Nothing: not to be tried.
};

// `runs`: whether a server does; without one, only what the user database says is looked at.
void LookAtMailbox(const tenant::Config& config, const Patient& patient, bool runs,
                   Findings& findings);

// By which name customers of this address's domain reach POP3; of "", those without a name of their
// own.
std::string Pop3HostOf(const tenant::Config& config, const std::string& address);

}  // namespace poplar::app
