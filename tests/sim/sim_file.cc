// The bytes of a simulated disk's files, and the operations of reactors on them.

#include <algorithm>
#include <cerrno>
#include <set>

#include "core/base/check.h"
#include "storage/format/segment_format.h"
#include "tests/sim/sim_disk_parts.h"

namespace poplar::sim {
namespace {

using storage::DiskOp;
using storage::File;
using storage::RoundUp;

std::string Where(const std::string& path, uint64_t offset, uint64_t bytes) {
  return path + " " + std::to_string(offset) + "+" + std::to_string(bytes);
}

}  // namespace

void Cut(std::string& content, uint64_t bytes) {
  if (content.size() > bytes) content.resize(bytes);
}

void Put(std::string& content, uint64_t offset, std::string_view bytes) {
  if (content.size() < offset + bytes.size()) content.resize(offset + bytes.size(), '\0');
  content.replace(offset, bytes.size(), bytes);
}

class SimDisk::SimFile final : public File {
 public:
  SimFile(SimDisk* disk, InodePtr inode, std::string path)
      : disk_(*disk), inode_(std::move(inode)), path_(std::move(path)) {
    ++inode_->opens;
    ++disk_.open_;
  }
  ~SimFile() override {
    --disk_.open_;
    --inode_->opens;
    disk_.Charge(*inode_);
  }

  StatusOr<size_t> ReadAt(std::span<char> into, uint64_t offset) const override {
    if (const int error = disk_.Enter(DiskCall::kRead, Where(path_, offset, into.size()))) {
      return disk_.Said(error, path_);
    }
    const int64_t got = disk_.ReadNow(*inode_, offset, into);
    if (const int error = disk_.Leave()) return disk_.Said(error, path_);
    return static_cast<size_t>(got);
  }

  Status WriteAt(std::string_view bytes, uint64_t offset) override {
    if (const int error = disk_.Enter(DiskCall::kWrite, Where(path_, offset, bytes.size()))) {
      return disk_.Said(error, path_);
    }
    const int64_t put = disk_.WriteNow(*inode_, offset, bytes);
    if (const int error = disk_.Leave()) return disk_.Said(error, path_);
    if (put < static_cast<int64_t>(bytes.size())) return disk_.Said(ENOSPC, path_);
    return OkStatus();
  }

  Status SyncData() override {
    if (const int error = disk_.Enter(DiskCall::kSync, path_)) {
      if (!disk_.off_) disk_.FlushSome(*inode_);
      return disk_.Said(error, path_);
    }
    disk_.Flush(*inode_);
    return disk_.Said(disk_.Leave(), path_);
  }

  StatusOr<uint64_t> Bytes() const override {
    if (disk_.off_) return disk_.Said(EIO, path_);
    return inode_->bytes.size();
  }

  ssize_t TryRead(std::span<const iovec> into, uint64_t offset) const override {
    if (disk_.off_) return -EIO;
    if (disk_.options_.cold_cache && disk_.dice_.OneIn(3)) return -EAGAIN;
    int64_t done = 0;
    for (const iovec& piece : into) {
      std::span<char> part(static_cast<char*>(piece.iov_base), piece.iov_len);
      const bool cut_short = disk_.options_.cold_cache && !part.empty() && disk_.dice_.OneIn(8);
      if (cut_short) part = part.subspan(0, disk_.dice_.Below(part.size()));
      if (cut_short && part.empty() && done == 0) return -EAGAIN;  // 0 is a file's end.
      const int64_t got = disk_.ReadNow(*inode_, offset + static_cast<uint64_t>(done), part);
      done += got;
      if (got < static_cast<int64_t>(piece.iov_len)) break;
    }
    return done;
  }

  void StartRead(io::Reactor& reactor, DiskOp& op, std::span<char> into,
                 uint64_t offset) const override {
    Start(DiskCall::kRead, reactor, op, offset).into = into;
  }
  void StartWrite(io::Reactor& reactor, DiskOp& op, std::span<const iovec> pieces,
                  uint64_t offset) override {
    Start(DiskCall::kWrite, reactor, op, offset).pieces = pieces;
  }
  void StartSyncData(io::Reactor& reactor, DiskOp& op) override {
    Start(DiskCall::kSync, reactor, op, 0);
  }

  int descriptor() const override { return -1; }

 private:
  Operation& Start(DiskCall call, io::Reactor& reactor, DiskOp& op, uint64_t offset) const {
    POP_CHECK(io::Reactor::Current() == &reactor);
    auto operation = std::make_unique<Operation>(&disk_, call, inode_, path_, offset);
    operation->reactor = &reactor;
    operation->op = &op;
    disk_.under_way_.push_back(std::move(operation));
    return *disk_.under_way_.back();
  }

