#include "storage/engine/expirer.h"

#include <algorithm>
#include <utility>

#include "core/base/check.h"
#include "core/base/log.h"
#include "storage/engine/steady_date.h"

namespace poplar::storage {
namespace {

constexpr size_t kKeysAScan = 4096;
constexpr uint64_t kPieceMessagesMax = 8192;   // Others wait while a deletion is applied.
constexpr uint64_t kFirstLookUs = 60'000'000;  // A start has other things to do.

// Whole days passed since the day of `from`, and more.
bool Over(uint16_t from_day, uint32_t days, uint16_t today) { return today > from_day + days; }

// The least age that may have an end in a list; none: nothing of it ends.
std::optional<uint32_t> LeastDays(const TenantPolicies& policies, std::string_view key) {
  const TenantPolicy* const policy = policies.Listed(DecodeMaildropKey(key).tenant);
  if (policy == nullptr) return std::nullopt;
  return IsKeptKey(key) ? policy->keep_deleted_days : policy->least_days();
}

bool Ended(const MessageEntry& entry, const TenantPolicy& policy, uint16_t today) {
  if (entry.kept()) {
    return policy.keep_deleted_days == 0 || Over(entry.day, policy.keep_deleted_days, today);
  }
  if (policy.expire_days > 0 && Over(entry.age_day(), policy.expire_days, today)) return true;
  return (entry.flags & kEntryRead) != 0 && policy.expire_read_days.has_value() &&
         Over(entry.day, *policy.expire_read_days, today);
}

std::string WhyNot(AppendOutcome outcome) {
  switch (outcome) {
    case AppendOutcome::kFull:
      return "the log has no room";
    case AppendOutcome::kUnknown:
      return "the log could not be written";
    case AppendOutcome::kDurable:
    case AppendOutcome::kTemporary:
      break;
  }
  return "the log takes nothing just now";
}

}  // namespace

void ExpiryMetrics::Register(base::MetricRegistry& registry,
                             const base::MetricLabels& labels) const {
  registry.Add(passes, "poplar_store_expiry_passes_total",
               "Passes over the lists of a partition that looked for mail to expire.", labels);
  registry.Add(expired, "poplar_store_expired_total",
               "Messages deleted because of their age, by a tenant's policy.", labels);
  registry.Add(purged, "poplar_store_purged_total",
               "Deleted messages whose time of being kept was over.", labels);
  registry.Add(failures, "poplar_store_expiry_failures_total",
               "Lists whose old mail could not be deleted; they are tried again.", labels);
}

// Looks for lists with mail that may be too old.
class Expirer::ScanJob final : public io::OffloadJob {
 public:
  explicit ScanJob(Expirer& expirer) : expirer_(expirer) {}

  std::shared_ptr<const TenantPolicies> policies;
  uint16_t today = 0;
  std::string after;
  StatusOr<AgedKeys> found = AgedKeys();

 private:
  void Work() override {
    found = expirer_.partition_.index().ReadAgedKeys(
        after, kKeysAScan, [this](std::string_view key, uint16_t oldest_day) {
          const std::optional<uint32_t> days = LeastDays(*policies, key);
          if (!days.has_value()) return false;
          return (IsKeptKey(key) && *days == 0) || Over(oldest_day, *days, today);
        });
  }
  void Done() override { expirer_.OnScanned(); }

