// `poplar doctor`: what is wrong with this server, or with one customer's mail, and whose move it
// is.

#pragma once

#include <string>

#include "core/app/console.h"
#include "core/app/wiring.h"

namespace poplar::app {

struct DoctorOptions {
  std::string config_path;
  std::string user_name;  // The customer's, as he types it; empty: of nobody.
  std::string from;       // From where he comes, an IP address; empty: not told.
  bool password = false;
  bool password_from_stdin = false;
  bool json = false;
};

ExitCode Doctor(const DoctorOptions& options, const Wiring& wiring, Console& console);

}  // namespace poplar::app
