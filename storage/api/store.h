// The door to the store. Above it nothing knows files, partitions or growing ids, so that another
// engine may stand behind it. Everything here belongs to the shard that asked: objects are used and
// destroyed on the shard whose ShardStore made them.
//
// A maildrop is known by (tenant, account id), never by an address. Opening one gives an exclusive
// lease and an immutable snapshot; reading the snapshot crosses no shard. Delivery is never blocked
// by a lease. Who only reads may have the snapshot without the lease.
//
// Answers come through io::Completion, which the asker owns and awaits; whatever was passed in by
// reference or view stays until then.

#pragma once

#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/ids.h"
#include "core/base/mail_policy.h"
#include "core/base/metrics.h"
#include "core/base/status.h"
#include "core/base/uidl_text.h"
#include "core/io/body.h"
#include "core/io/task.h"

namespace poplar::storage {

struct MaildropKey {
  TenantId tenant;
  std::string account;  // Opaque, 1 to kAccountIdBytesMax octets.

  friend bool operator==(const MaildropKey&, const MaildropKey&) = default;
};

// A message's 0-based position in one snapshot.
using MessagePosition = Strong<struct MessagePositionTag, uint32_t>;

enum MessageFlags : uint32_t {
  kMessageFlagNone = 0,
  kMessageImported = 1,  // The UIDL came from another server.
  kMessageRead = 2,      // A client has fetched it, as far as its tenant's policy asked to know.
};

struct MessageInfo {
  uint64_t octets = 0;        // As RFC 1939 counts: unstuffed, CRLF line ends, no terminator.
  uint64_t wire_bytes = 0;    // As sent: stuffed, with the final `.` CRLF.
  uint64_t header_bytes = 0;  // Of the wire form, up to and including the blank line.
  int64_t received_us = 0;    // Since 1970-01-01 UTC.
  uint32_t flags = kMessageFlagNone;
  std::string_view uidl;  // Valid until the next call on the maildrop.
};

// How a session's deletions ended. Repeating a commit does no harm.
enum class CommitOutcome : uint8_t {
  kDone,     // Durable.
  kRefused,  // The lease was lost: nothing was deleted.
  kFailed,   // Nothing was deleted; a fault of ours, for now.
  kUnknown,  // Deleted or not: the answer never came.
};

// An open maildrop: the lease, and the list of messages as it was when it was opened. Destroying it
// gives the lease back and deletes nothing.
class Maildrop {
 public:
  virtual ~Maildrop() = default;

  virtual uint32_t count() const = 0;
  virtual uint64_t octets() const = 0;  // Sum over all messages.
  // REQUIRES: position < count().
  virtual MessageInfo Info(MessagePosition position) const = 0;
  // For listings at memory speed: of as many messages as `into` holds, from `first` on. REQUIRES:
  // there are so many.
  virtual void CopyOctets(MessagePosition first, std::span<uint64_t> into) const = 0;
  virtual void CopyUidls(MessagePosition first, std::span<UidlText> into) const = 0;
  // What was received then or later, in order; at memory speed.
  virtual std::vector<MessagePosition> ReceivedSince(int64_t since_us) const = 0;
  // Touches no disk; Body::Verify does: kNotFound is for those alone who hold no lease, of mail
  // that somebody deleted meanwhile.
  virtual std::unique_ptr<io::Body> OpenBody(MessagePosition position) = 0;

  // True once the lease is gone (another holder took it, or the account was removed, which those
  // hear as well who have none): end the session without deleting.
  virtual bool lease_lost() const = 0;

  // Whether the tenant's policy asks which messages a client has fetched.
  virtual bool wants_fetched() const = 0;

  // Deletes all of `deleted` or none, durably, and ends the lease; with none it only ends the
  // lease. The lease is free before the answer. Bodies opened before stay readable. What is deleted
  // is kept for a while where the tenant's policy says so.
  // `fetched`: messages that the client has had whole, if wants_fetched(); they are marked read, or
  // deleted too where mail does not stay after it was fetched.
  // Who holds no lease can delete and mark nothing: kRefused, or kDone where nothing is asked.
  virtual void Commit(std::vector<MessagePosition> deleted, std::vector<MessagePosition> fetched,
                      io::Completion<CommitOutcome>& done) = 0;
};

// Who holds a lease, for those who meet it.
struct LeaseHolder {
  ShardIndex shard{0};
  SessionId session{0};
};

enum class OpenOutcome : uint8_t { kOpen, kInUse, kTemporary, kDamaged };

struct OpenResult {
  OpenOutcome outcome = OpenOutcome::kTemporary;
  std::unique_ptr<Maildrop> maildrop;  // With kOpen.
  LeaseHolder held_by;                 // With kInUse.
  Status why;                          // With kTemporary and kDamaged; for logs.
};

// What the bytes of a delivery measure, known when the last of them was written.
struct DeliveryFacts {
  uint64_t octets = 0;
  uint64_t wire_bytes = 0;
  uint64_t header_bytes = 0;
};

struct DeliveryRecipient {
  MaildropKey key;
  Quota quota = {};  // Of the maildrop. The tenant's is on the policy board.
};

struct DeliveryRequest {
  // In the order of the transaction; one maildrop may occur twice and gets two copies.
  std::vector<DeliveryRecipient> recipients;
  int64_t received_us = 0;
  uint64_t expected_bytes = 0;  // A hint (SIZE=), 0 if not known.
  // The UIDL that the message had on another server: 1 to kUidlBytesMax octets of 0x21..0x7E. Then
  // there is one recipient. Empty: the store gives one.
  std::string imported_uidl;
};

enum class DeliveryOutcome : uint8_t {
  kStored,        // Durable.
  kAlreadyThere,  // The maildrop holds a message with the imported UIDL, durably; nothing was done.
  kFull,          // The disk.
  kOverQuota,     // It would exceed the maildrop's quota.
  kOverTenantQuota,
  kTooMany,    // The maildrop has kMessagesPerMaildropMax.
  kTemporary,  // 451.
};

// Whether one more message is within the quotas, or whose it would exceed.
enum class Room : uint8_t { kEnough, kOverQuota, kOverTenantQuota };

// A message on its way in. Destroying it before Commit, or while none is under way, leaves nothing
// behind.
class Delivery {
 public:
  virtual ~Delivery() = default;

