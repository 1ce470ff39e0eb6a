#include "storage/engine/linked_segments.h"

#include <utility>

#include "storage/segment/log_survey.h"

namespace poplar::storage {
namespace {

// Snapshots come and go behind the store's back, too.
constexpr uint64_t kKnownForUs = 10'000'000;

}  // namespace

LinkedSegments::LinkedSegments(Env* env, std::string directory, uint32_t partition,
                               io::Reactor& reactor, io::OffloadPool& disk)
    : env_(*env),
      directory_(std::move(directory)),
      partition_(partition),
      reactor_(reactor),
      disk_(disk) {}

void LinkedSegments::Look(std::vector<uint32_t> numbers) {
  if (pending()) return;
  numbers_ = std::move(numbers);
  stale_ = !disk_.Submit(reactor_, partition_, *this);  // A full pool: at the next look.
}

// One that cannot be asked is left to whoever reads it.
void LinkedSegments::Work() {
  found_.clear();
  for (const uint32_t number : numbers_) {
    const StatusOr<uint64_t> links = env_.Links(SegmentPath(directory_, number));
    if (links.ok() && *links > 1) found_.insert(number);
  }
}

void LinkedSegments::Done() {
  linked_ = std::move(found_);
  known_until_us_ = reactor_.now_us() + kKnownForUs;
}

}  // namespace poplar::storage
