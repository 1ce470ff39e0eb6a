#include "storage/engine/segment_keeper.h"

#include <algorithm>
#include <utility>

#include "core/base/check.h"
#include "core/base/log.h"
#include "storage/segment/log_survey.h"
#include "storage/segment/preparer.h"

namespace poplar::storage {
namespace {

constexpr uint64_t kSegmentUnlinkRetryUs = 10'000'000;
constexpr uint64_t kSegmentUnlinkRetryMaxUs = 3'600'000'000;

}  // namespace

// Makes one shard close the segment's file.
class SegmentKeeper::ForgetCall final : public io::ShardRequest {
 public:
  explicit ForgetCall(SegmentKeeper& keeper) : keeper_(keeper) {}

 private:
  void Execute(io::Shard& target) override {
    keeper_.options_.open_segments->Forget(target.index(), keeper_.options_.partition,
                                           keeper_.going_number_);
    Reply();
  }
  void Completed() override { keeper_.OnForgotten(); }
  void Expired() override { keeper_.OnForgotten(); }  // It closes the file when others push it out.

  SegmentKeeper& keeper_;
};

class SegmentKeeper::UnlinkJob final : public io::OffloadJob {
 public:
  explicit UnlinkJob(SegmentKeeper& keeper) : keeper_(keeper) {}

  std::string path;
  Status status;

 private:
  void Work() override {
    Env& env = *keeper_.options_.env;
    status = env.Unlink(path);
    // Its going must be durable before a rebuild may rely on it (FORMAT.md section 8).
    if (status.ok() || status.code() == StatusCode::kNotFound) {
      status = env.SyncDirectory(keeper_.options_.directory);
    }
  }
  void Done() override { keeper_.OnUnlinked(); }

  SegmentKeeper& keeper_;
};

SegmentKeeper::SegmentKeeper(SegmentKeeperOptions options, MaildropTable& table, io::Shard& shard,
                             io::OffloadPool& disk, Listener& listener)
    : options_(std::move(options)),
      table_(table),
      shard_(shard),
      disk_(disk),
      listener_(listener),
      unlink_(std::make_unique<UnlinkJob>(*this)) {
  auto segments = std::make_shared<SegmentTable>();
  for (const auto& [number, stats] : table_.segments()) {
    segments->segments.push_back({number, stats.salt});
  }
  segments_ = std::move(segments);
  for (uint32_t s = 0; s < shard_.shards().count(); ++s) {
    forget_.push_back(std::make_unique<ForgetCall>(*this));
  }
}

SegmentKeeper::~SegmentKeeper() { POP_CHECK(idle()); }

void SegmentKeeper::Publish(SegmentTable table) {
  std::erase_if(earlier_, [](const auto& held) { return held.expired(); });
  earlier_.push_back(segments_);
  segments_ = std::make_shared<const SegmentTable>(std::move(table));
}

void SegmentKeeper::Add(SegmentRef segment) {
  SegmentTable table = *segments_;
  table.segments.push_back(segment);
  Publish(std::move(table));
}

void SegmentKeeper::Emptied(uint32_t number, Lsn covered) {
  emptied_[number] = {.covered = covered};
  ++waiting_;
}

void SegmentKeeper::Checkpointed(Lsn checkpoint) {
  SegmentTable table = *segments_;
  const size_t before = table.segments.size();
  for (auto& [number, segment] : emptied_) {
    if (!segment.covered.has_value() || *segment.covered > checkpoint) continue;
    segment.covered.reset();
    --waiting_;
    std::erase_if(table.segments,
                  [gone = number](const SegmentRef& each) { return each.number == gone; });
  }
  if (table.segments.size() != before) Publish(std::move(table));
}

bool SegmentKeeper::Held(uint32_t number) {
  return std::any_of(earlier_.begin(), earlier_.end(), [number](const auto& earlier) {
    const std::shared_ptr<const SegmentTable> held = earlier.lock();
    return held != nullptr && held->SaltOf(number).has_value();
  });
}

std::optional<uint32_t> SegmentKeeper::Next() {
  const uint64_t now_us = shard_.reactor().now_us();
  for (const auto& [number, segment] : emptied_) {
    if (segment.covered.has_value() || now_us < segment.not_before_us) continue;
    if (!Held(number)) return number;
  }
  return std::nullopt;
}

bool SegmentKeeper::awaits_unlinking() const {
  return std::any_of(emptied_.begin(), emptied_.end(),
                     [](const auto& each) { return each.second.failures == 0; });
}

bool SegmentKeeper::unlinking() { return going_ || Next().has_value(); }

void SegmentKeeper::Look() {
  if (going_) return;
  const std::optional<uint32_t> next = Next();
  if (!next.has_value()) return;
  going_ = true;
  going_number_ = *next;
  forgetting_ = forget_.size();
  for (uint32_t s = 0; s < forget_.size(); ++s) shard_.Send(ShardIndex(s), *forget_[s]);
}

void SegmentKeeper::OnForgotten() {
  if (--forgetting_ > 0) return;
  unlink_->path = SegmentPath(options_.directory, going_number_);
  if (!disk_.Submit(shard_.reactor(), options_.partition, *unlink_)) {
    unlink_->status = MakeStatus(StatusCode::kUnavailable, "the disk pool's queue is full");
    OnUnlinked();
  }
}

void SegmentKeeper::OnUnlinked() {
  going_ = false;
  if (!unlink_->status.ok()) {
    // One that stays, on a damaged file system say, keeps no other.
    EmptiedSegment& segment = emptied_.at(going_number_);
    const uint64_t pause_us = kSegmentUnlinkRetryUs << std::min(segment.failures, 9U);
    segment.not_before_us =
        shard_.reactor().now_us() + std::min(pause_us, kSegmentUnlinkRetryMaxUs);
    if (segment.failures++ == 0) listener_.SegmentStays(going_number_);
    base::Log(base::LogLevel::kWarning, "store_unlink_failed",
              {{"partition", options_.partition},
               {"segment", SegmentName(going_number_)},
               {"why", unlink_->status.ToString()}});
    return;
  }
  emptied_.erase(going_number_);
  table_.RemoveSegment(going_number_);
  listener_.SegmentGone(going_number_);
}

}  // namespace poplar::storage
