// One LMTP session (RFC 2033, 5321, 2920, 1870, 6152, 6531, 3030): bytes in, actions out, results
// in. It does no I/O and knows no thread; the only clock it reads dates the Received line. It lives
// on its connection's shard, from the greeting to kClose. A driver does for it what it asks:
//
//   while (true) {
//     Action action = session.Next(input, out);
//     switch (action.kind) { ... do it, give its result ... }
//   }
//
// One reply an accepted recipient, in the order of RCPT, after CommitDone. The replies and actions
// do not depend on how the input is cut. Memory: a line, an envelope, one piece of content.
//
// DIAGNOSTICS: whatever a client sends is answered, never checked: a POP_CHECK here means that the
// driver gave a result that was not asked for.

#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/base/byte_buffer.h"
#include "core/base/clock.h"
#include "core/base/limits.h"
#include "core/base/units.h"
#include "core/proto/lmtp/action.h"
#include "core/proto/lmtp/command.h"
#include "core/proto/lmtp/message_intake.h"
#include "core/proto/lmtp/metrics.h"
#include "core/proto/lmtp/outcomes.h"
#include "core/proto/wire/line_reader.h"

namespace poplar::lmtp {

// What a listener offers; one for all its sessions.
struct SessionOptions {
  std::string hostname;  // For the greeting, LHLO's reply and the Received line.
  // SIZE of LHLO's reply: what a client may send as one message. At most kMessageOctetsCeiling.
  uint64_t message_octets_max = 50 * kMiB;
  // At most kRecipientsPerTransactionMax.
  uint32_t recipients_max = kRecipientsPerTransactionMax;
  // What is received beyond a message's limit, or behind a failure, is dropped; past this the
  // session closes without waiting for the end.
  uint64_t discarded_bytes_max = kMessageOctetsCeiling;
  // The session ends with the reply to so many bad commands (unknown, too long, control
  // characters) in a row.
  uint32_t bad_commands_max = 20;
  // Beyond this `out` is flushed before anything else is done. It may hold one reply more.
  uint32_t out_bytes_soft_max = 64 * kKiB;
  char subaddress_delimiter = '+';  // 0: none.
  OverQuota over_quota = OverQuota::kRetry;
  // The listener takes mail of other servers as it was there: LHLO announces XIMPORT, MAIL may say
  // XUIDL and XRECEIVED, nothing is put in front, and a transaction has one recipient.
  bool imports = false;
};

// What differs from connection to connection.
struct Connection {
  std::string peer;        // For the Received line: `[192.0.2.1]`, `[IPv6:2001:db8::1]`, `local`.
  std::string session_id;  // What logs call it: letters, digits, `-`, `.`.
  bool xclient = false;    // It is trusted to say by XCLIENT for whom it speaks.
};

class Session {
 public:
  // REQUIRES: `options`, `metrics` and `clock` outlive the session; its shard alone writes the
  // metrics.
  Session(const SessionOptions& options, SessionMetrics& metrics, const base::Clock& clock,
          Connection connection);

  // What is known of the connection only after a proxy's header. REQUIRES: before the first Next.
  void SetConnection(Connection connection) { connection_ = std::move(connection); }

  // Runs commands and content from the front of `input` until something has to be done, and appends
  // replies to `out`. The first call appends the greeting; it needs no input. What is consumed is
  // taken off `input`; after kNeedInput nothing is left. REQUIRES: no result is owed.
  Action Next(std::string_view& input, base::ByteBuffer& out);

  // Results. Each appends what there is to say to `out`. REQUIRES: its action was the last one.

  void RecipientResolved(RecipientOutcome outcome, base::ByteBuffer& out);
  void MessageBegun(base::ByteBuffer& out);
  void BodyStored();
  // The result of kBeginMessage or kBody. What the client still sends of the message is dropped.
  void MessageFailed(StorageFailure failure, base::ByteBuffer& out);
  // One outcome for each of the envelope's recipients, in order.
  void CommitDone(std::span<const DeliveryOutcome> outcomes);

