// A disk in memory that keeps exactly what a disk promises, and as little as it may.
//
// - What was not flushed is forgotten when the power goes: of each write every sector of 512 octets
//   is there or not, by itself; so is the file's length.
// - A name that was made, renamed, linked or unlinked is durable when its directory was flushed;
//   until then each such change has happened, or not, by itself.
// - Calls fail when told to: the n-th, once or for good. A flush that fails has flushed any part,
//   and the rest is lost at once (a kernel marks such pages clean).
// - It fills up. Hard links share their space, and a file that is open keeps it.
// - Operations of reactors end when the simulator ends them, in its order, and may move fewer
// octets
//   than asked. What TryRead gives is what happens to be cached.
//
// After PowerCut or Kill every call fails, so that what runs can be torn down in order without a
// trace on the disk; then Restart.
//
// One thread. Files end before their disk.

#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "storage/env/env.h"
#include "tests/sim/trace.h"

namespace poplar::sim {

enum class DiskCall : uint8_t {
  kOpen,
  kRead,
  kWrite,
  kSync,
  kCreate,
  kRename,
  kLink,
  kUnlink,
  kSyncDirectory,
  kList,
  kFreeBytes,
};
inline constexpr uint32_t Bit(DiskCall call) { return 1U << static_cast<uint32_t>(call); }
inline constexpr uint32_t kEveryCall = (Bit(DiskCall::kFreeBytes) << 1) - 1;

// Of the calls in `calls`, the one after the next `after` fails, and if `for_good` all that follow.
struct DiskFault {
  uint32_t calls = kEveryCall;
  uint64_t after = 0;
  bool for_good = false;
};

struct SimDiskOptions {
  uint64_t capacity_bytes = UINT64_MAX;
  bool short_results = true;  // Reactors' reads and writes may move fewer octets than asked.
  bool cold_cache = true;     // TryRead may say that it would wait.
};

class SimDisk final : public storage::Env {
 public:
  SimDisk(const SimDiskOptions& options, Dice* dice, Trace* trace);
  ~SimDisk() override;

  StatusOr<std::unique_ptr<storage::File>> OpenToRead(const std::string& path) override;
  std::unique_ptr<storage::File> TryOpenToRead(const std::string& path) override;
  StatusOr<std::unique_ptr<storage::File>> CreateFile(const std::string& path) override;
  Status MakeDirectory(const std::string& path) override;
  Status RemoveDirectory(const std::string& path) override;
  Status Rename(const std::string& from, const std::string& to) override;
  Status Link(const std::string& from, const std::string& to) override;
  StatusOr<uint64_t> Links(const std::string& path) override;
  Status Unlink(const std::string& path) override;
  Status CutFile(const std::string& path, uint64_t bytes) override;
  Status SyncDirectory(const std::string& path) override;
  StatusOr<std::vector<std::string>> List(const std::string& path) override;
  StatusOr<uint64_t> FreeBytes(const std::string& path) override;
  uint64_t Random() override { return dice_.Next(); }
  StatusOr<std::unique_ptr<storage::FileLock>> Lock(const std::string& path) override;

  // --- Operations of reactors.
  size_t under_way() const { return under_way_.size(); }
  // Ends the n-th of them: its reactor is told in its next turn.
  void EndOne(size_t n);

  // --- Faults.
  void Fail(const DiskFault& fault);
  // No further fault, and no cut to come; those that were, stay.
  void Heal();
  uint64_t faults() const { return faults_; }  // Calls that failed so.
  void set_capacity(uint64_t bytes) { options_.capacity_bytes = bytes; }
  uint64_t used_bytes() const { return used_bytes_; }

  // Called before every call; null: nothing is.
  void set_before_call(std::function<void()> step) { before_call_ = std::move(step); }
  // While one lives, it is not: for calls under a lock, as in one thread nobody could wait for
  // that.
  class Alone {
   public:
    explicit Alone(SimDisk& disk) : disk_(disk), step_(std::exchange(disk.before_call_, nullptr)) {}
    Alone(const Alone&) = delete;
    Alone& operator=(const Alone&) = delete;
    ~Alone() { disk_.before_call_ = std::move(step_); }

   private:
    SimDisk& disk_;
    std::function<void()> step_;
  };

  // --- Ends.
  void PowerCut();
  // The power goes, or the process ends, in the middle of the n-th call from now.
  void CutAfter(uint64_t n);
  void KillAfter(uint64_t n);
  // The process ends, and what it had written stays cached.
  void Kill();
  bool off() const { return off_; }
  // REQUIRES: off, and nothing open or under way.
  void Restart();
  uint64_t calls() const { return calls_; }

  // --- A look behind the door, and damage. No calls, so no faults.
  // Names of the files of a directory; empty: none such.
  std::vector<std::string> Names(const std::string& directory) const;
  // Null: no such file. Until the next call.
  const std::string* Content(const std::string& path) const;
  // Overwrites what is there, cached and on the disk.
  void Damage(const std::string& path, uint64_t offset, std::string_view bytes);
  void Drop(const std::string& path);

 private:
  struct Inode;
  struct Operation;
  class SimFile;
  class SimLock;
  using InodePtr = std::shared_ptr<Inode>;

  // Of a write that was not flushed.
  struct Write {
    uint64_t offset = 0;
    std::string bytes;
    bool cut = false;  // Instead: the file was cut there.
  };
  // What one call did to a directory: names, with null for those that went.
  using Change = std::vector<std::pair<std::string, InodePtr>>;

  // Around every call. Errors are 0 or an errno.
  int Enter(DiskCall call, const std::string& what);
  int Leave();
  void EndNow();
  Status Said(int error, const std::string& what) const;

  InodePtr Find(const std::string& path) const;
  // The directory that holds `path`, and the name in it.
  std::pair<InodePtr, std::string> Parent(const std::string& path) const;
  void Apply(Inode& directory, Change change);
  StatusOr<std::unique_ptr<storage::File>> Opened(InodePtr inode, const std::string& path);

  // On a file. Results as of system calls.
  int64_t WriteNow(Inode& inode, uint64_t offset, std::string_view bytes);
  int SyncNow(Inode& inode);
  int64_t ReadNow(const Inode& inode, uint64_t offset, std::span<char> into) const;
  int32_t Perform(Operation& operation);

  void Charge(Inode& inode);
  void Flush(Inode& inode);
  void FlushSome(Inode& inode);
  void Settle(const InodePtr& inode, std::set<Inode*>& settled);
  void Recount(Inode& inode, std::set<Inode*>& counted);

  std::function<void()> before_call_;
  SimDiskOptions options_;
  Dice& dice_;
  Trace& trace_;
  const InodePtr root_;
  std::set<std::string> locked_;
  std::list<std::unique_ptr<Operation>> under_way_;
  std::list<std::unique_ptr<Operation>> ended_;  // Its reactor was not told yet.
  uint64_t used_bytes_ = 0;
  uint64_t calls_ = 0;
  uint64_t faults_ = 0;
  uint64_t open_ = 0;
  DiskFault fault_;
  bool faulty_ = false;
  uint64_t end_at_ = UINT64_MAX;  // In calls.
  bool end_kills_ = false;        // Else it is a power cut.
  bool end_on_leave_ = false;
  bool off_ = false;
  bool power_lost_ = false;
};

}  // namespace poplar::sim
