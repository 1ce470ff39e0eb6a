#include "tests/sim/model.h"

#include <algorithm>
#include <utility>

namespace poplar::sim {
namespace {

using storage::DeliveryOutcome;
using storage::MaildropKey;
using Gone = Model::Copy::Gone;
using Stored = Model::Copy::Stored;

std::string Text(const MaildropKey& key) {
  return std::to_string(key.tenant.value()) + "/" + key.account;
}

}  // namespace

Model::Model(Broken broken) : broken_(std::move(broken)), expiry_(std::make_unique<Deletion>()) {}
Model::~Model() = default;

std::string Model::NameOf(const Maildrop& maildrop) const { return Text(maildrop.key); }

Model::Maildrop& Model::Of(const MaildropKey& key) {
  std::unique_ptr<Maildrop>& maildrop = maildrops_[Text(key)];
  if (maildrop == nullptr) {
    maildrop = std::make_unique<Maildrop>();
    maildrop->key = key;
  }
  return *maildrop;
}

// --- Deliveries

uint64_t Model::BeginDelivery(const std::vector<MaildropKey>& recipients,
                              const std::shared_ptr<const Body>& body,
                              const std::string& imported_uidl) {
  const uint64_t number = next_number_++;
  std::vector<Copy*>& copies = deliveries_[number];
  for (const MaildropKey& key : recipients) {
    Maildrop& maildrop = Of(key);
    Copy& copy = maildrop.copies.emplace_back();
    ++maildrop.changes;
    copy.maildrop = &maildrop;
    copy.number = number;
    copy.body = body;
    copy.imported_uidl = imported_uidl;
    copy.began_at = moment_;
    copy.arrival_day = today_;
    copies.push_back(&copy);
    // A removal under way may come before or after it.
    copy.deletions = maildrop.removals;
    if (!copy.deletions.empty()) copy.gone = Gone::kDoubtful;
  }
  return number;
}

void Model::EndDelivery(uint64_t number, std::vector<DeliveryOutcome> outcomes) {
  const auto under_way = deliveries_.find(number);
  // Two copies in one maildrop are the same to whoever sees them: one that was seen before the
  // answer is the one that is told to be stored.
  for (size_t i = 0; i < outcomes.size(); ++i) {
    if (outcomes[i] != DeliveryOutcome::kStored || !under_way->second[i]->uidl.empty()) continue;
    for (size_t j = 0; j < outcomes.size(); ++j) {
      const Copy& other = *under_way->second[j];
      if (other.maildrop != under_way->second[i]->maildrop || other.uidl.empty()) continue;
      if (outcomes[j] == DeliveryOutcome::kStored) continue;
      std::swap(outcomes[i], outcomes[j]);
      break;
    }
  }
  for (size_t i = 0; i < outcomes.size(); ++i) {
    Copy& copy = *under_way->second[i];
    copy.answered_run = run_;
    ++copy.maildrop->changes;
    if (outcomes[i] == DeliveryOutcome::kOverQuota ||
        outcomes[i] == DeliveryOutcome::kOverTenantQuota) {
      Require(outcomes[i] == DeliveryOutcome::kOverQuota
                  ? quota_.limited()
                  : PolicyOf(copy.maildrop->key.tenant).quota.limited(),
              "over a quota that is not there: " + std::to_string(number));
      copy.gone = Gone::kYes;
    } else if (outcomes[i] == DeliveryOutcome::kAlreadyThere) {
      CheckAlreadyThere(copy);
    } else if (outcomes[i] != DeliveryOutcome::kStored) {
      Require(!may_write() || copy.maildrop->list_damaged,
              "a delivery failed without a cause: " + std::to_string(number));
      if (copy.stored == Stored::kUnderWay) copy.stored = Stored::kDoubtful;
      copy.was_doubtful = true;
    } else if (copy.stored == Stored::kUnderWay) {
      copy.stored = Stored::kYes;
      copy.stored_at = ++moment_;
    }
    if (outcomes[i] != DeliveryOutcome::kStored) continue;
    CheckQuota(copy);
    CheckImported(copy);
  }
  deliveries_.erase(under_way);
}

// It is not there a second time.
void Model::CheckImported(const Copy& stored) const {
  if (stored.imported_uidl.empty() || !stored.MustBeThere() || any_damage_) return;
  for (const Copy& other : stored.maildrop->copies) {
    Require(
        &other == &stored || other.imported_uidl != stored.imported_uidl || !other.MustBeThere(),
        "a message was imported twice into " + NameOf(*stored.maildrop) + ": " +
            stored.imported_uidl);
  }
}

// Another one has its UIDL, durably.
void Model::CheckAlreadyThere(Copy& repeat) {
  std::vector<Copy*> others;
  for (Copy& copy : repeat.maildrop->copies) {
    if (&copy == &repeat || copy.imported_uidl != repeat.imported_uidl) continue;
    if (copy.MayBeThere(repeat.began_at)) others.push_back(&copy);
  }
  Require(!repeat.imported_uidl.empty() && (!others.empty() || any_damage_),
          "a message is not already there in " + NameOf(*repeat.maildrop) + ": " +
              repeat.imported_uidl);
  repeat.gone = Gone::kYes;
  if (others.size() != 1 || others.front()->gone != Gone::kNo || any_damage_) return;
  Copy& other = *others.front();
  if (other.stored != Stored::kYes) other.stored_at = ++moment_;
  other.stored = Stored::kYes;
}

void Model::DropDelivery(uint64_t number) {
  for (Copy* copy : deliveries_[number]) {
    copy->gone = Gone::kYes;
    ++copy->maildrop->changes;
  }
  deliveries_.erase(number);
}

// --- Removals

Model::Deletion* Model::BeginRemove(const MaildropKey& key) {
  Maildrop& maildrop = Of(key);
  Deletion& removal = *deletions_.emplace_back(std::make_unique<Deletion>());
  removal.maildrop = &maildrop;
  ++maildrop.changes;
  ++maildrop.removals_begun;
  maildrop.doubtful.push_back(&removal);
  maildrop.removals.push_back(&removal);
  for (Copy& copy : maildrop.copies) {
    if (copy.kept != Copy::Kept::kNo) {
      copy.kept = Copy::Kept::kDoubtful;
      removal.kept.push_back(&copy);
    }
    if (copy.gone == Gone::kYes) continue;
    copy.gone = Gone::kDoubtful;
    copy.deletions.push_back(&removal);
    // What is under way may come before it or after.
    if (copy.stored == Stored::kYes) removal.copies.push_back(&copy);
  }
  return &removal;
}

void Model::EndRemove(Deletion* removal, const Status& status) {
  Maildrop& maildrop = *removal->maildrop;
  ++maildrop.changes;
  removal->answered = ++moment_;
  removal->answered_run = run_;
  std::erase(maildrop.removals, removal);
  if (!status.ok()) {
    Require(!may_write() || maildrop.list_damaged,
            "a removal failed without a cause: " + NameOf(maildrop));
    for (Copy* copy : removal->copies) copy->was_doubtful = true;
    return;
  }
  removal->done = true;
  for (Copy* copy : removal->copies) copy->SetGone(moment_);
  for (Copy* copy : removal->kept) copy->kept = Copy::Kept::kNo;
}

void Model::CheckTotals(const Opening& opening,
                        const StatusOr<storage::MaildropTotals>& totals) const {
  const Maildrop& maildrop = *opening.maildrop;
  if (!totals.ok()) {
    Require(!calm_ || maildrop.list_damaged, "no totals of " + NameOf(maildrop));
    return;
  }
  if (maildrop.changes != opening.changes || maildrop.damaged) return;
  storage::MaildropTotals expected;
  for (const Copy& copy : maildrop.copies) {
    if (copy.damaged) return;
    if (copy.gone == Gone::kYes) continue;
    if (!copy.MustBeThere()) return;  // In doubt.
    ++expected.messages;
    expected.octets += copy.body->facts.octets;
    expected.wire_bytes += copy.body->facts.wire_bytes;
  }
  Require(expected.messages == totals->messages && expected.octets == totals->octets &&
              expected.wire_bytes == totals->wire_bytes,
          "wrong totals of " + NameOf(maildrop));
}

// --- Damage

void Model::Relax(const MaildropKey& key) {
  any_damage_ = true;
  Maildrop& maildrop = Of(key);
  maildrop.damaged = true;
  for (Copy& copy : maildrop.copies) copy.damaged = true;
}

void Model::RelaxList(const MaildropKey& key) { Of(key).list_damaged = true; }

void Model::RestoreLists() {
  for (const auto& [name, maildrop] : maildrops_) maildrop->list_damaged = false;
}

void Model::RelaxCopy(const MaildropKey& key, uint64_t number) {
  any_damage_ = true;
  for (Copy& copy : Of(key).copies) copy.damaged = copy.damaged || copy.number == number;
}

void Model::RelaxBody(const std::string& wire) {
  any_damage_ = true;
  for (const auto& [name, maildrop] : maildrops_) {
    for (Copy& copy : maildrop->copies) copy.damaged = copy.damaged || copy.body->wire == wire;
  }
}

void Model::RelaxDoubts() {
  any_damage_ = true;
  for (const auto& [name, maildrop] : maildrops_) {
    for (Copy& copy : maildrop->copies) copy.damaged = copy.damaged || copy.was_doubtful;
  }
}

bool Model::any_list_damaged() const {
  return std::any_of(maildrops_.begin(), maildrops_.end(),
                     [](const auto& each) { return each.second->list_damaged; });
}

uint64_t Model::living() const {
  uint64_t count = 0;
  for (const auto& [name, maildrop] : maildrops_) {
    count +=
        static_cast<uint64_t>(std::count_if(maildrop->copies.begin(), maildrop->copies.end(),
                                            [](const Copy& copy) { return copy.MustBeThere(); }));
  }
  return count;
}

std::string Model::AnyStored(uint64_t pick, uint64_t bytes_max) const {
  constexpr size_t kBytesMin = 100;
  std::vector<const Body*> bodies;
  for (const auto& [name, maildrop] : maildrops_) {
    for (const Copy& copy : maildrop->copies) {
      const size_t bytes = copy.body->wire.size();
      if (!copy.MustBeThere() && !KeptForEver(copy)) continue;
      if (bytes < kBytesMin || bytes >= bytes_max) continue;
      bodies.push_back(copy.body.get());
    }
  }
  return bodies.empty() ? "" : bodies[pick % bodies.size()]->wire;
}

}  // namespace poplar::sim
