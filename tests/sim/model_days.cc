// What goes by its age.

#include <algorithm>

#include "storage/format/chunk.h"
#include "tests/sim/damage.h"
#include "tests/sim/model.h"

namespace poplar::sim {
namespace {

using Gone = Model::Copy::Gone;
using Kept = Model::Copy::Kept;

bool Over(uint32_t from_day, uint32_t days, uint32_t today) { return today > from_day + days; }

}  // namespace

// One that was read is as old as its received time says, but for an imported one.
bool Model::TooOld(const Copy& copy) const {
  const TenantPolicy& policy = PolicyOf(copy.maildrop->key.tenant);
  const bool by_received = copy.read_day.has_value() && copy.imported_uidl.empty();
  const uint32_t received_day = storage::DayOf(Damager::ReceivedUs(copy.number));
  const uint32_t from = by_received ? std::min(received_day, copy.arrival_day) : copy.arrival_day;
  if (policy.expire_days > 0 && Over(from, policy.expire_days, today_)) return true;
  return copy.read_day.has_value() && policy.expire_read_days.has_value() &&
         Over(*copy.read_day, *policy.expire_read_days, today_);
}

// From now on it is as if somebody had deleted it and was never answered.
void Model::LetExpire(Copy& copy) {
  if (copy.may_expire || copy.gone == Gone::kYes) return;
  copy.may_expire = true;
  copy.gone = Gone::kDoubtful;
  copy.deletion_at = moment_;
  copy.deletions.push_back(expiry_.get());
  ++copy.maildrop->changes;
  for (Undeletion* each : copy.maildrop->undeletions) AddRestored(*each, copy, false);
}

void Model::EndKeeping(Copy& copy) {
  copy.kept = Kept::kDoubtful;
  ++copy.maildrop->changes;
  for (Undeletion* each : copy.maildrop->undeletions) {
    for (Undeletion::Pair& pair : each->pairs) pair.certain = pair.certain && pair.old != &copy;
  }
}

void Model::SetToday(uint32_t day) {
  today_ = day;
  for (const auto& [name, maildrop] : maildrops_) {
    const uint32_t keep_days = PolicyOf(maildrop->key.tenant).keep_deleted_days;
    const size_t copies = maildrop->copies.size();
    for (size_t i = 0; i < copies; ++i) {
      Copy& copy = maildrop->copies[i];
      if (TooOld(copy)) LetExpire(copy);
      if (copy.kept == Kept::kYes && Over(copy.deletion_day, keep_days, today_)) EndKeeping(copy);
    }
  }
}

void Model::MarkFetched(const Session& session, const std::set<uint32_t>& positions) {
  for (const uint32_t position : positions) {
    Copy& copy = *session.copies[position];
    // An earlier time may not have counted, and after a start the clock may be a day behind.
    copy.read_day = std::min(copy.read_day.value_or(today_), today_);
    if (TooOld(copy)) LetExpire(copy);
  }
}

bool Model::Expires(TenantId tenant) const { return PolicyOf(tenant).least_days().has_value(); }

}  // namespace poplar::sim
