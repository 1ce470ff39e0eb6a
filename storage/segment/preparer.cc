#include "storage/segment/preparer.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <thread>

#include "core/base/check.h"

namespace poplar::storage {
namespace {

constexpr uint64_t kPieceBytes = kMiB;
constexpr uint64_t kFlushEveryBytes = 4 * kMiB;

// What was granted and is not yet written.
class Granted {
 public:
  explicit Granted(DiskRoom& room) : room_(room) {}
  Granted(const Granted&) = delete;
  Granted& operator=(const Granted&) = delete;
  ~Granted() { Written(bytes_); }

  Status Take(const SegmentLayout& layout) {
    POP_RETURN_IF_ERROR(
        room_.Grant(*layout.env, layout.directory, layout.free_bytes_floor, layout.head.bytes));
    bytes_ = layout.head.bytes;
    return OkStatus();
  }
  void Written(uint64_t bytes) {
    const uint64_t taken = std::min(bytes, bytes_);
    bytes_ -= taken;
    room_.GiveBack(taken);
  }

 private:
  DiskRoom& room_;
  uint64_t bytes_ = 0;
};

Status WriteOut(const SegmentLayout& layout, File& file, const std::atomic<bool>& hurry,
                Granted& granted) {
  POP_RETURN_IF_ERROR(file.WriteAt(EncodeSegmentHead(layout.head), 0));
  const std::string zeros(kPieceBytes, '\0');
  uint64_t unflushed = 0;
  for (uint64_t at = kBlockBytes; at < layout.head.bytes;) {
    const uint64_t piece = std::min(kPieceBytes, layout.head.bytes - at);
    POP_RETURN_IF_ERROR(file.WriteAt(std::string_view(zeros).substr(0, piece), at));
    granted.Written(piece);
    at += piece;
    unflushed += piece;
    // In small steps, so that a flush of the log never waits behind all of it.
    if (unflushed < kFlushEveryBytes && at < layout.head.bytes) continue;
    POP_RETURN_IF_ERROR(file.SyncData());
    if (layout.pace_us_per_mib > 0 && !hurry.load(std::memory_order_relaxed)) {
      std::this_thread::sleep_for(
          std::chrono::microseconds(layout.pace_us_per_mib * (unflushed / kMiB)));
    }
    unflushed = 0;
  }
  return OkStatus();
}

}  // namespace

std::string SegmentName(uint32_t number) {
  char name[16];
  std::snprintf(name, sizeof name, "%08x", number);
  return name;
}

StatusOr<OpenSegment> LayOutSegment(const SegmentLayout& layout, const std::atomic<bool>& hurry) {
  DiskRoom nobody_elses;
  Granted granted(layout.disk_room == nullptr ? nobody_elses : *layout.disk_room);
  // Else a disk without room for all of it would be written full of zeros first.
  POP_RETURN_IF_ERROR(Annotate(granted.Take(layout), layout.directory));
  const std::string path = layout.directory + "/" + SegmentName(layout.head.number);
  const std::string temporary = path + ".tmp";
  POP_ASSIGN_OR_RETURN(std::unique_ptr<File> file, layout.env->CreateFile(temporary));
  Status status = WriteOut(layout, *file, hurry, granted);
  if (status.ok()) status = layout.env->Rename(temporary, path + ".seg");
  if (status.ok()) status = layout.env->SyncDirectory(layout.directory);
  if (!status.ok()) {
    // Gives the space back; the next start removes what stays.
    (void)layout.env->Unlink(temporary);
    (void)layout.env->Unlink(path + ".seg");
    return status;
  }
  return OpenSegment{layout.head, std::move(file)};
}

bool SegmentPreparer::Start(io::OffloadPool& pool, io::Reactor& home, SegmentLayout layout) {
  POP_CHECK(!busy_);
  layout_ = std::move(layout);
  hurry_.store(false, std::memory_order_relaxed);
  busy_ = pool.Submit(home, layout_.head.partition, *this);
  return busy_;
}

void SegmentPreparer::Done() {
  busy_ = false;
  StatusOr<OpenSegment> result = std::move(*result_);
  result_.reset();
  handler_(owner_, std::move(result));
}

}  // namespace poplar::storage