  // The server ends the session: Next says 421 and kClose as soon as the protocol allows it. What
  // is owed stays owed. kIdle is between any two results; kDrain lets a message under way, from its
  // DATA or first BDAT to its last reply, come to its end.
  void End(EndReason reason);

  // Lines that were commands, unknown ones too.
  uint64_t commands() const { return commands_; }
  // Whether a message is on its way, from DATA or the first BDAT to its last reply.
  bool receiving_message() const { return intake_ != nullptr || phase_ == Phase::kReplies; }

 private:
  enum class Phase : uint8_t {
    kGreeting,
    kCommand,
    kContent,       // Of a message, whole or a chunk.
    kRefusedChunk,  // What a refused BDAT brings is dropped.
    kReplies,       // One a recipient.
    kClosing,
  };
  // The result that is owed.
  enum class Owed : uint8_t { kNothing, kRecipient, kBegin, kBody, kCommit };

  std::optional<Action> Step(std::string_view& input, base::ByteBuffer& out);
  std::optional<Action> StepCommand(std::string_view& input, base::ByteBuffer& out);
  bool EndIfAsked(base::ByteBuffer& out);
  void Close(CloseReason reason, std::string_view last_reply, base::ByteBuffer& out);

  // Commands: session_commands.cc.
  std::optional<Action> RunCommand(std::string_view line, base::ByteBuffer& out);
  void AnswerBadCommand(std::string_view text, base::ByteBuffer& out);
  void Lhlo(std::string_view name, base::ByteBuffer& out);
  void Mail(std::string_view rest, base::ByteBuffer& out);
  std::optional<Action> Rcpt(std::string_view rest, base::ByteBuffer& out);
  std::optional<Action> Data(std::string_view rest, base::ByteBuffer& out);
  std::optional<Action> Bdat(std::string_view rest, base::ByteBuffer& out);
  std::optional<Action> TakeClient(std::string_view rest, base::ByteBuffer& out);
  std::string_view ContentRefusal() const;
  void ResetTransaction();

  // Content: session_content.cc.
  void OpenIntake(MessageIntake::Framing framing);
  Action AskToBegin();
  std::optional<Action> StartChunk();
  std::optional<Action> StepContent(std::string_view& input, base::ByteBuffer& out);
  std::optional<Action> EndContent(base::ByteBuffer& out);
  void StepReplies(base::ByteBuffer& out);
  void RefuseChunk(uint64_t octets, std::string_view text, base::ByteBuffer& out);
  std::optional<Action> StepRefusedChunk(std::string_view& input, base::ByteBuffer& out);
  void FailAsTooLarge();
  void Fail(std::string_view text);

  const SessionOptions& options_;
  SessionMetrics& metrics_;
  const base::Clock& clock_;
  Connection connection_;
  wire::LineReader reader_;

  Phase phase_ = Phase::kGreeting;
  Owed owed_ = Owed::kNothing;
  std::optional<EndReason> ending_;
  CloseReason close_reason_ = CloseReason::kQuit;
  uint64_t commands_ = 0;
  uint32_t bad_commands_ = 0;  // In a row.
  std::string client_name_;    // Empty before LHLO.
  // What XCLIENT said last of each; empty: nothing.
  Xclient xclient_;
  std::string xclient_name_;
  std::string xclient_helo_;

  // The transaction, from MAIL on.
  bool in_transaction_ = false;
  uint64_t transactions_ = 0;
  Envelope envelope_;
  Recipient candidate_;  // Of the kResolveRecipient that is owed.

  // The message, from DATA or the first BDAT on.
  std::unique_ptr<MessageIntake> intake_;
  BdatArguments chunk_;          // The current one; for DATA `last` is set.
  uint64_t chunked_octets_ = 0;  // What BDATs announced so far.
  bool begun_ = false;        // The driver holds a message that is neither committed nor aborted.
  bool abort_due_ = false;    // kAbortMessage has to be said.
  std::string_view failure_;  // Why the message will not be stored; empty: it will.
  std::vector<DeliveryOutcome> outcomes_;
  size_t replies_written_ = 0;
  uint64_t refused_chunk_left_ = 0;
  std::string_view refused_chunk_reply_;
};

}  // namespace poplar::lmtp
