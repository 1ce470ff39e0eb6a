// Quotas, and deleted mail that is kept.

#include <algorithm>
#include <map>

#include "tests/sim/damage.h"
#include "tests/sim/model.h"

namespace poplar::sim {
namespace {

using storage::KeptMessage;
using storage::MaildropKey;
using Gone = Model::Copy::Gone;
using Kept = Model::Copy::Kept;
using Stored = Model::Copy::Stored;

// So long that the clock's leaps never end it.
constexpr uint32_t kDaysForEver = 1000;
// Where segments are smallest, a maildrop takes no more than some 1,500 messages.
constexpr size_t kTooManyMin = 1000;

}  // namespace

bool Model::KeptForEver(const Copy& copy) const {
  return copy.kept == Kept::kYes && !copy.damaged &&
         PolicyOf(copy.maildrop->key.tenant).keep_deleted_days >= kDaysForEver;
}

// What was brought back asked for no quota.
void Model::CheckQuota(const Copy& stored) const {
  const TenantId tenant = stored.maildrop->key.tenant;
  storage::MaildropTotals in_maildrop, of_tenant;
  for (const auto& [name, maildrop] : maildrops_) {
    if (maildrop->key.tenant != tenant) continue;
    for (const Copy& copy : maildrop->copies) {
      if (!copy.MustBeThere() || copy.restored) continue;
      const uint64_t octets = copy.body->facts.octets;
      ++of_tenant.messages;
      of_tenant.octets += octets;
      if (maildrop.get() != stored.maildrop) continue;
      ++in_maildrop.messages;
      in_maildrop.octets += octets;
    }
  }
  // Of a list that cannot be read the store does not know what is there.
  Require(stored.maildrop->list_damaged || quota_.Allows(in_maildrop.octets, in_maildrop.messages),
          "more than a maildrop's quota: " + NameOf(*stored.maildrop));
  Require(PolicyOf(tenant).quota.Allows(of_tenant.octets, of_tenant.messages),
          "more than a tenant's quota: " + NameOf(*stored.maildrop));
}

void Model::CheckTenant(TenantId tenant, const storage::TenantTotals& totals) const {
  storage::TenantTotals expected;
  for (const auto& [name, maildrop] : maildrops_) {
    if (maildrop->key.tenant != tenant) continue;
    if (maildrop->damaged || maildrop->list_damaged) return;
    for (const Copy& copy : maildrop->copies) {
      if (copy.damaged || copy.gone == Gone::kDoubtful || copy.kept == Kept::kDoubtful) return;
      const bool living = copy.gone == Gone::kNo;
      if (living && copy.stored != Stored::kYes) return;  // In doubt.
      if (!living && copy.kept == Kept::kNo) continue;
      ++(living ? expected.messages : expected.kept_messages);
      (living ? expected.octets : expected.kept_octets) += copy.body->facts.octets;
    }
  }
  Require(expected == totals, "a tenant's totals are wrong: " + std::to_string(tenant.value()));
}

// They are deleted now, or may be.
void Model::Keep(const Deletion& deletion, bool certain) {
  const uint32_t days = PolicyOf(deletion.maildrop->key.tenant).keep_deleted_days;
  if (days == 0) return;
  // Or they may be back already.
  const bool no_undeletion = deletion.maildrop->undeletions_begun == deletion.undeletions_ended;
  for (Copy* copy : deletion.copies) {
    // Another deletion was faster, and kept it or not.
    const bool by_this = copy->gone == Gone::kDoubtful && copy->deletions.size() == 1;
    const bool long_enough = today_ <= copy->deletion_day + days;
    const bool sure = certain && by_this && long_enough && no_undeletion;
    if (copy->gone == Gone::kYes && copy->kept == Kept::kNo) continue;
    copy->kept = sure ? Kept::kYes : Kept::kDoubtful;
  }
}

void Model::CheckKept(const Opening& opening, const StatusOr<std::vector<KeptMessage>>& list) {
  Maildrop& maildrop = *opening.maildrop;
  if (!list.ok()) {
    Require(!calm_ || maildrop.list_damaged, "no list of kept mail of " + NameOf(maildrop));
    return;
  }
  if (maildrop.changes != opening.changes || any_damage_) return;
  std::map<const Copy*, bool> listed;
  for (const KeptMessage& message : *list) {
    const uint64_t number = Damager::NumberOf(message.received_us);
    const Copy* found = nullptr;
    for (Copy& copy : maildrop.copies) {
      if (copy.number != number || listed.contains(&copy)) continue;
      // One that went by its age before anybody saw it has the UIDL with which it came back.
      if (!copy.uidl.empty() && copy.uidl != message.uidl && !copy.may_expire) continue;
      if (copy.kept == Kept::kNo && copy.gone != Gone::kDoubtful && !copy.damaged) continue;
      if (found == nullptr || copy.uidl == message.uidl) found = &copy;
    }
    Require(found != nullptr, "a message is kept that should not be, in " + NameOf(maildrop) +
                                  ": " + std::to_string(number) + " " + message.uidl);
    Require(found->body->facts.octets == message.octets, "wrong octets of a kept message");
    listed[found] = true;
  }
  if (!maildrop.undeletions.empty()) return;  // They may be back already.
  for (const Copy& copy : maildrop.copies) {
    Require(copy.kept != Kept::kYes || copy.damaged || listed.contains(&copy),
            "a deleted message is not kept in " + NameOf(maildrop) + ": " +
                std::to_string(copy.number) + " " + copy.uidl);
  }
}

std::string Model::KeptUidl(const MaildropKey& key, uint64_t pick) const {
  std::vector<std::string> known;
  const auto maildrop = maildrops_.find(std::to_string(key.tenant.value()) + "/" + key.account);
  if (maildrop == maildrops_.end()) return "";
  for (const Copy& copy : maildrop->second->copies) {
    if (copy.kept != Kept::kNo && !copy.uidl.empty()) known.push_back(copy.uidl);
  }
  return known.empty() ? "" : known[pick % known.size()];
}

bool Model::Crowded(const MaildropKey& key) const {
  constexpr size_t kCopiesMax = 3'000;
  const auto maildrop = maildrops_.find(std::to_string(key.tenant.value()) + "/" + key.account);
  return maildrop != maildrops_.end() && maildrop->second->copies.size() > kCopiesMax;
}

void Model::AddRestored(Undeletion& undeletion, Copy& old, bool certain) {
  Maildrop& maildrop = *undeletion.maildrop;
  // Another copy of the same delivery that was not seen yet looks the same to whoever sees it.
  const bool alike =
      std::any_of(maildrop.copies.begin(), maildrop.copies.end(), [&](const Copy& each) {
        return each.number == old.number && each.uidl.empty() &&
               (each.gone != Gone::kYes || each.damaged);
      });
  certain = certain && !alike && !old.damaged;
  for (Undeletion::Pair& pair : undeletion.pairs) {
    if (pair.old->number == old.number) pair.certain = certain = false;
  }
  Copy& copy = maildrop.copies.emplace_back();
  copy.maildrop = &maildrop;
  copy.number = old.number;
  copy.body = old.body;
  copy.damaged = old.damaged;
  copy.restored = true;
  copy.began_at = moment_;
  copy.arrival_day = today_;
  copy.deletions = maildrop.removals;
  if (!copy.deletions.empty()) copy.gone = Gone::kDoubtful;
  undeletion.pairs.push_back({&old, &copy, certain});
}

Model::Undeletion* Model::BeginUndelete(const MaildropKey& key, const std::string& uidl) {
  Maildrop& maildrop = Of(key);
  Undeletion& undeletion = *undeletions_.emplace_back(std::make_unique<Undeletion>());
  undeletion.maildrop = &maildrop;
  undeletion.removals_begun = maildrop.removals_begun;
  undeletion.undeletions_begun = ++maildrop.undeletions_begun;
  undeletion.alone = maildrop.undeletions.empty() && maildrop.removals.empty();
  ++maildrop.changes;
  const size_t copies = maildrop.copies.size();
  for (size_t i = 0; i < copies; ++i) {
    Copy& copy = maildrop.copies[i];
    if (copy.uidl.empty() && !copy.may_expire) continue;  // Nobody saw it, so nobody deleted it.
    const std::string& known_uidl = copy.uidl.empty() ? copy.imported_uidl : copy.uidl;
    if (!uidl.empty() && known_uidl != uidl) continue;
    const bool may_be_kept = copy.kept != Kept::kNo || copy.gone == Gone::kDoubtful ||
                             (any_damage_ && copy.gone == Gone::kYes);
    if (may_be_kept) AddRestored(undeletion, copy, copy.kept == Kept::kYes);
  }
  maildrop.undeletions.push_back(&undeletion);
  return &undeletion;
}

void Model::EndUndelete(Undeletion* undeletion, const storage::UndeleteResult& result) {
  const bool whole = result.why.ok();
  Maildrop& maildrop = *undeletion->maildrop;
  ++maildrop.changes;
  std::erase(maildrop.undeletions, undeletion);
  const bool alone = undeletion->alone &&
                     maildrop.undeletions_begun == undeletion->undeletions_begun &&
                     maildrop.removals_begun == undeletion->removals_begun;
  // The pass that ends what was kept long enough: the wall clock may be days ahead.
  const bool purging = result.why.code() == StatusCode::kUnavailable &&
                       PolicyOf(maildrop.key.tenant).keep_deleted_days < kDaysForEver;
  // The maildrop may hold as much as it can.
  const bool too_many =
      result.why.code() == StatusCode::kResourceExhausted && maildrop.copies.size() >= kTooManyMin;
  Require(whole || !may_write() || !alone || any_damage_ || maildrop.list_damaged || purging ||
              too_many,
          "an undelete failed without a cause: " + NameOf(maildrop));
  size_t certain = 0;
  for (const Undeletion::Pair& pair : undeletion->pairs) {
    pair.restored->answered_run = run_;
    if (pair.restored->stored == Stored::kYes) {
      // It was seen; of two copies of one delivery it may be the other that came back.
      if (pair.old->kept != Kept::kNo) pair.old->kept = pair.certain ? Kept::kNo : Kept::kDoubtful;
    } else if (whole && alone && pair.certain && !pair.old->damaged) {
      pair.restored->stored = Stored::kYes;
      pair.restored->stored_at = ++moment_;
      pair.old->kept = Kept::kNo;
      ++certain;
    } else {
      pair.restored->stored = Stored::kDoubtful;
      pair.restored->was_doubtful = true;
      if (pair.old->kept == Kept::kYes) pair.old->kept = Kept::kDoubtful;
    }
  }
  if (any_damage_) return;
  Require(result.messages >= certain && result.messages <= undeletion->pairs.size(),
          "an undelete counts wrongly: " + NameOf(maildrop));
}

}  // namespace poplar::sim
