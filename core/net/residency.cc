#include "core/net/residency.h"

#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>

namespace poplar::net {
namespace {

// From the kernel's include/uapi/linux/mman.h; Debian 12's headers are older.
#ifndef SYS_cachestat
constexpr long SYS_cachestat = 451;  // The same on every architecture.
#endif
struct CachestatRange {
  uint64_t offset;
  uint64_t bytes;
};
struct Cachestat {
  uint64_t cached;
  uint64_t dirty;
  uint64_t writeback;
  uint64_t evicted;
  uint64_t recently_evicted;
};

uint64_t PageBytes() {
  static const auto bytes = static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  return bytes;
}

bool ByteIsReadable(int fd, uint64_t at) {
  char byte;
  iovec piece{&byte, 1};
  return preadv2(fd, &piece, 1, static_cast<off_t>(at), RWF_NOWAIT) == 1;
}

}  // namespace

Residency AskCachestat(const io::FileRange& range) {
  // Not on this kernel, or forbidden by a filter: ask no more.
  static std::atomic<bool> missing{false};
  if (missing.load(std::memory_order_relaxed)) return Residency::kUnknown;
  const CachestatRange asked{range.offset, range.bytes};
  Cachestat found{};
  if (syscall(SYS_cachestat, range.fd, &asked, &found, 0) != 0) {
    // EPERM may be this file's alone (it belongs to somebody else).
    if (errno == ENOSYS) missing.store(true, std::memory_order_relaxed);
    return Residency::kUnknown;
  }
  const uint64_t first_page = range.offset / PageBytes();
  const uint64_t last_page = (range.offset + range.bytes - 1) / PageBytes();
  return found.cached >= last_page - first_page + 1 ? Residency::kResident : Residency::kCold;
}

Residency AskNowait(const io::FileRange& range) {
  const bool ends_are_there = ByteIsReadable(range.fd, range.offset) &&
                              ByteIsReadable(range.fd, range.offset + range.bytes - 1);
  return ends_are_there ? Residency::kResident : Residency::kCold;
}

bool IsResident(const io::FileRange& range) {
  if (range.bytes == 0) return true;
  Residency residency = AskCachestat(range);
  if (residency == Residency::kUnknown) residency = AskNowait(range);
  return residency == Residency::kResident;
}

}  // namespace poplar::net
