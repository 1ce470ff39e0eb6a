// Lays segments out ahead of their use: zeros written, head, flush, name, directory flush; so that
// an append changes no metadata of the file system (FORMAT.md section 4).

#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "core/io/offload_pool.h"
#include "storage/env/disk_room.h"
#include "storage/env/env.h"
#include "storage/format/segment_format.h"

namespace poplar::storage {

// A segment that can be appended to.
struct OpenSegment {
  SegmentHead head;
  std::unique_ptr<File> file;
};

struct SegmentLayout {
  Env* env = nullptr;
  std::string directory;
  SegmentHead head;               // What its file shall say.
  uint64_t free_bytes_floor = 0;  // Leave so much of the disk free, or fail: kResourceExhausted.
  DiskRoom* disk_room = nullptr;  // What others were granted counts; null: there are none.
  uint32_t pace_us_per_mib = 0;   // Rest between pieces, so that the log's flushes get through.
};

std::string SegmentName(uint32_t number);

// Blocks. Ends the pauses early when `hurry` becomes true.
StatusOr<OpenSegment> LayOutSegment(const SegmentLayout& layout, const std::atomic<bool>& hurry);

// The same on the disk pool, one at a time. A field of its owner.
class SegmentPreparer final : private io::OffloadJob {
 public:
  using Handler = void (*)(void* owner, StatusOr<OpenSegment> segment);

  SegmentPreparer(void* owner, Handler handler) : owner_(owner), handler_(handler) {}

  // False: the pool is full; nothing will follow. REQUIRES: !busy().
  bool Start(io::OffloadPool& pool, io::Reactor& home, SegmentLayout layout);
  bool busy() const { return busy_; }
  void Hurry() { hurry_.store(true, std::memory_order_relaxed); }

 private:
  void Work() override { result_ = LayOutSegment(layout_, hurry_); }
  void Done() override;

  void* const owner_;
  const Handler handler_;
  SegmentLayout layout_;
  std::atomic<bool> hurry_{false};
  std::optional<StatusOr<OpenSegment>> result_;
  bool busy_ = false;
};

}  // namespace poplar::storage
