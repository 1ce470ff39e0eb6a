// A maildrop on another POP3 server as a mailbox to be imported. Messages are asked for some ahead
// of reading them.

#pragma once

#include <memory>

#include "core/app/transfer/mailbox_source.h"
#include "core/app/transfer/pop3_client.h"

namespace poplar::app {

// Lists what `client`, logged in, shows; the client outlives the source. Dates are those of the
// messages' own headers, for POP3 has none.
StatusOr<std::unique_ptr<MailboxSource>> OpenPop3Source(Pop3Client& client);

}  // namespace poplar::app
