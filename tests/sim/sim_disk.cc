#include "tests/sim/sim_disk.h"

#include <algorithm>
#include <cerrno>

#include "core/base/check.h"
#include "storage/format/segment_format.h"

namespace poplar::sim {
namespace {

using storage::DiskOp;
using storage::File;
using storage::FileLock;
using storage::RoundUp;

constexpr uint64_t kSectorBytes = 512;
constexpr uint64_t kBlockBytes = 4096;  // What space is given out in.

const char* NameOf(DiskCall call) {
  constexpr const char* kNames[] = {"open", "read",   "write",         "sync", "create",   "rename",
                                    "link", "unlink", "syncdirectory", "list", "freebytes"};
  return kNames[static_cast<size_t>(call)];
}

std::string Where(const std::string& path, uint64_t offset, uint64_t bytes) {
  return path + " " + std::to_string(offset) + "+" + std::to_string(bytes);
}

// Puts `bytes` into `content` at `offset`, which grows for it.
void Cut(std::string& content, uint64_t bytes) {
  if (content.size() > bytes) content.resize(bytes);
}

void Put(std::string& content, uint64_t offset, std::string_view bytes) {
  if (content.size() < offset + bytes.size()) content.resize(offset + bytes.size(), '\0');
  content.replace(offset, bytes.size(), bytes);
}

}  // namespace

struct SimDisk::Inode {
  explicit Inode(bool is_directory) : directory(is_directory) {}

  const bool directory;
  // Of a directory: as calls see it, as the disk has it, and what happened in between, in order.
  std::map<std::string, InodePtr> entries;
  std::map<std::string, InodePtr> durable_entries;
  std::vector<Change> changes;
  // Of a file, the same.
  std::string bytes;
  std::string durable_bytes;
  std::vector<Write> writes;

  uint32_t links = 0;  // Names, as calls see them.
  uint32_t opens = 0;
  uint64_t charged_bytes = 0;
};

// One operation of a reactor.
struct SimDisk::Operation {
  Operation(SimDisk* on, DiskCall what, InodePtr of, const std::string& name, uint64_t from)
      : disk(on), call(what), inode(std::move(of)), path(name), offset(from) {}

  void Tell() {
    auto& ended = disk->ended_;
    const auto self = std::find_if(ended.begin(), ended.end(),
                                   [this](const auto& each) { return each.get() == this; });
    const std::unique_ptr<Operation> keep = std::move(*self);
    ended.erase(self);
    op->Finish(result);
  }

  SimDisk* const disk;
  const DiskCall call;
  const InodePtr inode;
  const std::string path;
  const uint64_t offset;
  std::span<char> into;
  std::span<const iovec> pieces;
  io::Reactor* reactor = nullptr;
  DiskOp* op = nullptr;
  int32_t result = 0;
  io::WorkFor<&Operation::Tell> told{this};
};

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

class SimDisk::SimLock final : public FileLock {
 public:
  SimLock(SimDisk* disk, std::string path) : disk_(*disk), path_(std::move(path)) {}
  ~SimLock() override { disk_.locked_.erase(path_); }

