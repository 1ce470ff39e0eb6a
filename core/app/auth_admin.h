// What the admin socket answers about authentication: `auth.test` and `auth.flush`
// (core/ops/README.md has their arguments and results).

#pragma once

#include "auth/service/auth_service.h"
#include "core/base/mail_policy.h"
#include "core/io/shard.h"
#include "core/ops/admin_server.h"

namespace poplar::app {

struct AuthAdminParts {
  io::ShardSet& shards;
  auth::AuthService& auth;
  const PolicyBoard& policies;
};

// The handlers run on the admin socket's thread and wait there for the first shard. What `parts`
// names outlives them.
void AddAuthHandlers(const AuthAdminParts& parts, ops::AdminHandlers& handlers);

}  // namespace poplar::app
