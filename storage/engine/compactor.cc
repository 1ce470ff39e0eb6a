#include "storage/engine/compactor.h"

#include <algorithm>
#include <utility>

#include "core/base/check.h"
#include "core/base/log.h"
#include "core/base/probes.h"
#include "storage/engine/partition.h"
#include "storage/segment/log_survey.h"
#include "storage/segment/preparer.h"

namespace poplar::storage {
namespace {

constexpr uint64_t kCompactionPieceBytes = kMiB;
constexpr uint64_t kCompactionRetryUs = 5'000'000;
constexpr uint64_t kShortRestMs = 10;
// With so much of a segment to gain, emptying it costs less than it gains.
constexpr uint64_t kGainPercent = 50;
// Beyond so much disk for what lives, less is enough.
constexpr uint64_t kCrowdedPercent = 130;
constexpr uint64_t kCrowdedGainPercent = 15;
// The farther behind, the more it may take: see RestMs.
constexpr uint64_t kHurryBytesFactor = 4;
constexpr uint64_t kHurryCpuFactor = 2;
constexpr uint64_t kHurryPercent = 160;

}  // namespace

void CompactionMetrics::Register(base::MetricRegistry& registry,
                                 const base::MetricLabels& labels) const {
  registry.Add(segments_emptied, "poplar_store_compacted_segments_total",
               "Segments emptied by compaction.", labels);
  registry.Add(segments_unlinked, "poplar_store_unlinked_segments_total",
               "Segments unlinked after they were emptied.", labels);
  registry.Add(read_bytes, "poplar_store_compaction_read_bytes_total",
               "Octets that compaction read.", labels);
  registry.AddComputed(
      base::MetricRegistry::Kind::kCounter,
      [this] { return static_cast<double>(cpu_us.Read()) * 1e-6; },
      "poplar_store_compaction_cpu_seconds_total",
      "CPU time that compaction took to read, check and move.", labels);
  registry.Add(failures, "poplar_store_compaction_failures_total",
               "Segments that could not be emptied.", labels);
  registry.Add(log_bytes, "poplar_store_log_disk_bytes",
               "Octets of the logs' segments: those that are full and the one in use.", labels);
  registry.Add(laid_out_bytes, "poplar_store_log_laid_out_bytes",
               "Octets of segments laid out ahead, behind the one in use.", labels);
  registry.Add(live_bytes, "poplar_store_log_live_bytes",
               "Octets of the records of messages that exist.", labels);
  registry.Add(
      linked_bytes, "poplar_store_snapshot_held_bytes",
      "Octets of deleted mail that compaction leaves on a full disk as snapshots hold them, "
      "too.",
      labels);
}

// Reads a piece of the victim on the disk pool. The first one opens it.
class Compactor::ReadJob final : public io::OffloadJob {
 public:
  explicit ReadJob(Compactor& compactor) : compactor_(compactor) {}

  Env* env = nullptr;
  const base::Clock* clock = nullptr;
  std::string path;
  uint32_t segment = 0;
  uint64_t salt = 0;
  uint64_t end = 0;
  std::unique_ptr<BatchReader> reader;
  std::vector<PlacedRecord> records;
  Status status;
  uint64_t cpu_us = 0;  // Of the last piece.

 private:
  void Work() override {
    const uint64_t began_us = clock->ThreadCpuUs();
    status = ReadOn();
    cpu_us = clock->ThreadCpuUs() - began_us;
  }
  void Done() override { compactor_.OnRead(); }

  Status ReadOn() {
    if (reader == nullptr) {
      POP_ASSIGN_OR_RETURN(std::unique_ptr<File> file, env->OpenToRead(path));
      reader = std::make_unique<BatchReader>(std::move(file), segment, salt, end);
    }
    return reader->Next(kCompactionPieceBytes, records);
  }

