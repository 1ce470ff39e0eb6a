#include "core/base/recent_faults.h"

#include <array>
#include <atomic>
#include <mutex>

#include "core/base/check.h"
#include "core/base/utf8.h"

namespace poplar::base {
namespace {

struct FaultRing {
  std::mutex mutex;
  std::array<std::string, kFaultsKept> lines;
  size_t next = 0;
  std::atomic<uint64_t> warnings{0};
  std::atomic<uint64_t> errors{0};

  std::atomic<uint64_t>& CountOf(LogLevel level) {
    POP_CHECK(level == LogLevel::kWarning || level == LogLevel::kError);
    return level == LogLevel::kWarning ? warnings : errors;
  }
};

FaultRing& Ring() {
  static FaultRing ring;
  return ring;
}

}  // namespace

void RememberFault(LogLevel level, std::string_view line) {
  FaultRing& ring = Ring();
  ring.CountOf(level).fetch_add(1, std::memory_order_relaxed);
  std::string kept(Utf8Prefix(line, kFaultBytesMax));
  const std::lock_guard<std::mutex> lock(ring.mutex);
  ring.lines[ring.next].swap(kept);
  ring.next = (ring.next + 1) % kFaultsKept;
}

std::vector<std::string> RecentFaults() {
  FaultRing& ring = Ring();
  std::vector<std::string> lines;
  lines.reserve(kFaultsKept);
  const std::lock_guard<std::mutex> lock(ring.mutex);
  for (size_t age = 1; age <= kFaultsKept; ++age) {
    const std::string& line = ring.lines[(ring.next + kFaultsKept - age) % kFaultsKept];
    if (!line.empty()) lines.push_back(line);
  }
  return lines;
}

uint64_t FaultsLogged(LogLevel level) {
  return Ring().CountOf(level).load(std::memory_order_relaxed);
}

}  // namespace poplar::base