 private:
  SimDisk& disk_;
  const std::string path_;
};

SimDisk::SimDisk(const SimDiskOptions& options, Dice* dice, Trace* trace)
    : options_(options), dice_(*dice), trace_(*trace), root_(std::make_shared<Inode>(true)) {}

SimDisk::~SimDisk() { POP_CHECK(open_ == 0 && under_way_.empty() && ended_.empty()); }

// --- Around every call

int SimDisk::Enter(DiskCall call, const std::string& what) {
  if (off_) return EIO;
  ++calls_;
  trace_.Note(std::string("disk ") + NameOf(call) + " " + what);
  if (calls_ >= cut_at_) {
    // In the middle of it: before anything happened, or when all had but the answer.
    cut_at_ = UINT64_MAX;
    if (dice_.OneIn(2)) {
      PowerCut();
      return EIO;
    }
    cut_on_leave_ = true;
    return 0;
  }
  if (!faulty_ || (fault_.calls & Bit(call)) == 0) return 0;
  if (fault_.after > 0) {
    --fault_.after;
    return 0;
  }
  faulty_ = fault_.for_good;
  ++faults_;
  trace_.Note("disk fails that");
  return EIO;
}

int SimDisk::Leave() {
  if (!std::exchange(cut_on_leave_, false)) return 0;
  PowerCut();
  return EIO;
}

Status SimDisk::Said(int error, const std::string& what) const {
  return error == 0 ? OkStatus() : ErrnoStatus(error, what);
}

// --- Names

SimDisk::InodePtr SimDisk::Find(const std::string& path) const {
  InodePtr inode = root_;
  for (size_t at = 1; at < path.size();) {
    const size_t slash = std::min(path.find('/', at), path.size());
    if (!inode->directory) return nullptr;
    const auto entry = inode->entries.find(path.substr(at, slash - at));
    if (entry == inode->entries.end()) return nullptr;
    inode = entry->second;
    at = slash + 1;
  }
  return inode;
}

std::pair<SimDisk::InodePtr, std::string> SimDisk::Parent(const std::string& path) const {
  const size_t slash = path.rfind('/');
  POP_CHECK(slash != std::string::npos);
  InodePtr parent = Find(path.substr(0, slash));
  if (parent != nullptr && !parent->directory) parent = nullptr;
  return {std::move(parent), path.substr(slash + 1)};
}

void SimDisk::Apply(Inode& directory, Change change) {
  for (const auto& [name, inode] : change) {
    InodePtr& entry = directory.entries[name];
    if (inode != nullptr) ++inode->links;
    if (entry != nullptr) {
      --entry->links;
      Charge(*entry);
    }
    entry = inode;
    if (inode == nullptr) directory.entries.erase(name);
  }
  directory.changes.push_back(std::move(change));
}

StatusOr<std::unique_ptr<File>> SimDisk::Opened(InodePtr inode, const std::string& path) {
  return std::unique_ptr<File>(std::make_unique<SimFile>(this, std::move(inode), path));
}

StatusOr<std::unique_ptr<File>> SimDisk::OpenToRead(const std::string& path) {
  if (const int error = Enter(DiskCall::kOpen, path)) return Said(error, path);
  const InodePtr inode = Find(path);
  if (const int error = Leave()) return Said(error, path);
  if (inode == nullptr || inode->directory) return Said(inode == nullptr ? ENOENT : EISDIR, path);
  return Opened(inode, path);
}

StatusOr<std::unique_ptr<File>> SimDisk::CreateFile(const std::string& path) {
  if (const int error = Enter(DiskCall::kCreate, path)) return Said(error, path);
  const auto [parent, name] = Parent(path);
  if (parent == nullptr) return Said(ENOENT, path);
  InodePtr inode = Find(path);
  if (inode == nullptr) {
    if (used_bytes_ >= options_.capacity_bytes) return Said(ENOSPC, path);
    inode = std::make_shared<Inode>(false);
    Apply(*parent, {{name, inode}});
  } else {
    inode->bytes.clear();
    inode->writes.push_back({0, {}, true});
    Charge(*inode);
  }
  if (const int error = Leave()) return Said(error, path);
  return Opened(inode, path);
}

Status SimDisk::MakeDirectory(const std::string& path) {
  if (const int error = Enter(DiskCall::kCreate, path)) return Said(error, path);
  const auto [parent, name] = Parent(path);
  if (parent == nullptr) return Said(ENOENT, path);
  if (parent->entries.contains(name)) return Said(EEXIST, path);
  if (used_bytes_ >= options_.capacity_bytes) return Said(ENOSPC, path);
  Apply(*parent, {{name, std::make_shared<Inode>(true)}});
  return Said(Leave(), path);
}

Status SimDisk::RemoveDirectory(const std::string& path) {
  if (const int error = Enter(DiskCall::kUnlink, path)) return Said(error, path);
  const auto [parent, name] = Parent(path);
  const InodePtr inode = Find(path);
  if (inode == nullptr || !inode->directory) return Said(ENOENT, path);
  if (!inode->entries.empty()) return Said(ENOTEMPTY, path);
  Apply(*parent, {{name, nullptr}});
  return Said(Leave(), path);
}

Status SimDisk::Rename(const std::string& from, const std::string& to) {
  if (const int error = Enter(DiskCall::kRename, from + " " + to)) return Said(error, to);
  const auto [parent, name] = Parent(from);
  const auto [new_parent, new_name] = Parent(to);
  const InodePtr inode = Find(from);
  if (inode == nullptr || new_parent == nullptr) return Said(ENOENT, to);
  POP_CHECK(parent == new_parent);  // Between directories nobody renames.
  Apply(*parent, {{new_name, inode}, {name, nullptr}});
  return Said(Leave(), to);
}

Status SimDisk::Link(const std::string& from, const std::string& to) {
  if (const int error = Enter(DiskCall::kLink, from + " " + to)) return Said(error, to);
  const auto [parent, name] = Parent(to);
  const InodePtr inode = Find(from);
  if (inode == nullptr || parent == nullptr) return Said(ENOENT, to);
  if (parent->entries.contains(name)) return Said(EEXIST, to);
  if (used_bytes_ >= options_.capacity_bytes) return Said(ENOSPC, to);
  Apply(*parent, {{name, inode}});
  return Said(Leave(), to);
}

Status SimDisk::Unlink(const std::string& path) {
  if (const int error = Enter(DiskCall::kUnlink, path)) return Said(error, path);
  const auto [parent, name] = Parent(path);
  const InodePtr inode = Find(path);
  if (inode == nullptr || inode->directory) return Said(inode == nullptr ? ENOENT : EISDIR, path);
  Apply(*parent, {{name, nullptr}});
  return Said(Leave(), path);
}

Status SimDisk::CutFile(const std::string& path, uint64_t bytes) {
  if (const int error = Enter(DiskCall::kWrite, path + " cut to " + std::to_string(bytes))) {
    return Said(error, path);
  }
  const InodePtr inode = Find(path);
  if (inode == nullptr || inode->directory) return Said(inode == nullptr ? ENOENT : EISDIR, path);
  Cut(inode->bytes, bytes);
  inode->writes.push_back({bytes, {}, true});
  Charge(*inode);
  if (const int error = Leave()) return Said(error, path);
  return SimFile(this, inode, path).SyncData();
}

Status SimDisk::SyncDirectory(const std::string& path) {
  if (const int error = Enter(DiskCall::kSyncDirectory, path)) return Said(error, path);
  const InodePtr inode = Find(path.empty() ? "/" : path);
  if (inode == nullptr || !inode->directory) return Said(ENOENT, path);
  inode->durable_entries = inode->entries;
  inode->changes.clear();
  return Said(Leave(), path);
}

StatusOr<std::vector<std::string>> SimDisk::List(const std::string& path) {
  if (const int error = Enter(DiskCall::kList, path)) return Said(error, path);
  const InodePtr inode = Find(path);
  if (inode == nullptr || !inode->directory) return Said(ENOENT, path);
  std::vector<std::string> names = Names(path);
  for (size_t i = names.size(); i > 1; --i) std::swap(names[i - 1], names[dice_.Below(i)]);
  if (const int error = Leave()) return Said(error, path);
  return names;
}

StatusOr<uint64_t> SimDisk::FreeBytes(const std::string& path) {
  if (const int error = Enter(DiskCall::kFreeBytes, path)) return Said(error, path);
  const uint64_t free =
      options_.capacity_bytes > used_bytes_ ? options_.capacity_bytes - used_bytes_ : 0;
  if (const int error = Leave()) return Said(error, path);
  return free;
}

StatusOr<std::unique_ptr<FileLock>> SimDisk::Lock(const std::string& path) {
  if (const int error = Enter(DiskCall::kOpen, path)) return Said(error, path);
  if (!locked_.insert(path).second) {
    return MakeStatus(StatusCode::kFailedPrecondition, path + ": the store is in use");
  }
  std::unique_ptr<FileLock> lock = std::make_unique<SimLock>(this, path);
  if (const int error = Leave()) return Said(error, path);
  return lock;
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

// --- Faults and ends

void SimDisk::Fail(const DiskFault& fault) {
  fault_ = fault;
  faulty_ = true;
}

void SimDisk::Heal() {
  faulty_ = false;
  cut_at_ = UINT64_MAX;
}

void SimDisk::PowerCut() {
  if (off_) return;
  Kill();
  trace_.Note("disk: the power is gone");
  power_lost_ = true;
}

void SimDisk::CutAfter(uint64_t n) { cut_at_ = calls_ + n; }

void SimDisk::Kill() {
  if (off_) return;
  trace_.Note("disk: no call from here on");
  // Writes under way are anywhere between not begun and done.
  for (const auto& operation : under_way_) {
    if (operation->call != DiskCall::kWrite || dice_.OneIn(2)) continue;
    uint64_t at = operation->offset;
    for (const iovec& piece : operation->pieces) {
      const std::string_view bytes(static_cast<const char*>(piece.iov_base), piece.iov_len);
      (void)WriteNow(*operation->inode, at, bytes);
      at += piece.iov_len;
    }
  }
  off_ = true;
  faulty_ = false;
  cut_at_ = UINT64_MAX;
  cut_on_leave_ = false;
}

void SimDisk::Restart() {
  POP_CHECK(off_ && open_ == 0 && under_way_.empty() && ended_.empty() && locked_.empty());
  off_ = false;
  if (!std::exchange(power_lost_, false)) return;
  std::set<Inode*> settled;
  Settle(root_, settled);
  used_bytes_ = 0;
  settled.clear();
  Recount(*root_, settled);
  trace_.Note("disk: the power is back");
}

// What the disk holds of `inode` is all that is left.
void SimDisk::Settle(const InodePtr& inode, std::set<Inode*>& settled) {
  if (!settled.insert(inode.get()).second) return;
  inode->links = 0;
  inode->charged_bytes = 0;
  if (!inode->directory) return FlushSome(*inode);
  const uint64_t mode = dice_.Below(4);  // All, nothing, or each change by itself.
  for (const Change& change : inode->changes) {
    if (mode == 1 || (mode > 1 && dice_.OneIn(2))) continue;
    for (const auto& [name, target] : change) inode->durable_entries[name] = target;
  }
  std::erase_if(inode->durable_entries, [](const auto& entry) { return entry.second == nullptr; });
  inode->changes.clear();
  inode->entries = inode->durable_entries;
  for (const auto& [name, target] : inode->entries) Settle(target, settled);
}

void SimDisk::Recount(Inode& inode, std::set<Inode*>& counted) {
  for (const auto& [name, target] : inode.entries) {
    ++target->links;
    if (!counted.insert(target.get()).second) continue;
    target->charged_bytes = 0;
    Charge(*target);
    Recount(*target, counted);
  }
}

// --- Behind the door

std::vector<std::string> SimDisk::Names(const std::string& directory) const {
  std::vector<std::string> names;
  const InodePtr inode = Find(directory);
  if (inode == nullptr) return names;
  for (const auto& [name, target] : inode->entries) names.push_back(name);
  return names;
}

const std::string* SimDisk::Content(const std::string& path) const {
  const InodePtr inode = Find(path);
  return inode == nullptr || inode->directory ? nullptr : &inode->bytes;
}

void SimDisk::Damage(const std::string& path, uint64_t offset, std::string_view bytes) {
  const InodePtr inode = Find(path);
  POP_CHECK(inode != nullptr && offset + bytes.size() <= inode->bytes.size());
  Flush(*inode);
  Put(inode->bytes, offset, bytes);
  Put(inode->durable_bytes, offset, bytes);
}

void SimDisk::Drop(const std::string& path) {
  const auto [parent, name] = Parent(path);
  POP_CHECK(parent != nullptr && parent->entries.contains(name));
  Apply(*parent, {{name, nullptr}});
  parent->durable_entries = parent->entries;
  parent->changes.clear();
}

}  // namespace poplar::sim
