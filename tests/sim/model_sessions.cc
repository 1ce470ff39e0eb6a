// Sessions: what a list shows, and what commits may have done to it.

#include <algorithm>
#include <set>
#include <utility>

#include "tests/sim/model.h"

namespace poplar::sim {
namespace {

using storage::CommitOutcome;
using storage::MaildropKey;
using storage::OpenOutcome;
using Gone = Model::Copy::Gone;
using Stored = Model::Copy::Stored;

constexpr size_t kUidlIdAt = 9;  // Behind tag and partition (FORMAT.md section 3).
constexpr std::string_view kUidlAlphabet = "abcdefghijklmnopqrstuvwxyz234567";

uint64_t IdOf(std::string_view uidl) {
  uint64_t id = 0;
  for (const char c : uidl.substr(std::min(kUidlIdAt, uidl.size()))) {
    id = id << 5 | kUidlAlphabet.find(c);
  }
  return id;
}

bool OneExpires(const Model::Maildrop& maildrop, uint64_t number) {
  return std::any_of(maildrop.copies.begin(), maildrop.copies.end(), [&](const Model::Copy& copy) {
    return copy.number == number && copy.may_expire;
  });
}

std::string Text(const Listed& listed) {
  return "message " + std::to_string(listed.number) + " " + listed.uidl;
}

}  // namespace

Model::Opening Model::BeginOpen(const MaildropKey& key) {
  Maildrop& maildrop = Of(key);
  Opening opening{&maildrop,
                  {},
                  ++moment_,
                  maildrop.changes,
                  maildrop.removals_begun - maildrop.removals.size(),
                  maildrop.greatest_id};
  for (Copy& copy : opening.maildrop->copies) {
    if (copy.MustBeThere()) opening.required.push_back(&copy);
  }
  return opening;
}

void Model::OpenRefused(const Opening& opening, const storage::OpenResult& result,
                        bool alone) const {
  if (result.outcome == OpenOutcome::kInUse) {
    return Require(!alone, "a lease that nobody has: " + NameOf(*opening.maildrop));
  }
  const bool damaged = result.outcome == OpenOutcome::kDamaged && opening.maildrop->list_damaged;
  Require(!calm_ || damaged, "a maildrop cannot be opened: " + NameOf(*opening.maildrop) + ": " +
                                 result.why.ToString());
}

void Model::Bind(const Opening& opening, Copy& copy, const Listed& listed) {
  Maildrop& maildrop = *opening.maildrop;
  copy.uidl = listed.uidl;
  ++maildrop.changes;
  if (copy.stored != Stored::kYes) copy.stored_at = ++moment_;
  copy.stored = Stored::kYes;
  if (!copy.imported_uidl.empty()) {
    return Require(copy.imported_uidl == listed.uidl,
                   "an imported message has another UIDL: " + Text(listed));
  }
  const bool is_new = uidls_.emplace(listed.uidl, &copy).second;
  Require(is_new, "a UIDL came back for another message: " + Text(listed));
  const uint64_t id = IdOf(listed.uidl);
  Require(id > opening.greatest_id || maildrop.damaged || copy.damaged,
          "an id that is not greater than those before: " + Text(listed));
}

Model::Copy* Model::Match(const Opening& opening, const Listed& listed) {
  Maildrop& maildrop = *opening.maildrop;
  Copy* found = nullptr;
  for (Copy& copy : maildrop.copies) {
    if (copy.number != listed.number || copy.seen_at == opening.began) continue;
    if (copy.uidl == listed.uidl) {
      found = &copy;
      break;
    }
    if (!copy.uidl.empty() || !copy.MayBeThere(opening.began)) continue;
    if (!copy.imported_uidl.empty() && copy.imported_uidl != listed.uidl) continue;
    // Of two that were delivered at once, first the one that was acknowledged.
    const bool better =
        copy.stored == Stored::kYes && found != nullptr && found->stored != Stored::kYes;
    if (found == nullptr || better) found = &copy;
  }
  Require(found != nullptr,
          "a message that should not be in " + NameOf(maildrop) + ": " + Text(listed));
  Require(found->MayBeThere(opening.began),
          "a deleted message came back in " + NameOf(maildrop) + ": " + Text(listed));
  if (found->uidl.empty()) Bind(opening, *found, listed);
  found->seen_at = opening.began;
  const storage::DeliveryFacts& facts = found->body->facts;
  Require(facts.octets == listed.octets && facts.wire_bytes == listed.wire_bytes &&
              facts.header_bytes == listed.header_bytes,
          "wrong sizes in " + NameOf(maildrop) + ": " + Text(listed));
  return found;
}

Model::Session Model::Opened(const Opening& opening, const std::vector<Listed>& list) {
  Maildrop& maildrop = *opening.maildrop;
  // A removal takes the lease away; that of this one too, if its answer was long under way.
  Require(maildrop.holder == 0 || maildrop.removals_begun > maildrop.holder_removals ||
              maildrop.removals_begun > opening.removals_ended,
          "two sessions in " + NameOf(maildrop));
  maildrop.holder = opening.began;
  maildrop.holder_removals = opening.removals_ended;
  Session session{opening, list, {}};
  uint64_t id_before = 0;
  std::set<std::string_view> uidls;
  for (const Listed& listed : list) {
    session.copies.push_back(Match(opening, listed));
    Require(uidls.insert(listed.uidl).second || any_damage_,
            "two of one UIDL in " + NameOf(maildrop) + ": " + Text(listed));
    if (!session.copies.back()->imported_uidl.empty()) continue;  // It does not tell the id.
    const uint64_t id = IdOf(listed.uidl);
    Require(id > id_before, "a list out of order: " + NameOf(maildrop));
    id_before = id;
  }
  maildrop.greatest_id = std::max(maildrop.greatest_id, id_before);
  for (const Copy* copy : opening.required) {
    Require(copy->seen_at == opening.began || !copy->MustBeThere(),
            "a message is missing in " + NameOf(maildrop) + ": " + std::to_string(copy->number) +
                " " + copy->uidl);
  }
  CheckDeletions(maildrop, opening.began);
  Resolve(opening);
  return session;
}

// Each is there as a whole or not at all.
void Model::CheckDeletions(Maildrop& maildrop, uint64_t opening) {
  std::erase_if(maildrop.doubtful, [](const Deletion* each) { return each->done; });
  for (const Deletion* deletion : maildrop.doubtful) {
    size_t seen = 0, unseen = 0;
    for (const Copy* copy : deletion->copies) {
      // What another one may have deleted tells nothing, nor what came after the list was made.
      if (copy->stored_at > opening) continue;
      const bool by_this = copy->deletions.size() == 1 && copy->deletions.front() == deletion;
      if (copy->gone != Gone::kDoubtful || !by_this || copy->damaged) continue;
      ++(copy->seen_at == opening ? seen : unseen);
    }
    Require(seen == 0 || unseen == 0, "deletions were applied in part in " + NameOf(maildrop));
  }
}

// Whether nothing of it can still happen, as a session sees it that began to open then.
bool Model::Settled(const Deletion& deletion, const Opening& opening) const {
  if (deletion.answered == 0 || deletion.answered >= opening.began) return false;
  return deletion.done || deletion.answered_run < run_;
}

// What was in doubt is known now.
void Model::Resolve(const Opening& opening) {
  ++opening.maildrop->changes;
  for (Copy& copy : opening.maildrop->copies) {
    if (copy.gone == Gone::kYes) continue;
    if (copy.seen_at == opening.began) {
      const bool settled =
          std::all_of(copy.deletions.begin(), copy.deletions.end(),
                      [&](const Deletion* each) { return Settled(*each, opening); });
      if (copy.gone == Gone::kNo || !settled) continue;
      copy.gone = Gone::kNo;
      copy.kept = Copy::Kept::kNo;
      copy.deletions.clear();
    } else if (copy.stored == Stored::kYes && copy.stored_at < opening.began) {
      // It was there, so its absence is a deletion's. A list that was made before it may arrive
      // after this one.
      if (copy.gone != Gone::kDoubtful) continue;
      if (PolicyOf(opening.maildrop->key.tenant).keep_deleted_days > 0) {
        copy.kept = Copy::Kept::kDoubtful;
      }
      if (copy.may_expire) ++expired_;
      copy.gone = Gone::kYes;
      copy.gone_at = ++moment_;
      ++opening.maildrop->changes;  // What was counted before tells nothing.
    } else if (copy.stored == Stored::kDoubtful && copy.answered_run < run_) {
      // Or it was stored, and then went and was kept: it, or one that looks the same.
      if (OneExpires(*opening.maildrop, copy.number)) copy.kept = Copy::Kept::kDoubtful;
      copy.gone = Gone::kYes;
      copy.gone_at = ++moment_;  // An older list that has it may arrive after this one.
    }
  }
}

void Model::Release(const Session& session) {
  Maildrop& maildrop = *session.opening.maildrop;
  if (maildrop.holder == session.opening.began) maildrop.holder = 0;
}

Model::Deletion* Model::BeginCommit(const Session& session, const std::vector<Copy*>& deleted) {
  Deletion& deletion = *deletions_.emplace_back(std::make_unique<Deletion>());
  deletion.maildrop = session.opening.maildrop;
  deletion.copies = deleted;
  deletion.removals_ended = session.opening.removals_ended;
  deletion.undeletions_ended =
      deletion.maildrop->undeletions_begun - deletion.maildrop->undeletions.size();
  ++deletion.maildrop->changes;
  deletion.maildrop->doubtful.push_back(&deletion);
  for (Copy* copy : deleted) {
    if (copy->gone == Gone::kYes) continue;
    copy->gone = Gone::kDoubtful;
    copy->deletion_at = moment_;
    copy->deletion_day = today_;
    copy->deletions.push_back(&deletion);
    for (Undeletion* each : deletion.maildrop->undeletions) AddRestored(*each, *copy, false);
  }
  return &deletion;
}

void Model::GiveUp(Deletion& deletion) {
  deletion.done = true;
  for (Copy* copy : deletion.copies) {
    std::erase(copy->deletions, &deletion);
    if (copy->gone == Gone::kDoubtful && copy->deletions.empty()) copy->gone = Gone::kNo;
  }
}

void Model::EndCommit(Deletion* deletion, CommitOutcome outcome) {
  Maildrop& maildrop = *deletion->maildrop;
  ++maildrop.changes;
  deletion->answered = ++moment_;
  deletion->answered_run = run_;
  switch (outcome) {
    case CommitOutcome::kDone:
      deletion->done = true;
      Keep(*deletion, maildrop.removals_begun == deletion->removals_ended);
      for (Copy* copy : deletion->copies) copy->SetGone(moment_);
      return;
    case CommitOutcome::kRefused:
      Require(maildrop.removals_begun > deletion->removals_ended,
              "a commit was refused: " + NameOf(maildrop));
      return GiveUp(*deletion);
    case CommitOutcome::kFailed:
      Require(!may_write() || maildrop.list_damaged,
              "a commit failed without a cause: " + NameOf(maildrop));
      return GiveUp(*deletion);
    case CommitOutcome::kUnknown:
      Require(!calm_, "a commit was left in doubt without a cause: " + NameOf(maildrop));
      Keep(*deletion, false);
      for (Copy* copy : deletion->copies) copy->was_doubtful = true;
      return;
  }
}

void Model::CheckLease(const Session& session, bool lost) const {
  const Maildrop& maildrop = *session.opening.maildrop;
  Require(!lost || maildrop.removals_begun > session.opening.removals_ended,
          "a lease was lost: " + NameOf(maildrop));
}

void Model::CheckSnapshot(const Session& session, const std::vector<Listed>& list,
                          uint64_t octets) const {
  Require(list == session.list, "a session's list changed: " + NameOf(*session.opening.maildrop));
  uint64_t sum = 0;
  for (const Listed& listed : list) sum += listed.octets;
  Require(sum == octets, "octets that are not the sum: " + NameOf(*session.opening.maildrop));
}

void Model::CheckBody(const Session& session, uint32_t position,
                      const StatusOr<std::string>& wire) const {
  const Copy& copy = *session.copies[position];
  if (!wire.ok()) {
    // A removal takes it away under a session that reads.
    const bool excused = !calm_ || copy.damaged || copy.gone != Gone::kNo;
    Require(excused, "a message cannot be read: " + Text(session.list[position]) + ": " +
                         wire.status().ToString());
    return;
  }
  Require(copy.damaged || *wire == copy.body->wire,
          "wrong bytes in " + Text(session.list[position]));
}

}  // namespace poplar::sim
