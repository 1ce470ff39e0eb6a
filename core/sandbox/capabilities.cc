#include "core/sandbox/capabilities.h"

#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>

namespace poplar::sandbox {
namespace {

constexpr std::array kPowersToListen = {CAP_NET_BIND_SERVICE, CAP_NET_ADMIN};

using Sets = std::array<__user_cap_data_struct, _LINUX_CAPABILITY_U32S_3>;

__user_cap_header_struct Header() { return {.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0}; }

bool Has(int capability) {
  __user_cap_header_struct header = Header();
  Sets sets{};
  if (::syscall(SYS_capget, &header, sets.data()) != 0) return false;
  return (sets[CAP_TO_INDEX(capability)].effective & CAP_TO_MASK(capability)) != 0;
}

}  // namespace

bool HasPowersToListen() { return std::ranges::any_of(kPowersToListen, &Has); }

Status DropCapabilities(Keep keep) {
  // What root would be given when it runs a program. Only who has CAP_SETPCAP can; the others have
  // no_new_privs for it.
  if (Has(CAP_SETPCAP)) {
    for (int capability = 0; ::prctl(PR_CAPBSET_READ, capability) >= 0; ++capability) {
      (void)::prctl(PR_CAPBSET_DROP, capability);
    }
  }
  (void)::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
  __user_cap_header_struct header = Header();
  Sets sets{};
  for (const int power : kPowersToListen) {
    if (keep == Keep::kNothing || !Has(power)) continue;
    sets[CAP_TO_INDEX(power)].effective |= CAP_TO_MASK(power);
    sets[CAP_TO_INDEX(power)].permitted |= CAP_TO_MASK(power);
  }
  if (::syscall(SYS_capset, &header, sets.data()) == 0) return OkStatus();
  return ErrnoStatus(errno, "capabilities cannot be given away");
}

Status ForbidNewPrivileges() {
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0) return OkStatus();
  return ErrnoStatus(errno, "no_new_privs");
}

}  // namespace poplar::sandbox
