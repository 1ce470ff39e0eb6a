// The command line of `poplar tenant`, `poplar user` and `poplar mailbox`. Private to cli.cc.

#pragma once

#include <CLI/CLI.hpp>

#include "core/app/cli_parts.h"
#include "core/app/console.h"
#include "core/app/wiring.h"

namespace poplar::app {

// Tenants and users of the built-in database. `app`, `wiring` and `console` outlive the command.
void AddAccountCommands(CLI::App& app, const Wiring& wiring, Console& console,
                        const RunWithConfigFunction& run_with_config);

// `poplar auth`, and `flush` of the group `user`. Likewise.
void AddAuthCommands(CLI::App& app, Console& console, const RunWithConfigFunction& run_with_config);
void AddUserFlush(CLI::App* user, Console& console, const RunWithConfigFunction& run_with_config);

// `dns` of the group `tenant`. Likewise.
void AddTenantDns(CLI::App* tenant, Console& console, const RunWithConfigFunction& run_with_config);

// `app-password` of the group `user`. Likewise.
void AddAppPasswordCommands(CLI::App* user, Console& console,
                            const RunWithConfigFunction& run_with_config);

// Maildrops of the running server. Likewise.
void AddMailboxCommands(CLI::App& app, Console& console,
                        const RunWithConfigFunction& run_with_config);

}  // namespace poplar::app
