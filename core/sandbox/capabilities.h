// The privileges of a process that was started as root, or with some of root's: given away for
// good. All of it concerns the calling thread, and what it starts from then on.

#pragma once

#include "core/base/status.h"

namespace poplar::sandbox {

// Whether this thread has powers that opening listeners may need: CAP_NET_BIND_SERVICE for ports
// below 1024, CAP_NET_ADMIN for a congestion control that is not everybody's.
bool HasPowersToListen();

enum class Keep { kNothing, kPowersToListen };

// Gives away all capabilities, also those that a program could inherit or root be given anew.
// What is kept is usable by this thread only.
Status DropCapabilities(Keep keep);

// Nothing that this thread starts gains privileges by being set-user-id. Landlock and seccomp
// demand it.
Status ForbidNewPrivileges();

}  // namespace poplar::sandbox
