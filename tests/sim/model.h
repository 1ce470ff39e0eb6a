// What must be true of a store, whatever happens to its disk.
//
// - A message that was acknowledged is in its maildrop, byte for byte, until it is deleted.
// - What was deleted stays deleted.
// - What was never answered (the power went), or answered "unknown", has happened or not: a
// delivery
//   whole, a commit as a whole. What was seen of it once stays so.
// - A UIDL that the store gave belongs to one message for ever; later messages have greater ids.
// - An imported message has the UIDL that it had; a maildrop never holds two of one UIDL.
// - A maildrop has one session at a time.
// - What was deleted under a policy that keeps it can be brought back, once, as a new message.
// - What is stored stays within the quotas, and what a tenant has is counted exactly.
// - Nothing goes by its age, and nothing ceases to be kept, before its tenant's policy says so.
//
// The simulator tells what it begins and what was answered; every maildrop that is opened is
// compared with what is known. The first contradiction ends the process with the seed and the last
// steps.

#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "storage/api/store.h"
#include "tests/sim/trace.h"

namespace poplar::sim {

struct Body {
  std::string wire;
  storage::DeliveryFacts facts;
};

// A message as a session sees it. `number` is that of its delivery (told by its received time).
struct Listed {
  uint64_t number = 0;
  std::string uidl;
  uint64_t octets = 0;
  uint64_t wire_bytes = 0;
  uint64_t header_bytes = 0;

  friend bool operator==(const Listed&, const Listed&) = default;
};

class Model {
 public:
  // `broken` is called with the first contradiction, and does not return.
  using Broken = std::function<void(const std::string& what)>;

  // A message in one maildrop; one for each time that a delivery names it.
  struct Copy;
  // One that may or may not be gone: by a commit or a removal without an answer.
  struct Deletion;
  // Kept messages on their way back.
  struct Undeletion;
  struct Maildrop;
  // A question about a maildrop under way, and what is known when it is asked.
  struct Opening {
    Maildrop* maildrop = nullptr;
    std::vector<Copy*> required;  // Must be there.
    uint64_t began = 0;
    uint64_t changes = 0;  // Of the maildrop, so far.
    uint64_t removals_ended = 0;
    uint64_t greatest_id = 0;  // That was seen.
  };
  struct Session {
    Opening opening;
    std::vector<Listed> list;
    std::vector<Copy*> copies;  // In the order of the list.
  };

  explicit Model(Broken broken);
  ~Model();

  // Of the store, as long as it lives; `quota` is that of every maildrop.
  void SetPolicies(TenantPolicies policies, const Quota& quota) {
    policies_ = std::move(policies);
    quota_ = quota;
  }
  const TenantPolicy& PolicyOf(TenantId tenant) const { return policies_.Of(tenant); }
  const Quota& quota() const { return quota_; }

  // While calm nothing may fail; but on a full disk, what writes.
  void set_calm(bool calm) { calm_ = calm; }
  bool calm() const { return calm_; }
  void set_full(bool full) { full_ = full; }
  bool may_write() const { return calm_ && !full_; }
  void Require(bool condition, const std::string& what) const {
    if (!condition) broken_(what);
  }

  // --- Deliveries. Numbers count up. `imported_uidl`: empty if it is none.
  uint64_t BeginDelivery(const std::vector<storage::MaildropKey>& recipients,
                         const std::shared_ptr<const Body>& body,
                         const std::string& imported_uidl = "");
  void EndDelivery(uint64_t number, std::vector<storage::DeliveryOutcome> outcomes);
  // It never came to its commit.
  void DropDelivery(uint64_t number);

  // --- Sessions.
  Opening BeginOpen(const storage::MaildropKey& key);
  // `alone`: nobody else has it.
  void OpenRefused(const Opening& opening, const storage::OpenResult& result, bool alone) const;
  Session Opened(const Opening& opening, const std::vector<Listed>& list);
  // Before the commit is sent, or the maildrop dropped.
  void Release(const Session& session);
  Deletion* BeginCommit(const Session& session, const std::vector<Copy*>& deleted);
  void EndCommit(Deletion* deletion, storage::CommitOutcome outcome);
  void CheckLease(const Session& session, bool lost) const;
  // What a session sees never changes under it.
  void CheckSnapshot(const Session& session, const std::vector<Listed>& list,
                     uint64_t octets) const;
  void CheckBody(const Session& session, uint32_t position,
                 const StatusOr<std::string>& wire) const;