  // Adds wire-form bytes. Waits while the budget for arriving bodies is spent. kResourceExhausted:
  // the disk is full. After an error only destruction is allowed.
  virtual void Write(std::string_view bytes, io::Completion<Status>& done) = 0;

  // Makes the message durable in every recipient's maildrop. The answer has an outcome for each
  // recipient, in order. REQUIRES: the bytes end with the terminator, and `facts` measures them.
  // Once.
  virtual void Commit(const DeliveryFacts& facts,
                      io::Completion<std::vector<DeliveryOutcome>>& done) = 0;
};

struct MaildropTotals {
  uint64_t messages = 0;
  uint64_t octets = 0;
  uint64_t wire_bytes = 0;
  uint64_t kept_messages = 0;  // Deleted ones that can be brought back; in no quota.
  uint64_t kept_octets = 0;
  Status kept_why;  // Not OK: why the two of kept mail are not known. For people.
};

// Of all maildrops of a tenant.
struct TenantTotals {
  uint64_t messages = 0;
  uint64_t octets = 0;
  uint64_t kept_messages = 0;
  uint64_t kept_octets = 0;

  friend bool operator==(const TenantTotals&, const TenantTotals&) = default;
};

// A deleted message that can be brought back.
struct KeptMessage {
  std::string uidl;  // That it had, by which a request names it.
  uint64_t octets = 0;
  int64_t received_us = 0;
  int64_t deleted_us = 0;
  SessionId deleted_by{0};  // 0: by expiry.
};

// What to bring back: all of these must hold.
struct UndeleteRequest {
  std::string uidl;                                        // Empty: any.
  std::optional<SessionId> session;                        // None: any.
  int64_t since_us = std::numeric_limits<int64_t>::min();  // Deleted then or later.
};

// How far it came.
struct UndeleteResult {
  uint64_t messages = 0;  // That are back, durably.
  Status why;             // Not OK: why others that were wanted are still kept. For people.
};

// The store as one shard sees it. Use it on that shard only.
class ShardStore {
 public:
  virtual ~ShardStore() = default;

  // `session` is remembered as the lease's holder.
  virtual void Open(MaildropKey key, SessionId session, io::Completion<OpenResult>& done) = 0;

  // Without the lease: by any number at once, whoever has it. Never kInUse.
  virtual void OpenToRead(MaildropKey key, io::Completion<OpenResult>& done) = 0;

  // Never waits; room is found while the bytes come.
  virtual std::unique_ptr<Delivery> BeginDelivery(DeliveryRequest request) = 0;

  // Where only the list of kept mail cannot be read, the answer says so and has the rest.
  virtual void Totals(MaildropKey key, io::Completion<StatusOr<MaildropTotals>>& done) = 0;

  // Whether a message of `octets` (0: not known) is within the quotas now. For an early answer: the
  // delivery's commit is what counts. Answers at once where there is no quota.
  virtual void HasRoom(DeliveryRecipient recipient, uint64_t octets,
                       io::Completion<StatusOr<Room>>& done) = 0;

  // What was deleted and is kept, in no particular order.
  virtual void ListKept(MaildropKey key,
                        io::Completion<StatusOr<std::vector<KeptMessage>>>& done) = 0;
  // Brings messages back as new ones (with a new UIDL, so that clients fetch them; dates as
  // before). Asks for no quota, but the maildrop takes no more than kMessagesPerMaildropMax
  // (kResourceExhausted). What is damaged (kDataLoss) keeps no other from coming back. No message
  // is both back and kept, or neither.
  virtual void Undelete(MaildropKey key, UndeleteRequest request,
                        io::Completion<UndeleteResult>& done) = 0;

  // Ends everything that the maildrop held before, durably. An open session of it loses its lease.
  virtual void Remove(MaildropKey key, io::Completion<Status>& done) = 0;
};

// A running store. Made by its engine (storage/engine.h for the embedded one), before the shards
// serve.
class Store {
 public:
  virtual ~Store() = default;

  virtual ShardStore& OnShard(ShardIndex shard) = 0;

  // Ends the store in order: waits for what is under way, writes a last checkpoint, gives the lock
  // back. Called from a thread that is no shard's, after the last session and delivery ended.
  virtual Status Close() = 0;

  // Of one tenant, deliveries under way included. Any thread.
  virtual TenantTotals TotalsOf(TenantId tenant) const = 0;

  virtual void Register(base::MetricRegistry& registry) const = 0;
};

}  // namespace poplar::storage
