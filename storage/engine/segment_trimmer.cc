#include "storage/engine/segment_trimmer.h"

#include <utility>

#include "core/base/log.h"
#include "storage/segment/log_survey.h"
#include "storage/segment/preparer.h"

namespace poplar::storage {
namespace {

constexpr uint64_t kTrimRetryUs = 5'000'000;

}  // namespace

SegmentTrimmer::SegmentTrimmer(Env* env, std::string directory, uint32_t partition,
                               MaildropTable& table, io::Reactor& reactor, io::OffloadPool& disk)
    : env_(*env),
      directory_(std::move(directory)),
      partition_(partition),
      table_(table),
      reactor_(reactor),
      disk_(disk) {}

void SegmentTrimmer::AddAll(uint32_t first_open) {
  for (const auto& [number, stats] : table_.segments()) {
    if (number < first_open && stats.bytes > stats.end) Add(number);
  }
}

void SegmentTrimmer::Look() {
  if (pending()) return;
  for (const auto& [number, not_before_us] : waiting_) {
    if (not_before_us > reactor_.now_us()) continue;
    number_ = number;
    path_ = SegmentPath(directory_, number);
    end_ = table_.segments().at(number).end;
    (void)disk_.Submit(reactor_, partition_, *this);  // A full pool: at the next look.
    return;
  }
}

void SegmentTrimmer::Done() {
  if (status_.ok()) {
    waiting_.erase(number_);
    table_.SetSegmentBytes(number_, end_);
    return;
  }
  if (status_.code() == StatusCode::kNotFound) {  // Lost: that was named.
    waiting_.erase(number_);
    return;
  }
  if (const auto waiting = waiting_.find(number_); waiting != waiting_.end()) {
    waiting->second = reactor_.now_us() + kTrimRetryUs;
  }
  base::Log(
      base::LogLevel::kWarning, "store_trim_failed",
      {{"partition", partition_}, {"segment", SegmentName(number_)}, {"why", status_.ToString()}});
}

}  // namespace poplar::storage
