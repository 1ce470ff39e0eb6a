// The end of a life: all is well again, so everything must work and be exact.

#include <string>

#include "core/base/units.h"
#include "storage/engine/layout.h"
#include "storage/tools/verify.h"
#include "tests/sim/simulator.h"

namespace poplar::sim {

// Names nothing that is sound.
void Simulator::CheckScrub() {
  const bool damaged = result_.damages > 0 || result_.damaged_lists > 0;
  Require(damaged || world_.Metric("poplar_store_scrub_damages_total") == 0,
          "the scrub names damage that nobody did");
}

// All sessions have ended; expiry may be in the midst of a maildrop.
void Simulator::CheckLeases() {
  world_.StepUntil("all leases' end", [this] { return world_.Metric("poplar_store_leases") == 0; });
}

void Simulator::CloseWell() {
  CheckScrub();
  CheckLeases();
  Require(world_.Close().ok(), "close");
}

void Simulator::CheckAll(uint64_t delete_one_in) {
  for (const storage::MaildropKey& key : clients_->keys()) {
    clients_->StartCheck(key, delete_one_in);
    Drain();
    clients_->StartTotals(key);
    if (dice_.OneIn(2)) Drain();
    clients_->StartListKept(key);
    Drain();
  }
  if (result_.damages > 0) return;
  for (const TenantId tenant : {TenantId(1), TenantId(2)}) {
    model_.CheckTenant(tenant, world_.TotalsOf(tenant));
  }
}

void Simulator::DeliverToAll() {
  for (const storage::MaildropKey& key : clients_->keys()) clients_->StartDelivery({key});
  Drain();
}

void Simulator::PassTime() {
  world_.clock().Advance(100'000);
  for (int step = 0; step < 500; ++step) world_.Step();
}

// Deliveries until the disk is full; then everything can be deleted, and deliveries go on.
void Simulator::EmptyFullDisk() {
  // Room for segments of full size; those of a run's beginning are smaller.
  world_.disk().set_capacity(world_.disk().used_bytes() +
                             storage::ReserveBytes(store_, partitions_) +
                             uint64_t{partitions_} * 4 * store_.segment_bytes);
  model_.set_full(true);
  const uint64_t refused = clients_->counts().refused;
  for (int round = 0; clients_->counts().refused == refused; ++round) {
    Require(round < 2'000, "a disk that is never full");
    DeliverToAll();
  }
  for (int round = 0; model_.living() > 0; ++round) {
    Require(round < 10, "a full disk cannot be emptied");
    CheckAll(1);
    PassTime();  // What was deleted makes room when it was compacted.
  }
  const uint64_t stored = clients_->counts().stored;
  for (int round = 0; clients_->counts().stored == stored; ++round) {
    Require(round < 200, "a disk that was emptied takes no mail");
    PassTime();
    DeliverToAll();
  }
  world_.disk().set_capacity(UINT64_MAX);
  // What is still refused now is excused; a start is not.
  CloseWell();
  OpenCalm();
}

void Simulator::Heal() {
  world_.disk().Heal();
  world_.disk().set_capacity(UINT64_MAX);
  OpenCalm();
  CheckAll(0);
  const bool well = result_.damages == 0 && result_.damaged_lists == 0;
  if (well && !keeps_ && !model_.quota().limited() && dice_.OneIn(2)) EmptyFullDisk();
  DeliverToAll();
  if (result_.damaged_lists > 0) {
    // Every list that is damaged was met now, so the next start builds its index anew.
    CloseWell();
    OpenCalm();
    model_.RestoreLists();
  }
  CheckAll(2);
  CheckAll(0);
  for (const storage::MaildropKey& key : clients_->keys()) {
    if (dice_.OneIn(2)) clients_->StartUndelete(key, "");
  }
  Drain();
  CheckAll(3);
  CloseWell();
  LoseIndexes();
  OpenCalm();
  CheckAll(0);
  DeliverToAll();
  CloseWell();
  Verify();
  OpenCalm();
  CheckAll(0);
  if (well && ages_) Age();
  CloseWell();
  if (well && !ages_ && dice_.OneIn(3)) LetScrubFind();
}

// What must have an end by its age comes to it, however the clock went before.
void Simulator::Age() {
  constexpr uint64_t kLongEnough = 10;  // Days; see ChoosePolicies.
  const auto totals = [this](TenantId tenant) { return world_.TotalsOf(tenant); };
  for (const bool kept : {false, true}) {
    LeapDays(kLongEnough);
    for (const TenantId tenant : {TenantId(1), TenantId(2)}) {
      const TenantPolicy& policy = model_.PolicyOf(tenant);
      if (!kept && policy.expire_days > 0) {
        result_.expired += totals(tenant).messages;
        world_.StepUntil("old mail goes", [&] { return totals(tenant).messages == 0; });
      } else if (kept && policy.keep_deleted_days > 0 && policy.keep_deleted_days < kLongEnough) {
        result_.purged += totals(tenant).kept_messages;
        // Mail that was read may go, and so be kept, as late as now.
        for (int round = 0; totals(tenant).kept_messages > 0; ++round) {
          Require(round < 100, "keeping does not end");
          if (round > 0 && round % 10 == 0) LeapDays(kLongEnough);
          PassTime();
        }
      }
    }
    CheckAll(0);
  }
}

// Damage in what lives, or is kept, is found without anybody reading it, and costs the rest
// nothing.
void Simulator::LetScrubFind() {
  // No blobs: compaction may move what names one on and on, ahead of the scrub.
  const std::string wire = model_.AnyStored(dice_.Next(), store_.blob_bytes_min);
  if (wire.empty() || damager_.DamageWherever(wire) == 0) return;
  ++result_.damages;
  store_.scrub_bytes_per_s = kMiB;
  OpenCalm();
  for (int round = 0; world_.Metric("poplar_store_scrub_damages_total") == 0; ++round) {
    Require(round < 200, "the scrub does not find damage");
    PassTime();
  }
  ++result_.scrub_finds;
  CheckAll(0);
  CloseWell();
}

// What the operator's tool says of a store that is well.
void Simulator::Verify() {
  storage::VerifyOptions options;
  options.path = store_.path;
  options.env = &world_.disk();
  options.index_engine = &world_.index_engine();
  uint64_t missing = 0;
  options.on_damage = [&](uint32_t partition, const storage::Damage& damage) {
    if (damage.what.starts_with("a blob:") && damage.what.ends_with("No such file or directory")) {
      ++missing;
    }
    trace_.Note("verify: partition " + std::to_string(partition) + " " +
                std::to_string(damage.at.segment()) + ":" + std::to_string(damage.at.offset()) +
                " " + damage.what);
  };
  const auto report = storage::VerifyStore(options);
  Require(report.ok(), "verify: " + report.status().ToString());
  Require(report->damages == 0 || result_.damages > 0, "verify finds damage that nobody did");
  Require(report->messages >= model_.living(), "verify finds too few messages");
  // A start that makes an index anew or meets damage keeps what a crash left behind, and what a
  // fault keeps from going stays.
  const bool may_keep = result_.damages + blobs_kept_ + world_.disk().faults() > 0;
  const uint64_t blobs = CountBlobs();
  Require(may_keep || blobs <= report->blobs, "blobs that nobody names");
  // Of a message whose deletion stood in what is damaged, the blob may be gone; verify says so.
  Require(blobs + missing >= report->blobs, "verify finds blobs that are not there");
}

uint64_t Simulator::CountBlobs() const {
  uint64_t count = 0;
  for (uint32_t p = 0; p < partitions_; ++p) {
    const std::string blobs = storage::PartitionDirectory(store_.path, p) + "/blobs";
    for (const std::string& epoch : world_.disk().Names(blobs)) {
      count += world_.disk().Names(blobs + "/" + epoch).size();
    }
  }
  return count;
}

}  // namespace poplar::sim
