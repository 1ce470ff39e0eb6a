// The one door to the disk. Everything that the store does with files goes through an Env (the
// index's LMDB has a door of its own), so that tests can cut the power, fill the disk and fail the
// n-th call.
//
// Blocking calls belong to the disk pool, to start-up and to shut-down. The Start* and Try* calls
// belong to a reactor and never wait. Files and envs may be used from any thread; one
// operation of a DiskOp at a time.

#pragma once

#include <sys/uio.h>

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/status.h"
#include "core/io/op.h"
#include "core/io/reactor.h"

namespace poplar::storage {

// One asynchronous operation on a file: a field of its owner, who outlives it.
class DiskOp {
 public:
  // `result`: octets moved, or -errno.
  using Handler = void (*)(void* owner, int32_t result);

  DiskOp(void* owner, Handler handler) : owner_(owner), handler_(handler) {}

  // For environments: the ring's operation, and the end of one that took no ring.
  io::Op& ring_op() { return op_; }
  void Finish(int32_t result) { handler_(owner_, result); }

 private:
  void OnRing(int32_t result, uint32_t /*flags*/) { Finish(result); }

  void* const owner_;
  const Handler handler_;
  io::OpFor<&DiskOp::OnRing> op_{this};
};

namespace internal {
template <class Method>
struct DiskOpOwnerOf;
template <class Owner>
struct DiskOpOwnerOf<void (Owner::*)(int32_t)> {
  using Type = Owner;
};
}  // namespace internal

// A DiskOp that calls a method of its owner.
template <auto Method>
class DiskOpFor : public DiskOp {
 public:
  using Owner = typename internal::DiskOpOwnerOf<decltype(Method)>::Type;

  explicit DiskOpFor(Owner* owner)
      : DiskOp(owner, [](void* o, int32_t result) { (static_cast<Owner*>(o)->*Method)(result); }) {}
};

// An open file, closed when it ends.
class File {
 public:
  virtual ~File() = default;

  // --- Blocking.
  // As many octets as `into` holds unless the file ends before.
  virtual StatusOr<size_t> ReadAt(std::span<char> into, uint64_t offset) const = 0;
  // The same for whoever reads everything once: what was not in the page cache is not left there,
  // and nothing is read ahead through this file. Slower.
  virtual StatusOr<size_t> ReadOnceAt(std::span<char> into, uint64_t offset) const {
    return ReadAt(into, offset);
  }
  // All of `bytes`, or an error.
  virtual Status WriteAt(std::string_view bytes, uint64_t offset) = 0;
  // fdatasync(2).
  virtual Status SyncData() = 0;
  virtual StatusOr<uint64_t> Bytes() const = 0;

  // --- On a reactor.
  // What is in the page cache, without waiting: octets read (maybe fewer than asked; 0: the file
  // ends there), or -errno (-EAGAIN: it would wait).
  virtual ssize_t TryRead(std::span<const iovec> into, uint64_t offset) const = 0;
  virtual void StartRead(io::Reactor& reactor, DiskOp& op, std::span<char> into,
                         uint64_t offset) const = 0;
  // `pieces` stay until the end. May write fewer octets than asked.
  virtual void StartWrite(io::Reactor& reactor, DiskOp& op, std::span<const iovec> pieces,
                          uint64_t offset) = 0;
  virtual void StartSyncData(io::Reactor& reactor, DiskOp& op) = 0;

  // For sendfile(2); -1 where there is none.
  virtual int descriptor() const = 0;
};

// Held for as long as it exists.
class FileLock {
 public:
  virtual ~FileLock() = default;
};

class Env {
 public:
  virtual ~Env() = default;

  virtual StatusOr<std::unique_ptr<File>> OpenToRead(const std::string& path) = 0;
  // For a reactor: from what of the path is in memory. Null where it would wait, and for every
  // fault, which OpenToRead tells.
  virtual std::unique_ptr<File> TryOpenToRead(const std::string& /*path*/) { return nullptr; }
  // Makes the file, or cuts an old one to nothing; to read and write.
  virtual StatusOr<std::unique_ptr<File>> CreateFile(const std::string& path) = 0;
  // kAlreadyExists: so it was.
  virtual Status MakeDirectory(const std::string& path) = 0;
  virtual Status RemoveDirectory(const std::string& path) = 0;
  virtual Status Rename(const std::string& from, const std::string& to) = 0;
  // A hard link. kAlreadyExists: `to` was there.
  virtual Status Link(const std::string& from, const std::string& to) = 0;
  // How many names the file has.
  virtual StatusOr<uint64_t> Links(const std::string& path) = 0;
  virtual Status Unlink(const std::string& path) = 0;
  // What stands at `bytes` or behind is gone, durably.
  virtual Status CutFile(const std::string& path, uint64_t bytes) = 0;
  virtual Status SyncDirectory(const std::string& path) = 0;
  // Names without "." and "..", unsorted.
  virtual StatusOr<std::vector<std::string>> List(const std::string& path) = 0;
  // Octets that a file system has left for us.
  virtual StatusOr<uint64_t> FreeBytes(const std::string& path) = 0;
  // From the system's generator, for salts, seeds and names.
  virtual uint64_t Random() = 0;
  // One process at a time. kFailedPrecondition says who holds it.
  virtual StatusOr<std::unique_ptr<FileLock>> Lock(const std::string& path) = 0;
  // For those who only read: together with others of their kind, never with the owner. Writes
  // nothing; null where no such file is, as nobody can own the store then.
  virtual StatusOr<std::unique_ptr<FileLock>> LockToRead(const std::string& path) {
    return Lock(path);
  }
};

// The system's disk. Lives for ever.
Env& SystemEnv();

// Reads a whole small file. kNotFound, kUnavailable; kDataLoss when it is longer than `bytes_max`.
StatusOr<std::string> ReadWholeFile(Env& env, const std::string& path, uint64_t bytes_max);
// Writes `bytes` under a temporary name, flushes, renames, flushes the directory: the file is there
// whole or as before.
Status ReplaceFile(Env& env, const std::string& directory, const std::string& name,
                   std::string_view bytes);

// Unlinks a directory with all that is in it; one that is not there is fine.
Status RemoveTree(Env& env, const std::string& directory);

}  // namespace poplar::storage
