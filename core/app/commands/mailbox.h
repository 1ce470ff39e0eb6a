// `poplar mailbox show|deleted|undelete`: what a maildrop holds, as the running server has it,
// through the admin socket.

#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "core/app/console.h"
#include "core/tenant/config.h"

namespace poplar::app {

struct MailboxShowOptions {
  std::string address;
  bool json = false;
};

struct MailboxDeletedOptions {
  std::string address;
  bool json = false;
};

// One of these says what comes back.
struct MailboxUndeleteOptions {
  std::string address;
  std::string uidl;
  std::string session;
  std::optional<int64_t> since_s;
  bool all = false;
};

ExitCode MailboxShow(const MailboxShowOptions& options, const tenant::Config& config,
                     Console& console);
ExitCode MailboxDeleted(const MailboxDeletedOptions& options, const tenant::Config& config,
                        Console& console);
ExitCode MailboxUndelete(const MailboxUndeleteOptions& options, const tenant::Config& config,
                         Console& console);

}  // namespace poplar::app
