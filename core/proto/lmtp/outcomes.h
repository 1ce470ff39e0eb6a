// What a driver tells a session, closed sets, and the one table that folds them into replies. A
// directory or a disk that is down for now is never a permanent failure.

#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "core/base/byte_buffer.h"

namespace poplar::lmtp {

// Why the server ends a session.
enum class EndReason : uint8_t {
  kDrain,  // 421 4.3.2, when the message under way, if any, has been answered.
  kIdle,   // 421 4.4.2, now.
};

// Why a session closed; for logs.
enum class CloseReason : uint8_t {
  kQuit,
  kDrain,
  kIdle,
  kBadCommands,
  kBadBdat,
  kDiscardedBytes,
};

// What a client is told of a mailbox that can take no more for now (its own quota, its tenant's, or
// the number of its messages), at RCPT and for a message.
enum class OverQuota : uint8_t {
  kRetry,   // 452 4.2.2: keep it and try again.
  kRefuse,  // 552 5.2.2: tell the sender.
};

// The answer to kResolveRecipient.
enum class RecipientOutcome : uint8_t {
  kOk,
  kUnknown,    // 550 5.1.1
  kDisabled,   // 550 5.2.1
  kOverQuota,  // As OverQuota says.
  kOverTenantQuota,
  kLimited,        // 451 4.7.1: the tenant has its fill for now.
  kDirectoryDown,  // 451 4.4.3: it could not be asked, or not in time.
  kTemporary,      // 451 4.3.0: anything else of ours.
};
inline constexpr size_t kRecipientOutcomes = 8;

// Why a message cannot be stored: the answer to kBeginMessage or to kBody, if it is a failure.
enum class StorageFailure : uint8_t {
  kFull,       // 452 4.3.1
  kTemporary,  // 451 4.3.0
};

// What became of the message for one recipient.
enum class DeliveryOutcome : uint8_t {
  kStored,        // 250 2.1.5, durable.
  kAlreadyThere,  // 250 2.2.0: it was imported before.
  kOverQuota,     // As OverQuota says.
  kOverTenantQuota,
  kTooMany,
  kFull,       // 452 4.3.1
  kTemporary,  // 451 4.3.0
  kUnknown,    // 550 5.1.1: the account went away since RCPT.
  kDisabled,   // 550 5.2.1
  kPermanent,  // 554 5.3.0
};
inline constexpr size_t kDeliveryOutcomes = 10;

// Each with its line end.
std::string_view ReplyTo(RecipientOutcome outcome, OverQuota over_quota);
std::string_view ReplyTo(StorageFailure failure);

// With its line end; kStored says the transaction's id too, so that the client's log and ours meet.
void AppendReply(DeliveryOutcome outcome, OverQuota over_quota, std::string_view id,
                 base::ByteBuffer& out);

// Words for logs and metrics: "over_quota".
std::string_view Name(RecipientOutcome outcome);
std::string_view Name(DeliveryOutcome outcome);
std::string_view Name(CloseReason reason);

}  // namespace poplar::lmtp
