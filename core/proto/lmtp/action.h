// What a session asks its driver to do. A closed set; each asks for the result named with it, and
// until that is given the session does nothing.

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/proto/lmtp/message_intake.h"
#include "core/proto/lmtp/outcomes.h"
#include "core/proto/lmtp/xclient.h"

namespace poplar::lmtp {

struct Recipient {
  // `local@domain` as in Path::address; only postmaster may come without a domain.
  std::string address;
  // The same without the sub-address (`user+detail` is `user`); equal to `address` without one.
  // Who resolves tries `address` first: an account may be named so.
  std::string base_address;
  std::string original;  // As the client wrote it; for logs.
};

struct Envelope {
  std::string sender;                 // As Path::address; empty for the null sender.
  std::vector<Recipient> recipients;  // Those accepted, in order; one may stand there twice.
  // SIZE, or else what a first and last BDAT says; 0 if the client told nothing. Not to be trusted.
  uint64_t declared_octets = 0;
  bool smtputf8 = false;
  // Of an imported message: what XUIDL and XRECEIVED said, if they were given.
  std::string uidl;
  std::optional<int64_t> received_us;
  std::string id;  // Of this transaction; it stands in the Received line and in the replies.
};

struct Action {
  enum class Kind : uint8_t {
    // All input was consumed: send `out`, receive more, call Next.
    kNeedInput,
    // `out` holds enough: send it, call Next with the same input.
    kFlush,
    // RCPT: find the mailbox of `recipient`, then RecipientResolved.
    kResolveRecipient,
    // DATA or the first BDAT: make room for a message to `envelope`, then MessageBegun or
    // MessageFailed.
    kBeginMessage,
    // Store `body` (wire form, in order, at most kPieceBytesMax), then BodyStored or MessageFailed.
    kBody,
    // The message is complete; all of it was in kBody: make it durable for each recipient, then
    // CommitDone.
    kCommitMessage,
    // Forget the message that MessageBegun answered to, also after MessageFailed; no result. Every
    // message begun ends with this or with kCommitMessage, or with the connection.
    kAbortMessage,
    // XCLIENT: from now on the client is who `client` says; no result.
    kTakeClient,
    // Send `out` and close. Next says so again if asked.
    kClose,
  };

  Kind kind = Kind::kNeedInput;

  // kResolveRecipient. Valid until the result is given.
  const Recipient* recipient = nullptr;
  // kBeginMessage, kCommitMessage. Valid until CommitDone, or the Next after kAbortMessage.
  const Envelope* envelope = nullptr;
  // kBody. Valid until the result is given.
  std::string_view body = {};
  // kCommitMessage: of all the bodies together.
  MessageSizes sizes = {};
  // kAbortMessage: what the client is told; empty if it gave the message up itself.
  std::string_view refusal = {};
  // kTakeClient. Valid until the next Next.
  const Xclient* client = nullptr;
  // kClose.
  CloseReason close_reason = CloseReason::kQuit;
};

}  // namespace poplar::lmtp
