// The doctor's look at what listens: does each port answer as it should, and what do mail programs
// see of the certificate? One thread; blocks, each wait for some seconds at most.

#pragma once

#include <string>

#include "core/app/doctor/findings.h"
#include "core/app/listeners.h"
#include "core/base/status.h"
#include "core/tenant/config.h"

namespace poplar::app {

// What the file has, of a server that listens at `listeners`.
void LookAtListeners(const tenant::Config& config, const Listeners& listeners, Findings& findings);

// `host`: by which name customers reach POP3. `runs`: whether a server of this configuration does;
// then its addresses are to be the real ones.
void LookAtPorts(const tenant::Config& config, const std::string& host, bool runs,
                 Findings& findings);

// What http.listen says of whether the server is ready, and of back ends and the store.
void LookAtMetrics(const tenant::Config& config, Findings& findings);

}  // namespace poplar::app
