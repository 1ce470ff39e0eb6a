// Connections of the doctor to what listens on this machine. One thread; each wait ends after some
// seconds.

#pragma once

#include <string>
#include <vector>

#include "core/app/transfer/line_connection.h"
#include "core/base/ip.h"
#include "core/base/status.h"
#include "core/tenant/listen_address.h"

namespace poplar::app {

inline constexpr uint32_t kKnockTimeoutS = 5;

// Where it lacks it, a server passes over its listeners there, and says so.
bool MachineHasIpv6();

StatusOr<LineConnection> KnockAt(const tenant::ListenAddress& address);
// Proxies begin with a header, and this machine may count as one.
Status Introduce(LineConnection& connection, const tenant::ListenAddress& address,
                 const std::vector<base::IpNetwork>& proxies);

}  // namespace poplar::app
