// The manual: man pages made of the command line's own help, and poplar.toml(5) of the settings, so
// that they never say something else. Private to cli.h.

#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "core/base/status.h"

namespace poplar::app {

struct ManualPage {
  std::string name;  // "poplar-user.1"
  std::string text;  // roff, by the man macros.
};

// poplar(1), and a page for each command that is shown in the help; what a group holds is on the
// group's page.
std::vector<ManualPage> CommandPages(const CLI::App& app);

// poplar.toml(5).
ManualPage ConfigPage();

// A file for each page; the folder is made, and what it has of the same name replaced.
Status WriteManual(const std::vector<ManualPage>& pages, const std::string& folder);

}  // namespace poplar::app
