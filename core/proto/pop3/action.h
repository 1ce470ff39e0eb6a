// What a session asks its driver to do. A closed set; each asks for the result named with it, and
// until that is given the session does nothing.

#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "core/base/secret.h"
#include "core/proto/pop3/maildrop_view.h"
#include "core/proto/pop3/outcomes.h"
#include "core/proto/pop3/xclient.h"

namespace poplar::pop3 {

struct Action {
  enum class Kind : uint8_t {
    // All input was consumed: send `out`, receive more, call Next.
    kNeedInput,
    // `out` holds enough: send it, call Next with the same input.
    kFlush,
    // USER and PASS came: verify and open the maildrop, then LoginDone.
    kVerifyPassword,
    // APOP came: check its digest, open the maildrop, then LoginDone.
    kVerifyApop,
    // AUTH came: start the mechanism, then SaslChallenge or LoginDone. A client may cancel or send
    // nonsense instead of a response; the session answers that itself, so the next kSaslStart may
    // find the mechanism before it unfinished.
    kSaslStart,
    // A response to the challenge: hand it to the mechanism, then SaslChallenge or LoginDone.
    kSaslRespond,
    // RETR or TOP: find the body, then BodyReady and, behind `out`, the body itself with its
    // terminator; or BodyFailed. Then Next.
    kSendMessage,
    // XCLIENT: from now on the client is who `client` says, then ClientTaken.
    kTakeClient,
    // STLS, and `out` ends with its +OK: send `out`, drop every byte received in clear until then,
    // shake hands, then TlsStarted.
    kStartTls,
    // QUIT: delete, give the lease back, then CommitDone. Also when there is nothing to delete, so
    // that the maildrop is free before the reply travels.
    kCommit,
    // Send `out` and close. Next says so again if asked.
    kClose,
  };

  Kind kind = Kind::kNeedInput;

  // kClose: why.
  CloseReason close_reason = CloseReason::kQuit;
  // kSendMessage: which, and for TOP how many body lines (TopCutter cuts); for RETR none.
  MessageIndex message;
  std::optional<uint32_t> top_lines;
  // kVerifyPassword: the user name as the client gave it. kSaslStart: the mechanism, as the options
  // spell it. Valid until the result is given, or End called.
  std::string_view name;
  // kVerifyPassword: the password, never empty. kVerifyApop: name and digest, a blank between them.
  // kSaslStart: the initial response, if there was one
  // (it may be empty). kSaslRespond: the response. Decoded already.
  std::optional<base::Secret> secret;
  // kTakeClient.
  Xclient client = {};
  // kCommit: what to delete, in order.
  std::vector<MessageIndex> deleted;
};

}  // namespace poplar::pop3
