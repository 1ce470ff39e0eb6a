#include "storage/engine/deliver_call.h"

#include <optional>
#include <utility>

#include "storage/engine/delivery.h"

namespace poplar::storage {
namespace {

DeliveryOutcome OutcomeOf(AppendOutcome outcome) {
  switch (outcome) {
    case AppendOutcome::kDurable:
      return DeliveryOutcome::kStored;
    case AppendOutcome::kFull:
      return DeliveryOutcome::kFull;
    case AppendOutcome::kTemporary:
    case AppendOutcome::kUnknown:
      break;
  }
  return DeliveryOutcome::kTemporary;
}

}  // namespace

// One recipient's record.
class DeliverCall::Append final : public LogAppend,
                                  public MaildropWaiter,
                                  public ImportedUidls::Claim {
 public:
  Append(DeliverCall& owner, size_t place, const DeliveryRecipient& to)
      : call(owner), index(place), recipient(to), encoded_key(EncodeMaildropKey(to.key)) {}

  DeliverCall& call;
  const size_t index;
  const DeliveryRecipient& recipient;
  const std::string encoded_key;
  DeliveryOutcome outcome = DeliveryOutcome::kTemporary;

  // On the partition's shard.
  void Start();

 private:
  Partition& partition() { return *call.delivery_.home_.context().partitions[call.partition_]; }
  bool imported() const { return (record.flags & kRecordImported) != 0; }
  bool HasTooMany(const MaildropState& state) const {
    return state.messages() >= call.delivery_.home_.context().options.messages_per_maildrop_max;
  }
  void MaildropReady(MaildropState* state, const Status& why) override;
  void Decided(bool stored) override;
  void Submit(MaildropState* state);
  void Appended(AppendOutcome appended, Lsn at) override;
  void GiveBackReservations(bool stored);
  // Ends without a record.
  void Refuse(DeliveryOutcome why);
  void LeaveOut(DeliveryOutcome why);

  MaildropState* charged_ = nullptr;  // Counts this as arriving; pinned.
  bool in_ledger_ = false;
};

DeliverCall::DeliverCall(EmbeddedDelivery& delivery, uint32_t partition)
    : delivery_(delivery), partition_(partition) {}
DeliverCall::~DeliverCall() = default;

void DeliverCall::AddRecipient(size_t index, const DeliveryRecipient& recipient) {
  appends_.push_back(std::make_unique<Append>(*this, index, recipient));
}

void DeliverCall::Send(const Record& common) {
  for (const auto& append : appends_) {
    append->record = common;
    append->record.tenant = append->recipient.key.tenant;
    append->record.account = append->recipient.key.account;
    if (common.kind == RecordKind::kAddRef) {
      append->record.reference = delivery_.blob_ids_[append->index].value();
    }
  }
  EngineContext& context = delivery_.home_.context();
  delivery_.home_.shard().Send(context.ShardOf(partition_), *this);
}

void DeliverCall::Execute(io::Shard& /*target*/) {
  waiting_ = appends_.size() + 1;  // One for this loop: answers may come inside it.
  for (const auto& append : appends_) append->Start();
  OnAppended();
}

void DeliverCall::OnAppended() {
  if (--waiting_ == 0) Reply();
}

// The list says which UIDLs the maildrop holds; of its quota its totals are enough.
void DeliverCall::Append::Start() {
  if (imported()) return partition().WithList(encoded_key, *this);
  if (recipient.quota.limited()) return partition().WithTotals(encoded_key, *this);
  const MaildropState* const state = partition().table().Find(encoded_key);
  if (state != nullptr && state->counted() && HasTooMany(*state)) {
    Refuse(DeliveryOutcome::kTooMany);
  } else {
    Submit(nullptr);
  }
}

void DeliverCall::Append::MaildropReady(MaildropState* state, const Status& why) {
  // Of a damaged list nobody knows how much is there. Mail goes on coming in, by the tenant's
  // quota.
  const bool damaged = state == nullptr && why.code() == StatusCode::kDataLoss;
  if (damaged && !imported()) return Submit(nullptr);
  if (state == nullptr) return LeaveOut(DeliveryOutcome::kTemporary);
  if (HasTooMany(*state)) return Refuse(DeliveryOutcome::kTooMany);
  if (!imported()) return Submit(state);
  const uint64_t now_us = call.delivery_.home_.context().options.clock->MonotonicUs();
  switch (
      partition().imported_uidls().Ask(encoded_key, *state->list, record.uidl(), *this, now_us)) {
    case ImportedUidls::Answer::kFree:
      return Submit(state);
    case ImportedUidls::Answer::kHeld:
      return Decided(true);
    case ImportedUidls::Answer::kArriving:
      return;
  }
}

void DeliverCall::Append::Decided(bool stored) {
  if (stored) partition().metrics().import_repeats.Add();
  LeaveOut(stored ? DeliveryOutcome::kAlreadyThere : DeliveryOutcome::kTemporary);
}

// What is on its way counts, so that no number of deliveries at once exceeds a quota.
void DeliverCall::Append::Submit(MaildropState* state) {
  const TenantId tenant = record.tenant;
  const Quota& of_tenant = partition().PolicyOf(tenant).quota;
  const bool fits = state == nullptr || state->Allows(recipient.quota, record.octets);
  in_ledger_ =
      fits && of_tenant.limited() && partition().ledger().Reserve(tenant, record.octets, of_tenant);
  if (!fits || (of_tenant.limited() && !in_ledger_)) {
    if (imported()) partition().imported_uidls().Settle(encoded_key, record.uidl(), std::nullopt);
    return Refuse(fits ? DeliveryOutcome::kOverTenantQuota : DeliveryOutcome::kOverQuota);
  }
  if (state != nullptr) {
    charged_ = state;
    ++state->pins;
    ++state->arriving_messages;
    state->arriving_octets += record.octets;
  }
  partition().log().Append(*this);
}

void DeliverCall::Append::GiveBackReservations(bool stored) {
  if (in_ledger_ && !stored) partition().ledger().Release(record.tenant, record.octets);
  if (charged_ == nullptr) return;
  --charged_->arriving_messages;
  charged_->arriving_octets -= record.octets;
  partition().table().Unpin(*std::exchange(charged_, nullptr));
}

void DeliverCall::Append::Refuse(DeliveryOutcome why) {
  PartitionMetrics& metrics = partition().metrics();
  if (why == DeliveryOutcome::kOverQuota) metrics.over_quota.Add();
  if (why == DeliveryOutcome::kOverTenantQuota) metrics.over_tenant_quota.Add();
  if (why == DeliveryOutcome::kTooMany) metrics.too_many.Add();
  LeaveOut(why);
}

void DeliverCall::Append::LeaveOut(DeliveryOutcome why) {
  outcome = why;
  if (record.kind == RecordKind::kAddRef) partition().UnlinkBlob(BlobId(record.reference));
  call.OnAppended();
}

void DeliverCall::Append::Appended(AppendOutcome appended, Lsn at) {
  PartitionMetrics& metrics = partition().metrics();
  const bool durable = appended == AppendOutcome::kDurable;
  outcome = OutcomeOf(appended);
  if (durable) {
    MaildropTable& table = partition().table();
    table.Add(table.FindOrMake(encoded_key), EntryOf(record, at), record.entry_text(), in_ledger_);
    metrics.deliveries.Add();
    metrics.delivered_bytes.Add(record.wire_bytes);
    if (record.kind == RecordKind::kAddRef) metrics.blobs.Add();
    partition().Applied();
  } else if (record.kind == RecordKind::kAddRef && appended != AppendOutcome::kUnknown) {
    partition().UnlinkBlob(BlobId(record.reference));
  }
  GiveBackReservations(durable);
  if (imported()) {
    if (durable) metrics.imported.Add();
    const auto stored = durable ? std::optional(record.id) : std::nullopt;
    partition().imported_uidls().Settle(encoded_key, record.uidl(), stored);
  }
  call.OnAppended();
}

void DeliverCall::Completed() {
  for (const auto& append : appends_) delivery_.outcomes_[append->index] = append->outcome;
  delivery_.OnCallDone();
}

// Names of blobs that were made for it are found and removed at the next start.
void DeliverCall::Expired() { Completed(); }

}  // namespace poplar::storage