  Expirer& expirer_;
};

Expirer::Expirer(Partition& partition, const ExpiryOptions& options, io::Reactor& reactor,
                 io::OffloadPool& disk)
    : partition_(partition),
      number_(options.partition),
      policies_(options.policies),
      interval_us_(options.interval_ms * 1000),
      piece_messages_max_(std::min(kPieceMessagesMax, options.segment_bytes / 4 / kExpungedBytes)),
      reactor_(reactor),
      disk_(disk),
      next_look_us_(reactor.now_us() + std::min(interval_us_, kFirstLookUs)),
      generation_(policies_ == nullptr ? 0 : policies_->generation()),
      scan_(std::make_unique<ScanJob>(*this)),
      rest_(&reactor, this) {}

Expirer::~Expirer() { POP_CHECK(idle()); }

void Expirer::OnTick() {
  if (policies_ == nullptr || closing_ || step_ != Step::kIdle) return;
  const uint64_t generation = policies_->generation();
  if (reactor_.now_us() < next_look_us_ && generation == generation_) return;
  if (partition_.checkpoint_pending()) return;  // What it writes is in neither list.
  next_look_us_ = reactor_.now_us() + interval_us_;
  generation_ = generation;
  today_ = partition_.date().Today();
  if (!Needed() || (done_day_ == today_ && done_generation_ == generation)) return;
  whole_ = true;
  failure_told_ = false;
  scan_->after.clear();
  index_scanned_ = false;
  scan_->found = AgedKeys{partition_.table().ChangedKeys(), 0, true};
  std::erase_if(scan_->found->keys, [&](const std::string& key) {
    return !LeastDays(partition_.policies(), key).has_value();
  });
  next_key_ = 0;
  NextList();
}

bool Expirer::Needed() const {
  const std::shared_ptr<const TenantPolicies> policies = policies_->Current();
  const auto& tenants = partition_.table().tenants();
  return std::any_of(policies->by_tenant.begin(), policies->by_tenant.end(),
                     [](const auto& policy) { return policy.second.least_days().has_value(); }) ||
         std::any_of(tenants.begin(), tenants.end(), [&](const auto& totals) {
           return totals.second.kept_messages > 0 && policies->Listed(totals.first) != nullptr;
         });
}

void Expirer::Scan() {
  scan_->policies = policies_->Current();
  scan_->today = today_;
  step_ = Step::kScanning;
  if (disk_.Submit(reactor_, 0, *scan_)) return;
  Stop();
}

void Expirer::OnScanned() {
  if (!scan_->found.ok()) {
    Failed(nullptr, scan_->found.status().ToString());
    return Stop();
  }
  metrics_.failures.Add(scan_->found->damages);
  if (scan_->found->damages > 0) whole_ = false;
  next_key_ = 0;
  NextList();
}

void Expirer::EndPass() {
  metrics_.passes.Add();
  if (whole_) {
    done_day_ = today_;
    done_generation_ = generation_;
  }
  Stop();
}

void Expirer::NextList() {
  if (closing_) return Stop();
  std::vector<std::string>& keys = scan_->found->keys;
  if (next_key_ == keys.size()) {
    if (!scan_->found->more) return EndPass();
    if (std::exchange(index_scanned_, true)) scan_->after = std::move(keys.back());
    return Scan();
  }
  step_ = Step::kDeleting;
  partition_.WithList(keys[next_key_++], *this);
}

void Expirer::MaildropReady(MaildropState* list, const Status& why) {
  if (list_ != nullptr) {  // The list of kept mail that was waited for.
    if (list != nullptr) return Delete(list, std::move(ids_));
    if (why.code() == StatusCode::kDataLoss) {
      return deletion_.BeginUnlisted(partition_, *list_, std::move(ids_), 0);
    }
    Failed(list_, why.ToString());
    EndLease();
    return Rest();
  }
  // A session sees its maildrop as it was when it began; an undelete is at work.
  if (list == nullptr || list->lease != nullptr || list->deletions > 0) {
    whole_ = false;
    return Rest();
  }
  const TenantPolicy* const policy =
      partition_.policies().Listed(DecodeMaildropKey(list->key).tenant);
  if (policy == nullptr) return Rest();  // Not any more.
  std::vector<MessageId> ids;
  uint32_t hint = 0;
  for (uint32_t i = 0; i < list->list->count() && ids.size() < piece_messages_max_; ++i) {
    const MessageEntry& entry = list->list->At(i, hint);
    if (Ended(entry, *policy, today_)) ids.push_back(entry.id);
  }
  if (ids.empty()) return Rest();
  piece_full_ = ids.size() == piece_messages_max_;
  list_ = list;
  ++list_->pins;
  lease_ = list->lease = std::make_shared<Lease>();
  partition_.metrics().leases.Add(1);
  if (IsKeptKey(list->key) || policy->keep_deleted_days == 0) {
    return Delete(nullptr, std::move(ids));
  }
  ids_ = std::move(ids);
  partition_.WithList(KeptKeyOf(list->key), *this);
}

void Expirer::Delete(MaildropState* kept, std::vector<MessageId> ids) {
  deletion_.Begin(partition_, *list_, kept, std::move(ids), 0);
}

void Expirer::OnDeleted() {
  if (deletion_.outcome() != AppendOutcome::kDurable) {
    Failed(list_, WhyNot(deletion_.outcome()));
  } else {
    (IsKeptKey(list_->key) ? metrics_.purged : metrics_.expired).Add(deletion_.messages());
    if (piece_full_) --next_key_;  // The same list again; a session may come first.
  }
  EndLease();
  Rest();
}

void Expirer::Failed(const MaildropState* list, const std::string& why) {
  metrics_.failures.Add();
  whole_ = false;
  if (std::exchange(failure_told_, true)) return;
  const MaildropKey key = list == nullptr ? MaildropKey() : DecodeMaildropKey(list->key);
  base::Log(base::LogLevel::kError, "store_expiry_failed",
            {{"partition", number_},
             {"tenant", key.tenant.value()},
             {"account", key.account},
             {"why", why}});
}

void Expirer::EndLease() {
  partition_.EndLease(list_->key, std::exchange(lease_, nullptr));
  partition_.table().Unpin(*std::exchange(list_, nullptr));
}

// Until the next turn: the log may be in the midst of answering.
void Expirer::Rest() {
  step_ = Step::kResting;
  rest_.Arm(0);
}

void Expirer::Stop() { step_ = Step::kIdle; }

}  // namespace poplar::storage
