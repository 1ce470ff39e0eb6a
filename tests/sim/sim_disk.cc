#include "tests/sim/sim_disk.h"

#include <algorithm>
#include <cerrno>

#include "core/base/check.h"
#include "tests/sim/sim_disk_parts.h"

namespace poplar::sim {
namespace {

using storage::File;
using storage::FileLock;

const char* NameOf(DiskCall call) {
  constexpr const char* kNames[] = {"open", "read",   "write",         "sync", "create",   "rename",
                                    "link", "unlink", "syncdirectory", "list", "freebytes"};
  return kNames[static_cast<size_t>(call)];
}

}  // namespace

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
  if (before_call_ != nullptr) before_call_();
  if (off_) return EIO;
  ++calls_;
  trace_.Note(std::string("disk ") + NameOf(call) + " " + what);
  if (calls_ >= end_at_) {
    // In the middle of it: before anything happened, or when all had but the answer.
    end_at_ = UINT64_MAX;
    if (dice_.OneIn(2)) {
      EndNow();
      return EIO;
    }
    end_on_leave_ = true;
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
  if (!std::exchange(end_on_leave_, false)) return 0;
  EndNow();
  return EIO;
}

void SimDisk::EndNow() { end_kills_ ? Kill() : PowerCut(); }

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

StatusOr<std::unique_ptr<File>> SimDisk::OpenToRead(const std::string& path) {
  if (const int error = Enter(DiskCall::kOpen, path)) return Said(error, path);
  const InodePtr inode = Find(path);
  if (const int error = Leave()) return Said(error, path);
  if (inode == nullptr || inode->directory) return Said(inode == nullptr ? ENOENT : EISDIR, path);
  return Opened(inode, path);
}

std::unique_ptr<File> SimDisk::TryOpenToRead(const std::string& path) {
  if (off_ || (options_.cold_cache && dice_.OneIn(2))) return nullptr;
  const InodePtr inode = Find(path);
  if (inode == nullptr || inode->directory) return nullptr;
  StatusOr<std::unique_ptr<File>> file = Opened(inode, path);
  return file.ok() ? std::move(*file) : nullptr;
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

StatusOr<uint64_t> SimDisk::Links(const std::string& path) {
  if (const int error = Enter(DiskCall::kOpen, path)) return Said(error, path);
  const InodePtr inode = Find(path);
  if (const int error = Leave()) return Said(error, path);
  if (inode == nullptr) return Said(ENOENT, path);
  return uint64_t{inode->links};
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
  return (*Opened(inode, path))->SyncData();
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

// --- Faults and ends

void SimDisk::Fail(const DiskFault& fault) {
  fault_ = fault;
  faulty_ = true;
}

void SimDisk::Heal() {
  faulty_ = false;
  end_at_ = UINT64_MAX;
}

void SimDisk::PowerCut() {
  if (off_) return;
  Kill();
  trace_.Note("disk: the power is gone");
  power_lost_ = true;
}

void SimDisk::CutAfter(uint64_t n) {
  end_at_ = calls_ + n;
  end_kills_ = false;
}

void SimDisk::KillAfter(uint64_t n) {
  end_at_ = calls_ + n;
  end_kills_ = true;
}

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
  end_at_ = UINT64_MAX;
  end_on_leave_ = false;
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
