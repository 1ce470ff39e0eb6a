#include "core/proto/lmtp/outcomes.h"

#include <array>

#include "core/proto/lmtp/replies.h"

namespace poplar::lmtp {
namespace {

struct Row {
  std::string_view name;
  std::string_view reply;
};

constexpr std::array<Row, kRecipientOutcomes> kRecipients = {{
    {"ok", reply::kRecipientOk},
    {"unknown", reply::kUnknownMailbox},
    {"disabled", reply::kDisabledMailbox},
    {"over_quota", reply::kFullMailbox},
    {"over_tenant_quota", reply::kFullTenant},
    {"limited", reply::kLimited},
    {"directory_down", reply::kDirectoryDown},
    {"temporary", reply::kTemporaryFailure},
}};

constexpr std::array<Row, kDeliveryOutcomes> kDeliveries = {{
    {"stored", reply::kDeliveredAs},
    {"already_there", reply::kAlreadyThere},
    {"over_quota", reply::kFullMailbox},
    {"over_tenant_quota", reply::kFullTenant},
    {"too_many_messages", reply::kTooManyMessages},
    {"full", reply::kStorageFull},
    {"temporary", reply::kTemporaryFailure},
    {"unknown", reply::kUnknownMailbox},
    {"disabled", reply::kDisabledMailbox},
    {"permanent", reply::kPermanentFailure},
}};

// The same with 552, where that is the policy.
std::string_view AsPolicySays(std::string_view reply, OverQuota over_quota) {
  if (over_quota == OverQuota::kRetry) return reply;
  if (reply == reply::kFullMailbox) return reply::kFullMailboxForGood;
  if (reply == reply::kFullTenant) return reply::kFullTenantForGood;
  return reply == reply::kTooManyMessages ? reply::kTooManyMessagesForGood : reply;
}

}  // namespace

std::string_view ReplyTo(RecipientOutcome outcome, OverQuota over_quota) {
  return AsPolicySays(kRecipients[static_cast<size_t>(outcome)].reply, over_quota);
}

std::string_view ReplyTo(StorageFailure failure) {
  return failure == StorageFailure::kFull ? reply::kStorageFull : reply::kTemporaryFailure;
}

void AppendReply(DeliveryOutcome outcome, OverQuota over_quota, std::string_view id,
                 base::ByteBuffer& out) {
  out.Append(AsPolicySays(kDeliveries[static_cast<size_t>(outcome)].reply, over_quota));
  if (outcome != DeliveryOutcome::kStored) return;
  out.Append(id);
  out.Append("\r\n");
}

std::string_view Name(RecipientOutcome outcome) {
  return kRecipients[static_cast<size_t>(outcome)].name;
}

std::string_view Name(DeliveryOutcome outcome) {
  return kDeliveries[static_cast<size_t>(outcome)].name;
}

std::string_view Name(CloseReason reason) {
  constexpr std::array<std::string_view, 6> kNames = {
      "quit", "drain", "idle", "bad_commands", "bad_bdat", "discarded_bytes"};
  return kNames[static_cast<size_t>(reason)];
}

}  // namespace poplar::lmtp