  SimDisk& disk_;
  const InodePtr inode_;
  const std::string path_;
};

StatusOr<std::unique_ptr<File>> SimDisk::Opened(InodePtr inode, const std::string& path) {
  return std::unique_ptr<File>(std::make_unique<SimFile>(this, std::move(inode), path));
}

// --- Bytes

void SimDisk::Charge(Inode& inode) {
  const bool kept = inode.links > 0 || inode.opens > 0;
  const uint64_t bytes = kept ? RoundUp(inode.bytes.size(), kBlockBytes) : 0;
  used_bytes_ += bytes - std::exchange(inode.charged_bytes, bytes);
}

int64_t SimDisk::ReadNow(const Inode& inode, uint64_t offset, std::span<char> into) const {
  if (offset >= inode.bytes.size()) return 0;
  const size_t got = std::min<uint64_t>(into.size(), inode.bytes.size() - offset);
  std::copy_n(inode.bytes.begin() + static_cast<ptrdiff_t>(offset), got, into.begin());
  return static_cast<int64_t>(got);
}

// Octets written: fewer where the disk is full.
int64_t SimDisk::WriteNow(Inode& inode, uint64_t offset, std::string_view bytes) {
  const uint64_t free =
      options_.capacity_bytes > used_bytes_ ? options_.capacity_bytes - used_bytes_ : 0;
  const uint64_t room = inode.charged_bytes + free / kBlockBytes * kBlockBytes;
  if (offset + bytes.size() > room) bytes = bytes.substr(0, room > offset ? room - offset : 0);
  if (bytes.empty()) return 0;
  Put(inode.bytes, offset, bytes);
  inode.writes.push_back({offset, std::string(bytes)});
  Charge(inode);
  return static_cast<int64_t>(bytes.size());
}

void SimDisk::Flush(Inode& inode) {
  for (const Write& write : inode.writes) {
    if (write.cut) Cut(inode.durable_bytes, write.offset);
    Put(inode.durable_bytes, write.offset, write.bytes);
  }
  inode.writes.clear();
}

// Any part of what was not flushed; the rest is lost.
void SimDisk::FlushSome(Inode& inode) {
  // All, nothing, or each sector by itself. A sector that missed one write misses later ones, too:
  // what stands in it is what the cache once held.
  const uint64_t mode = dice_.Below(4);
  std::set<uint64_t> behind;
  for (const Write& write : inode.writes) {
    if (write.cut && (mode == 0 || dice_.OneIn(2))) Cut(inode.durable_bytes, write.offset);
    const uint64_t end = write.offset + write.bytes.size();
    for (uint64_t at = write.offset; at < end;) {
      const uint64_t next = std::min(RoundUp(at + 1, kSectorBytes), end);
      const bool there = mode == 0 || (mode > 1 && dice_.OneIn(2));
      if (!there) behind.insert(at / kSectorBytes);
      if (there && !behind.contains(at / kSectorBytes)) {
        Put(inode.durable_bytes, at,
            std::string_view(write.bytes).substr(at - write.offset, next - at));
      }
      at = next;
    }
  }
  inode.writes.clear();
  inode.bytes = inode.durable_bytes;
  Charge(inode);
}

// --- Operations of reactors

int32_t SimDisk::Perform(Operation& operation) {
  uint64_t asked = operation.into.size();
  for (const iovec& piece : operation.pieces) asked += piece.iov_len;
  const std::string what = operation.call == DiskCall::kSync
                               ? operation.path
                               : Where(operation.path, operation.offset, asked);
  const int refused = Enter(operation.call, what);
  int64_t result = -refused;
  if (operation.call == DiskCall::kSync) {
    if (refused != 0) {
      if (!off_) FlushSome(*operation.inode);
    } else {
      Flush(*operation.inode);
    }
  } else if (refused == 0) {
    const bool is_short = options_.short_results && asked > 1 && dice_.OneIn(8);
    const uint64_t most = is_short ? dice_.Between(1, asked - 1) : asked;
    if (operation.call == DiskCall::kRead) {
      result = ReadNow(*operation.inode, operation.offset, operation.into.subspan(0, most));
    } else {
      std::string bytes;
      for (const iovec& piece : operation.pieces) {
        bytes.append(static_cast<const char*>(piece.iov_base), piece.iov_len);
      }
      result =
          WriteNow(*operation.inode, operation.offset, std::string_view(bytes).substr(0, most));
      if (result == 0) result = -ENOSPC;
    }
  }
  if (refused == 0 && Leave() != 0) result = -EIO;
  return static_cast<int32_t>(result);
}

void SimDisk::EndOne(size_t n) {
  auto operation = under_way_.begin();
  std::advance(operation, static_cast<ptrdiff_t>(n));
  ended_.splice(ended_.end(), under_way_, operation);
  Operation& ended = *ended_.back();
  ended.result = Perform(ended);
  ended.reactor->Post(ended.told);
}

}  // namespace poplar::sim