  Deletion* BeginRemove(const storage::MaildropKey& key);
  void EndRemove(Deletion* removal, const Status& status);

  void CheckTotals(const Opening& opening, const StatusOr<storage::MaildropTotals>& totals) const;
  // REQUIRES: nothing is under way.
  void CheckTenant(TenantId tenant, const storage::TenantTotals& totals) const;

  // --- What is kept.
  void CheckKept(const Opening& opening, const StatusOr<std::vector<storage::KeptMessage>>& list);
  // The UIDL of one that is kept, or may be; empty if none is known. `pick` chooses.
  std::string KeptUidl(const storage::MaildropKey& key, uint64_t pick) const;
  // So much of it is in doubt that a further undelete, after which it is twice as much, tells
  // nothing.
  bool Crowded(const storage::MaildropKey& key) const;
  // `uidl` empty: all.
  Undeletion* BeginUndelete(const storage::MaildropKey& key, const std::string& uidl);
  void EndUndelete(Undeletion* undeletion, const storage::UndeleteResult& result);

  // --- Snapshots of the store.
  // What one that was made in between must hold, and may.
  struct Picture {
    std::vector<Opening> maildrops;
    uint64_t ended = 0;
  };
  Picture BeginPicture();
  void EndPicture(Picture* picture);
  // What it holds of a maildrop, as a store of its own: messages and their wire form.
  void CheckPicture(const Picture& picture, const Opening& maildrop,
                    const std::vector<Listed>& list,
                    const std::vector<StatusOr<std::string>>& wires) const;

  // --- Days, of the wall clock.
  // What is too old for its tenant's policy may go from now on, and what was kept long enough.
  void SetToday(uint32_t day);
  // A session is about to say that it fetched these.
  void MarkFetched(const Session& session, const std::set<uint32_t>& positions);
  // Whether mail of this tenant may go by itself.
  bool Expires(TenantId tenant) const;
  // Messages that were missed once they were too old.
  uint64_t expired() const { return expired_; }

  // --- Runs of the store.
  void NextRun() { ++run_; }

  // --- Damage.
  // Anything may be wrong with what was delivered to this maildrop so far.
  void Relax(const storage::MaildropKey& key);
  // The index's list of it is damaged: it may not open, until a start that follows one that met it.
  void RelaxList(const storage::MaildropKey& key);
  void RestoreLists();
  // This delivery to it may be lost, or its octets wrong.
  void RelaxCopy(const storage::MaildropKey& key, uint64_t number);
  // The octets may be wrong wherever a message has these.
  void RelaxBody(const std::string& wire);
  // What was never answered, or answered "unknown", may come back as if it were new, anywhere.
  void RelaxDoubts();

  bool any_damage() const { return any_damage_; }
  bool any_list_damaged() const;

  // Messages that must be there.
  uint64_t living() const;
  // The octets of one of these, or of one that is kept for good, of some size, but fewer than
  // `bytes_max`; or nothing. `pick` chooses.
  std::string AnyStored(uint64_t pick, uint64_t bytes_max) const;

 private:
  Maildrop& Of(const storage::MaildropKey& key);
  Copy* Match(const Opening& opening, const Listed& listed);
  void Bind(const Opening& opening, Copy& copy, const Listed& listed);
  void CheckDeletions(Maildrop& maildrop, uint64_t opening);
  void Resolve(const Opening& opening);
  bool Settled(const Deletion& deletion, const Opening& opening) const;
  void GiveUp(Deletion& deletion);
  void CheckQuota(const Copy& stored) const;
  void CheckImported(const Copy& stored) const;
  void CheckAlreadyThere(Copy& repeat);
  void Keep(const Deletion& deletion, bool certain);
  bool KeptForEver(const Copy& copy) const;
  bool TooOld(const Copy& copy) const;
  void LetExpire(Copy& copy);
  void EndKeeping(Copy& copy);
  void AddRestored(Undeletion& undeletion, Copy& old, bool certain);
  std::string NameOf(const Maildrop& maildrop) const;

