// `poplar deliver`.

#pragma once

#include <string>
#include <vector>

#include "core/app/console.h"
#include "core/tenant/config.h"

namespace poplar::app {

struct DeliverOptions {
  std::string from;
  std::vector<std::string> recipients;
};

// Hands the message on standard input to the running server over LMTP: through its Unix socket, or
// else its first address. Recipients that were refused are told on standard error. The exit code
// is the first that fits: kTemporary if any may be tried again, kNoUser if any is unknown,
// kDataError if the message is too large, kUnavailable for other refusals.
ExitCode Deliver(const DeliverOptions& options, const tenant::Config& config, Console& console);

}  // namespace poplar::app
