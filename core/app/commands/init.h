// `poplar init`.

#pragma once

#include <string>

#include "core/app/console.h"
#include "core/app/wiring.h"

namespace poplar::app {

struct InitOptions {
  std::string folder;
  bool quiet = false;  // Only faults are told.
};

// Makes in the folder what is missing of a server: poplar.toml, a self-signed certificate, a store,
// a user database. Never changes what is there; says what it made and what it kept.
ExitCode Init(const InitOptions& options, const Wiring& wiring, Console& console);

}  // namespace poplar::app
