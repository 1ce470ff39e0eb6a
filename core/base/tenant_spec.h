// A tenant as somebody other than the user database says it shall be: a file, a provider's own
// database.

#pragma once

#include <string>
#include <vector>

#include "core/base/mail_policy.h"

namespace poplar {

struct TenantSpec {
  std::string name;
  std::string source;  // Who says so: "tenants.d/acme.toml".
  bool enabled = true;
  std::vector<std::string> domains;
  TenantPolicy policy;
  Quota maildrop_quota;  // Of each maildrop whose user has none of his own.

  friend bool operator==(const TenantSpec&, const TenantSpec&) = default;
};

}  // namespace poplar