  Compactor& compactor_;
};

Compactor::Compactor(CompactionOptions options, Partition& partition, io::Reactor& reactor,
                     io::OffloadPool& disk)
    : options_(std::move(options)),
      partition_(partition),
      reactor_(reactor),
      disk_(disk),
      linked_(options_.env, options_.directory, options_.partition, reactor, disk),
      read_(std::make_unique<ReadJob>(*this)),
      cpu_(partition.clock()),
      group_(partition, cpu_, this,
             [](void* self) { static_cast<Compactor*>(self)->OnGroupEnded(); }),
      rest_(&reactor, this) {
  read_->env = options_.env;
  read_->clock = &partition.clock();
}

Compactor::~Compactor() { POP_CHECK(idle()); }

void Compactor::Register(base::MetricRegistry& registry, const base::MetricLabels& labels) const {
  metrics_.Register(registry, labels);
  group_.metrics().Register(registry, labels);
}

void Compactor::Consider() {
  if (!partition_.log().starved()) passed_over_.RoomCame();
  const std::optional<uint32_t> victim = Pick();
  if (step_ != Step::kIdle || closing_ || reactor_.now_us() < not_before_us_) return;
  if (!options_.by_itself && !Awaited()) return;
  if (partition_.log().starved() && !KnowLinks()) return;
  if (victim.has_value()) {
    Begin(*victim);
  } else if (!partition_.keeper().wants_checkpoint() && !partition_.keeper().unlinking() &&
             partition_.trimmer().AllBefore(partition_.log().first_open_segment())) {
    thorough_ = false;  // Nothing is left, nor will be once something else is done.
  }
}

// Somebody waits for the space: an operator, or, on a full disk, everybody.
bool Compactor::Awaited() const { return thorough_ || partition_.log().starved(); }

void Compactor::BeginThorough() {
  thorough_ = true;
  not_before_us_ = 0;
  passed_over_.ForgetSound();
  if (step_ == Step::kResting) Rest(0);
}

void Compactor::CheckpointFailed() {
  if (!std::exchange(thorough_, false)) return;
  metrics_.failures.Add();
}

void Compactor::BeginClose() {
  closing_ = true;
  if (step_ == Step::kResting) Rest(0);
}

bool Compactor::WorthIt(uint64_t bytes, uint64_t needed, bool crowded) const {
  const uint64_t gain = bytes - std::min(bytes, needed);
  const bool little_will_do = crowded || Awaited();
  return gain * 100 >= bytes * (little_will_do ? kCrowdedGainPercent : kGainPercent);
}

// When nothing can be laid out, what goes on must find room in what is, and what was emptied goes
// first: an old session may see it for hours, and until then what took its place only costs. A
// segment of which nothing goes on costs nothing, even if there is no room at all.
bool Compactor::Fits(uint64_t needed) const {
  const Log& log = partition_.log();
  if (!log.starved() || needed == 0) return true;
  return !partition_.keeper().awaits_unlinking() && needed + log.margin_bytes() <= log.room_bytes();
}

// For a full disk. False: somebody looks.
bool Compactor::KnowLinks() {
  if (linked_.known()) return true;
  std::vector<uint32_t> numbers;
  for (const auto& [number, stats] : partition_.table().segments()) {
    if (number < partition_.log().first_open_segment()) numbers.push_back(number);
  }
  linked_.Look(std::move(numbers));
  return false;
}

void Compactor::CountLinked(uint64_t segments, uint64_t bytes) {
  metrics_.linked_bytes.Set(static_cast<int64_t>(bytes));
  if (std::exchange(linked_told_, segments) == segments || segments == 0) return;
  base::Log(base::LogLevel::kWarning, "store_space_held_by_snapshots",
            {{"partition", options_.partition}, {"segments", segments}, {"bytes", bytes}});
}

// The segment with the greatest share to gain, if any is worth it.
std::optional<uint32_t> Compactor::Pick() {
  const std::map<uint32_t, SegmentStats>& segments = partition_.table().segments();
  uint64_t total = 0, live = 0;
  for (const auto& [number, stats] : segments) {
    if (partition_.keeper().emptied(number)) continue;
    total += stats.bytes;
    live += stats.live_bytes;
  }
  metrics_.log_bytes.Set(static_cast<int64_t>(total));
  metrics_.live_bytes.Set(static_cast<int64_t>(live));
  metrics_.laid_out_bytes.Set(static_cast<int64_t>(partition_.log().laid_out_bytes()));
  const bool crowded = total * 100 > live * kCrowdedPercent;
  const bool starved = partition_.log().starved();
  uint64_t linked = 0, linked_bytes = 0;
  std::optional<uint32_t> best;
  double best_share = 1;
  for (const auto& [number, stats] : segments) {
    if (number >= partition_.log().first_open_segment()) break;
    // Until it is cut itself, it seems to have more to gain than it has.
    if (!partition_.trimmer().AllBefore(number + 1)) break;
    if (partition_.keeper().emptied(number)) continue;
    if (passed_over_.contains(number, reactor_.now_us())) continue;
    const uint64_t needed = stats.live_bytes + group_.CarriedBytes(number);
    if (!WorthIt(stats.bytes, needed, crowded)) continue;
    if (starved && linked_.contains(number)) {
      ++linked;
      linked_bytes += stats.bytes - needed;
      continue;
    }
    const double share = static_cast<double>(needed) / static_cast<double>(stats.bytes);
    if (share >= best_share || !Fits(needed)) continue;
    best = number;
    best_share = share;
  }
  // What was told stays told where the disk is full now and then.
  if (starved == linked_.known()) CountLinked(linked, linked_bytes);
  return best;
}

void Compactor::Begin(uint32_t number) {
  const SegmentStats& stats = partition_.table().segments().at(number);
  victim_ = number;
  may_use_reserve_ = partition_.log().starved();
  weighing_ = may_use_reserve_ && !weighed_.contains(number);
  if (weighing_) group_.ForgetCarried(number);
  pace_.Begin(reactor_.now_us());
  paid_read_bytes_ = 0;
  read_->path = SegmentPath(options_.directory, number);
  read_->segment = number;
  read_->salt = stats.salt;
  read_->end = stats.end;
  read_->reader.reset();
  Read();
}

void Compactor::Read() {
  step_ = Step::kReading;
  if (!disk_.Submit(reactor_, options_.partition, *read_)) {
    GiveUp(MakeStatus(StatusCode::kUnavailable, "the disk pool's queue is full"), std::nullopt);
  }
}

void Compactor::OnRead() {
  cpu_.Add(read_->cpu_us);
  if (!read_->status.ok()) {
    const StatusCode code = read_->status.code();
    const bool damaged = code == StatusCode::kDataLoss || code == StatusCode::kNotFound;
    return GiveUp(read_->status,
                  damaged ? PassedOver::Why::kDamaged : PassedOver::Why::kUnreadable);
  }
  next_record_ = 0;
  NextGroup();
}

void Compactor::NextGroup() {
  if (closing_) return Stop();
  if (partition_.overfull()) return Rest(kShortRestMs);  // The index has too much to write already.
  if (next_record_ < read_->records.size() || !postponed_.empty()) {
    FillGroup();
  } else if (!read_->reader->at_end()) {
    Read();
  } else if (weighing_) {
    SegmentWeighed();
  } else {
    SegmentEmptied();
  }
}

void Compactor::FillGroup() {
  const CpuMeter::Slice slice(cpu_);
  step_ = Step::kMoving;
  const std::vector<PlacedRecord>& records = read_->records;
  if (weighing_) {
    group_.BeginWeighing(victim_);
  } else {
    group_.Begin(victim_, may_use_reserve_);
  }
  for (const PlacedRecord* placed : std::exchange(postponed_, {})) group_.Take(*placed);
  while (next_record_ < records.size() && !group_.full()) group_.Take(records[next_record_++]);
  group_.Close();
}

// Rests at least until the next turn: the log may be in the midst of answering.
void Compactor::OnGroupEnded() {
  postponed_ = group_.TakePostponed();
  const uint64_t rest_ms = RestMs();
  Rest(postponed_.empty() ? rest_ms : std::max(rest_ms, kShortRestMs));
}

// For what was taken since the last group. Nothing is owed where somebody waits.
uint64_t Compactor::RestMs() {
  const uint64_t read_bytes = read_->reader->read_bytes();
  const WorkTaken taken{group_.written_bytes() + read_bytes - paid_read_bytes_, cpu_.Take()};
  paid_read_bytes_ = read_bytes;
  metrics_.cpu_us.Add(taken.cpu_us);
  const uint64_t now_us = reactor_.now_us();
  if (Awaited() || may_use_reserve_) {
    pace_.Begin(now_us);
    return 0;
  }
  WorkBudget budget = options_.budget;
  const auto live_bytes = static_cast<uint64_t>(metrics_.live_bytes.Read());
  if (static_cast<uint64_t>(metrics_.log_bytes.Read()) * 100 > live_bytes * kHurryPercent) {
    budget.bytes_per_s *= kHurryBytesFactor;
    budget.cpu_us_per_s *= kHurryCpuFactor;
  }
  return pace_.RestUs(budget, taken, now_us) / 1000;
}

void Compactor::Rest(uint64_t ms) {
  step_ = Step::kResting;
  rest_.Arm(ms < io::kTimerTickMs ? 0 : ms);
}

void Compactor::OnRested() {
  if (const Status& status = group_.status(); !status.ok()) {
    if (status.code() == StatusCode::kDataLoss) {
      return GiveUp(status, PassedOver::Why::kDamagedList);
    }
    if (status.code() == StatusCode::kResourceExhausted) {
      return GiveUp(status, PassedOver::Why::kNoRoom);
    }
    return GiveUp(status, std::nullopt);
  }
  NextGroup();
}

// It may be no longer the one with the most to gain.
void Compactor::SegmentWeighed() {
  metrics_.read_bytes.Add(read_->reader->read_bytes());
  weighed_.insert(victim_);
  Stop();
  Consider();
}

void Compactor::SegmentEmptied() {
  metrics_.read_bytes.Add(read_->reader->read_bytes());
  const SegmentStats& stats = partition_.table().segments().at(victim_);
  if (stats.live_records > 0) {
    // A list says that a message is here, and no record is.
    return GiveUp(MakeStatus(StatusCode::kDataLoss,
                             std::to_string(stats.live_records) + " messages were not found"),
                  PassedOver::Why::kDamaged);
  }
  passed_over_.Forget(victim_);
  metrics_.segments_emptied.Add();
  POPLAR_PROBE_COMPACTION(options_.partition, victim_, read_->reader->read_bytes());
  partition_.SegmentEmptied(victim_);
  Stop();
}

void Compactor::GiveUp(const Status& why, std::optional<PassedOver::Why> of_victim) {
  metrics_.failures.Add();
  const bool damaged = of_victim == PassedOver::Why::kDamaged;
  // A segment that is missing was counted, and named, by the start.
  if (damaged && why.code() == StatusCode::kDataLoss) partition_.metrics().damages.Add();
  if (of_victim.has_value()) {
    passed_over_.Add(victim_, *of_victim, reactor_.now_us());
  } else {
    thorough_ = false;
  }
  if (!thorough_) not_before_us_ = reactor_.now_us() + kCompactionRetryUs;
  base::Log(damaged ? base::LogLevel::kError : base::LogLevel::kWarning, "store_compaction_failed",
            {{"partition", options_.partition},
             {"segment", SegmentName(victim_)},
             {"kept", damaged},
             {"why", why.ToString()}});
  Stop();
}

void Compactor::Stop() {
  step_ = Step::kIdle;
  read_->reader.reset();
  read_->records.clear();
  postponed_.clear();
}

void Compactor::SegmentGone(uint32_t number) {
  metrics_.segments_unlinked.Add();
  passed_over_.Forget(number);
  passed_over_.RoomCame();
  weighed_.clear();
  group_.SegmentGone(number);
}

}  // namespace poplar::storage
