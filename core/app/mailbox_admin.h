// What the admin socket answers about single maildrops: `mailbox.show`, `mailbox.deleted` and
// `mailbox.undelete`; and `tenant.storage` (core/ops/README.md has their arguments and results).

#pragma once

#include "auth/api/auth.h"
#include "core/base/mail_policy.h"
#include "core/io/shard.h"
#include "core/ops/admin_server.h"
#include "storage/api/store.h"

namespace poplar::app {

// All outlive the handlers.
struct MailboxAdminParts {
  io::ShardSet& shards;
  storage::Store& store;
  auth::ShardAuth& auth;  // Of the first shard.
  const PolicyBoard& policies;
  size_t page_messages = 100'000;  // Of `mailbox.deleted`; well within a reply's limit.
};

// The handlers run on the admin socket's thread and wait there for the first shard.
void AddMailboxHandlers(const MailboxAdminParts& parts, ops::AdminHandlers& handlers);

}  // namespace poplar::app
