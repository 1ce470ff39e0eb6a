#include "core/net/residency.h"

#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <vector>

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

bool LastByteIsReadable(const io::FileRange& range) {
  char byte;
  iovec piece{&byte, 1};
  const auto at = static_cast<off_t>(range.offset + range.bytes - 1);
  const ssize_t got = preadv2(range.fd, &piece, 1, at, RWF_NOWAIT);
  // In memory, or an overlay of before Linux 6.5: it cannot be asked this way.
  return got == 1 || (got < 0 && errno == EOPNOTSUPP);
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

Residency AskMincore(const io::FileRange& range) {
  // Nothing of the mapping is touched: only what the kernel has of the file is looked up.
  const uint64_t begin = range.offset / PageBytes() * PageBytes();
  const uint64_t bytes = range.offset + range.bytes - begin;
  void* const mapping =
      mmap(nullptr, bytes, PROT_READ, MAP_SHARED, range.fd, static_cast<off_t>(begin));
  if (mapping == MAP_FAILED) return Residency::kUnknown;
  std::vector<unsigned char> pages((bytes + PageBytes() - 1) / PageBytes());
  const bool asked = mincore(mapping, bytes, pages.data()) == 0;
  munmap(mapping, bytes);
  if (!asked) return Residency::kUnknown;
  const bool all = std::ranges::all_of(pages, [](unsigned char page) { return page & 1; });
  return all ? Residency::kResident : Residency::kCold;
}

bool IsResident(const io::FileRange& range, bool just_read) {
  if (range.bytes == 0) return true;
  const Residency counted = just_read ? Residency::kUnknown : AskCachestat(range);
  if (counted == Residency::kUnknown) return AskMincore(range) == Residency::kResident;
  return counted == Residency::kResident && LastByteIsReadable(range);
}

}  // namespace poplar::net
