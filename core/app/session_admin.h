// What the admin socket answers about sessions: `session.list` and `session.kick`
// (core/ops/README.md has their arguments and results).

#pragma once

#include <functional>

#include "core/ops/admin_server.h"
#include "core/server/server.h"

namespace poplar::app {

// `look_at_policies` returns when the server goes by what the database says of tenants; it is
// called before a tenant's sessions end, so that those who come back have the terms of now. The
// handlers run on the admin socket's thread. REQUIRES: the server outlives them.
void AddSessionHandlers(server::Server& server, std::function<void()> look_at_policies,
                        ops::AdminHandlers& handlers);

}  // namespace poplar::app
