// What passwords must be that people choose and Poplar stores: long enough, hard to guess, and not
// the address. Hashes from elsewhere, and passwords that Poplar makes itself, are not judged.
//
// Pure; any thread.

#pragma once

#include <cstdint>
#include <string_view>

#include "core/base/status.h"
#include "core/tenant/config.h"

namespace poplar::app {

struct PasswordPolicy {
  uint32_t characters_min = 0;
  uint32_t strength_min = 0;  // 0 to 4, as tenant::UsersConfig has it.
};

PasswordPolicy PasswordPolicyOf(const tenant::UsersConfig& users);

// kInvalidArgument: a sentence that says what to change. It holds nothing of the password but what
// is in the address too.
Status JudgePassword(const PasswordPolicy& policy, std::string_view password,
                     std::string_view address);

}  // namespace poplar::app