  const Broken broken_;
  TenantPolicies policies_;
  Quota quota_;
  bool any_damage_ = false;  // So what is kept may be gone, and what was may be back.
  bool calm_ = false;
  bool full_ = false;
  uint32_t today_ = 0;
  uint64_t expired_ = 0;
  uint64_t run_ = 1;
  uint64_t moment_ = 0;  // Counts what is told.
  uint64_t next_number_ = 1;
  std::map<std::string, std::unique_ptr<Maildrop>> maildrops_;
  std::map<uint64_t, std::vector<Copy*>> deliveries_;  // Under way.
  std::deque<std::unique_ptr<Deletion>> deletions_;
  std::unique_ptr<Deletion> expiry_;  // That of all that is too old; it never ends.
  std::deque<std::unique_ptr<Undeletion>> undeletions_;
  std::unordered_map<std::string, const Copy*> uidls_;
};

struct Model::Copy {
  enum class Stored : uint8_t { kUnderWay, kDoubtful, kYes };
  enum class Gone : uint8_t { kNo, kDoubtful, kYes };
  enum class Kept : uint8_t { kNo, kDoubtful, kYes };

  bool MustBeThere() const { return stored == Stored::kYes && gone == Gone::kNo && !damaged; }
  // One that went while the answer to `opening` was under way may still be in its list.
  bool MayBeThere(uint64_t opening) const {
    return gone != Gone::kYes || gone_at > opening || damaged;
  }
  void SetGone(uint64_t moment) {
    gone = Gone::kYes;
    gone_at = moment;
    deletions.clear();
  }

  Maildrop* maildrop = nullptr;
  uint64_t number = 0;
  std::shared_ptr<const Body> body;
  std::string uidl;           // Once it was seen.
  std::string imported_uidl;  // That it must have; empty: the store gives one.
  uint64_t began_at = 0;
  Stored stored = Stored::kUnderWay;
  Gone gone = Gone::kNo;
  Kept kept = Kept::kNo;             // Once it is gone.
  bool restored = false;             // It is a deleted one that came back.
  bool may_expire = false;           // It was too old once, and may be gone since.
  uint32_t arrival_day = 0;          // Not later than the store's,
  uint32_t deletion_day = 0;         // like this, of the last deletion, and
  std::optional<uint32_t> read_day;  // like this, of the first time that it was fetched.
  uint64_t stored_at = 0;            // When that was told, or seen.
  uint64_t gone_at = 0;              // The same.
  uint64_t deletion_at = 0;          // When the last deletion of it began.
  uint64_t answered_run = 0;         // While doubtful.
  bool was_doubtful = false;         // It was not acknowledged, or its deletion was not.
  std::vector<Deletion*> deletions;  // While gone is doubtful: whose doing that may be.
  bool damaged = false;              // Anything may be wrong with it.
  uint64_t seen_at = 0;              // The opening that listed it last.
};

struct Model::Maildrop {
  storage::MaildropKey key;
  std::deque<Copy> copies;
  std::vector<Deletion*> removals;       // Under way.
  std::vector<Deletion*> doubtful;       // Deletions that are not known to be done, or not.
  std::vector<Undeletion*> undeletions;  // Under way.
  uint64_t undeletions_begun = 0;
  uint64_t changes = 0;          // Counts what began or ended.
  uint64_t holder = 0;           // The opening of the session that has it; 0: none.
  uint64_t holder_removals = 0;  // Removals that had ended when that one began to open.
  uint64_t removals_begun = 0;
  uint64_t greatest_id = 0;
  bool damaged = false;
  bool list_damaged = false;

  bool sound() const { return !damaged && !list_damaged; }
};

struct Model::Deletion {
  Maildrop* maildrop = nullptr;
  std::vector<Copy*> copies;
  std::vector<Copy*> kept;         // Of a removal: what was kept before it.
  uint64_t removals_ended = 0;     // When its session began to open.
  uint64_t undeletions_ended = 0;  // When it began.
  uint64_t answered = 0;           // The moment; 0: not yet.
  uint64_t answered_run = 0;
  bool done = false;
};

struct Model::Undeletion {
  struct Pair {
    Copy* old = nullptr;
    Copy* restored = nullptr;
    bool certain = false;
  };
  Maildrop* maildrop = nullptr;
  std::vector<Pair> pairs;
  uint64_t removals_begun = 0;  // When it began.
  uint64_t undeletions_begun = 0;
  bool alone = false;
};

}  // namespace poplar::sim
