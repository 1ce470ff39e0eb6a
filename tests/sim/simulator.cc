#include "tests/sim/simulator.h"

#include <cstdio>
#include <cstdlib>
#include <set>
#include <utility>

#include "core/base/units.h"

namespace poplar::sim {
namespace {

SimDiskOptions DiskOptions(uint64_t seed) {
  SimDiskOptions options;
  options.short_results = seed % 3 != 0;
  options.cold_cache = seed % 4 != 0;
  return options;
}

}  // namespace

Simulator::Simulator(const SimulatorOptions& options)
    : options_(options),
      dice_(options.seed),
      trace_(options.echo),
      world_(DiskOptions(options.seed), &dice_, &trace_,
             [this](const std::string& what) { Broken(what); }),
      model_([this](const std::string& what) { Broken(what); }),
      damager_("/store", &world_.disk(), &world_.index_engine(), &model_, &dice_, &trace_),
      snapshots_(&world_, &model_) {
  world_.set_on_day([this](uint32_t day) { model_.SetToday(day); });
}

Simulator::~Simulator() = default;

void Simulator::Broken(const std::string& what) const {
  // As the program's own arguments: without leaps a seed is another life.
  const std::string finding = "--seed " + std::to_string(options_.seed) +
                              (options_.leaps ? "" : " --no-leaps") + ", step " +
                              std::to_string(trace_.lines()) + ": " + what + "\n";
  std::printf("%sThe last steps:\n", finding.c_str());
  trace_.PrintTail();
  std::printf("%s", finding.c_str());
  std::fflush(stdout);
  std::_Exit(1);
}

void Simulator::Require(bool condition, const std::string& what) const {
  if (!condition) Broken(what);
}

// Everything small, so that it fills, rotates, overflows and is evicted often.
void Simulator::ChooseOptions() {
  const auto one_of = [this](std::initializer_list<uint64_t> values) {
    return *(values.begin() + dice_.Below(values.size()));
  };
  partitions_ = static_cast<uint32_t>(dice_.Between(1, 4));
  store_.path = "/store";
  store_.body_memory_bytes = one_of({16 * kKiB, 128 * kKiB, kMiB});
  store_.blob_bytes_min = one_of({1 * kKiB, 4 * kKiB, 12 * kKiB});
  store_.list_cache_bytes = one_of({0, 8 * kKiB, 64 * kKiB});
  store_.segment_bytes = one_of({32 * kKiB, 64 * kKiB, 160 * kKiB});
  store_.first_segment_bytes = one_of({24 * kKiB, 64 * kKiB});
  store_.segment_pace_us_per_mib = 0;
  store_.reserve_bytes = one_of({0, 128 * kKiB});
  store_.checkpoint_changes = one_of({4, 20, 200});
  store_.checkpoint_log_bytes = one_of({32 * kKiB, 256 * kKiB});
  store_.checkpoint_interval_ms = one_of({100, 1'000, 20'000});
  store_.compact_bytes_per_second = one_of({0, 64 * kKiB, kMiB});
  store_.compact_cpu_percent = static_cast<uint32_t>(one_of({0, 2, 25}));
  store_.scrub_bytes_per_s = one_of({0, 16 * kKiB, kMiB});
  store_.scrub_interval_ms = one_of({100, 5'000});
  store_.open_files_a_shard = static_cast<uint32_t>(dice_.Between(1, 4));
  store_.recovery_threads = 1;
  if (dice_.OneIn(4)) capacity_bytes_ = partitions_ * store_.segment_bytes * dice_.Between(5, 12);
  if (dice_.OneIn(5)) pool_queued_max_ = static_cast<uint32_t>(dice_.Between(1, 4));
  ClientOptions clients;
  clients.accounts = static_cast<uint32_t>(dice_.Between(1, 10));
  clients.body_bytes_max = one_of({300, 3'000, 8'000});
  ChoosePolicies();
  start_one_in_ = static_cast<uint32_t>(one_of({5, 20, 80}));
  clients_ = std::make_unique<Clients>(clients, &world_, &model_, &dice_, &trace_);
}

void Simulator::ChoosePolicies() {
  TenantPolicies policies;
  const bool none = dice_.OneIn(3);
  for (const uint64_t tenant : {1, 2}) {
    if (none) break;
    TenantPolicy& policy = policies.by_tenant[tenant];
    constexpr uint32_t kKeepDays[] = {0, 1, 1000, 1000};
    policy.keep_deleted_days = kKeepDays[dice_.Below(std::size(kKeepDays))];
    keeps_ = keeps_ || policy.keep_deleted_days > 0;
    constexpr uint32_t kReadDays[] = {0, 2, 1000};
    if (dice_.OneIn(4)) policy.expire_read_days = kReadDays[dice_.Below(std::size(kReadDays))];
    if (dice_.OneIn(4)) policy.expire_days = static_cast<uint32_t>(dice_.Between(1, 5));
    const auto ends = [](uint32_t days) { return days > 0 && days < 1000; };
    ages_ =
        options_.leaps && (ages_ || ends(policy.keep_deleted_days) || ends(policy.expire_days) ||
                           ends(policy.expire_read_days.value_or(0)));
    if (dice_.OneIn(4)) policy.quota = {dice_.Between(5'000, 60'000), dice_.Between(10, 60)};
    trace_.Note("tenant " + std::to_string(tenant) + ": expires after " +
                std::to_string(policy.expire_days) + " days, read after " +
                (policy.expire_read_days ? std::to_string(*policy.expire_read_days) : "-") +
                ", deleted kept for " + std::to_string(policy.keep_deleted_days));
  }
  Quota quota;
  if (!none && dice_.OneIn(4))
    quota = {dice_.OneIn(2) ? dice_.Between(3'000, 30'000) : 0, dice_.Between(3, 20)};
  policies_.Publish(std::make_shared<TenantPolicies>(policies));
  store_.policies = &policies_;
  store_.expiry_interval_ms = 100;
  model_.SetPolicies(std::move(policies), quota);
}

void Simulator::Create() {
  storage::CreateOptions create;
  create.partitions = partitions_;
  create.env = &world_.disk();
  create.clock = &world_.clock();
  // It may be cut off before there is a store; then it is made again.
  if (dice_.OneIn(4)) world_.disk().CutAfter(dice_.Between(1, 40));
  Status made = storage::CreateStore(store_.path, create);
  if (world_.disk().off()) {
    world_.disk().Restart();
    made = storage::CreateStore(store_.path, create);
  }
  world_.disk().Heal();
  Require(made.ok() || made.code() == StatusCode::kAlreadyExists, "create: " + made.ToString());
}

SimulatorResult Simulator::Run() {
  ChooseOptions();
  Create();
  const uint64_t runs = dice_.OneIn(20) ? dice_.Between(7, 20) : dice_.Between(2, 6);
  for (uint64_t run = 0; run < runs; ++run) {
    world_.disk().set_capacity(capacity_bytes_);
    OpenInTrouble();
    Use();
    EndRun();
    world_.disk().set_capacity(UINT64_MAX);
    snapshots_.CheckAndDrop(store_);
    if (dice_.OneIn(6)) LoseIndexes();
    if (dice_.OneIn(8)) DamageLists();
    if (options_.seed % 4 == 0 && dice_.OneIn(3)) Damage();
  }
  Heal();
  result_.trace_hash = trace_.hash();
  result_.steps = trace_.lines();
  result_.faults = world_.disk().faults();
  result_.clients = clients_->counts();
  result_.snapshots = snapshots_.checked();
  result_.expired += model_.expired();
  result_.incomplete_snapshots = snapshots_.incomplete();
  return result_;
}

// --- Runs

// Opens the store, whatever comes in between.
void Simulator::OpenInTrouble() {
  model_.set_calm(false);
  const uint64_t attempts = dice_.OneIn(2) ? dice_.Below(3) : 0;
  for (uint64_t attempt = 0;; ++attempt) {
    const bool last = attempt >= attempts;
    if (!last && dice_.OneIn(2)) EndSoon(200);
    if (!last && dice_.OneIn(3)) {
      world_.disk().Fail({.after = dice_.Below(150), .for_good = dice_.OneIn(2)});
    }
    const uint64_t faults = world_.disk().faults();
    const Status opened = world_.Open(
        store_, static_cast<uint32_t>(dice_.Between(1, partitions_ + 1)), pool_queued_max_);
    if (opened.ok()) break;
    const bool full = opened.code() == StatusCode::kResourceExhausted;
    Require(world_.disk().off() || world_.disk().faults() > faults || full,
            "the store does not open: " + opened.ToString());
    ++blobs_kept_;  // Perhaps.
    world_.disk().Heal();
    if (full) world_.disk().set_capacity(UINT64_MAX);
    if (world_.disk().off()) Restart();
  }
  ++result_.runs;
  blobs_kept_ += static_cast<uint64_t>(world_.Metric("poplar_store_blobs_kept_total"));
  model_.NextRun();
  faulty_ = dice_.OneIn(2);
  model_.set_calm(!faulty_ && pool_queued_max_ > 100 && !world_.disk().off());
  model_.set_full(capacity_bytes_ != UINT64_MAX);
  world_.disk().Heal();
}

void Simulator::OpenCalm() {
  const Status opened = world_.Open(store_, static_cast<uint32_t>(dice_.Between(1, 4)));
  Require(opened.ok(), "the store does not open: " + opened.ToString());
  ++result_.runs;
  blobs_kept_ += static_cast<uint64_t>(world_.Metric("poplar_store_blobs_kept_total"));
  model_.NextRun();
  model_.set_calm(true);
  model_.set_full(false);
}

void Simulator::Use() {
  const uint64_t steps = dice_.Between(100, 4'000);
  const uint64_t snapshot_at = dice_.OneIn(3) ? dice_.Below(steps) : steps;
  for (uint64_t step = 0; step < steps && !world_.disk().off(); ++step) {
    if (clients_->active() < 12 && dice_.OneIn(start_one_in_)) clients_->StartAny();
    if (faulty_ && dice_.OneIn(300)) Trouble();
    if (step == snapshot_at) snapshots_.Take();
    if (ages_ && dice_.OneIn(1'500)) LeapDays(dice_.Between(1, 4));
    world_.Step();
    clients_->Collect();
  }
}

// The wall clock alone: nobody waits for it.
void Simulator::LeapDays(uint64_t days) {
  trace_.Note("days pass: " + std::to_string(days));
  world_.clock().StepWall(static_cast<int64_t>(days) * 86'400'000'000);
}

void Simulator::Trouble() {
  constexpr uint32_t kKinds[] = {kEveryCall, Bit(DiskCall::kWrite), Bit(DiskCall::kSync),
                                 Bit(DiskCall::kRead),
                                 Bit(DiskCall::kCreate) | Bit(DiskCall::kLink)};
  if (dice_.OneIn(2)) return world_.disk().Heal();
  DiskFault fault;
  fault.calls = kKinds[dice_.Below(std::size(kKinds))];
  fault.after = dice_.Below(30);
  fault.for_good = dice_.OneIn(4);
  world_.disk().Fail(fault);
}

// The power goes or the process ends, in one of the next calls of the disk.
void Simulator::EndSoon(uint64_t calls) {
  const uint64_t n = dice_.Between(1, calls);
  dice_.OneIn(3) ? world_.disk().KillAfter(n) : world_.disk().CutAfter(n);
}

void Simulator::Drain() {
  clients_->set_ending(true);
  world_.StepUntil("the clients' end", [this] {
    clients_->Collect();
    return clients_->active() == 0;
  });
  clients_->set_ending(false);
}

void Simulator::EndRun() {
  const End end = static_cast<End>(dice_.Below(5));
  SimDisk& disk = world_.disk();
  if (end == End::kCut || end == End::kEndLater || end == End::kKill) model_.set_calm(false);
  if (end == End::kCut) disk.PowerCut();
  if (end == End::kKill) disk.Kill();
  if (end == End::kEndLater) EndSoon(100);
  Drain();
  if (end == End::kEndInClose) EndSoon(40);
  const bool calm = model_.may_write() && end == End::kClose;
  if (!disk.off() && model_.calm()) {
    CheckScrub();
    CheckLeases();
  }
  const Status closed = world_.Close();
  Require(closed.ok() || !calm, "close: " + closed.ToString());
  if (!disk.off() && (end != End::kClose || dice_.OneIn(2))) disk.PowerCut();
  if (disk.off()) Restart();
  disk.Heal();
}

void Simulator::Restart() {
  ++result_.cuts;
  world_.disk().Restart();
  world_.clock().Advance(dice_.Between(1'000, 3'000'000));
  // The hour is wrong now, and was before or will be again.
  if (dice_.OneIn(8)) world_.clock().StepWall(dice_.OneIn(2) ? 90'000'000'000 : -90'000'000'000);
  if (ages_ && dice_.OneIn(6)) LeapDays(dice_.Between(1, 4));
}

// --- Damage, between runs

void Simulator::LoseIndexes() {
  for (uint32_t p = 0; p < partitions_; ++p) {
    if (dice_.OneIn(2) && damager_.LoseIndex(p)) ++result_.lost_indexes;
  }
}

void Simulator::DamageLists() {
  for (uint32_t p = 0; p < partitions_; ++p) {
    if (dice_.OneIn(2) && damager_.DamageList(p)) ++result_.damaged_lists;
  }
}

void Simulator::Damage() {
  for (uint64_t i = dice_.Between(1, 3); i > 0; --i) {
    const auto partition = static_cast<uint32_t>(dice_.Below(partitions_));
    if (damager_.DamageSomething(partition)) ++result_.damages;
  }
}

}  // namespace poplar::sim
