// One customer, as who answers the phone knows him. Plain values.

#pragma once

#include <optional>
#include <string>

#include "core/base/secret.h"

namespace poplar::app {

struct Patient {
  std::string address;
  std::string user_name;                 // As he types it: with "recent:" before it, perhaps.
  std::optional<base::Secret> password;  // Nothing: not to be tried.
  std::string from;                      // The IP address that he comes from; empty: not known.
};

}  // namespace poplar::app
