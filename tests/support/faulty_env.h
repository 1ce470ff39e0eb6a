// A disk with faults to order, in front of the system's: flushes and writes of reactors that fail,
// files that cannot be made, a disk that says it is full.
//
// Its switches may be set from any thread; the disk outlives what was opened through it.

#pragma once

#include <atomic>
#include <cerrno>
#include <memory>
#include <string>
#include <vector>

#include "storage/env/env.h"

namespace poplar::storage {

class FaultyEnv : public Env {
 public:
  // So many of the next ones fail.
  std::atomic<int> failing_flushes{0};
  std::atomic<int> failing_writes{0};
  std::atomic<int> failing_links{0};
  std::atomic<int> links_to_nothing{0};  // ENOENT.
  std::atomic<int> failing_directory_flushes{0};
  // While set, nothing of a path is in memory: what a reactor opens, the disk pool opens.
  std::atomic<bool> cold{false};
  std::atomic<int> opened_at_once{0};
  // While set, no file can be made: ENOSPC.
  std::atomic<bool> full{false};
  // Set while nothing is open. Paths with this in them cannot be unlinked: EIO.
  std::string stuck;
  // Set likewise. Octets of files with this in their paths that cannot be read: EIO.
  std::string unreadable;
  uint64_t unreadable_from = 0;
  uint64_t unreadable_to = 0;

  StatusOr<std::unique_ptr<File>> OpenToRead(const std::string& path) override {
    return Wrap(SystemEnv().OpenToRead(path), path);
  }
  std::unique_ptr<File> TryOpenToRead(const std::string& path) override {
    std::unique_ptr<File> file = cold ? nullptr : SystemEnv().TryOpenToRead(path);
    if (file == nullptr) return nullptr;
    ++opened_at_once;
    return Wrap(std::move(file), path).value();
  }
  StatusOr<std::unique_ptr<File>> CreateFile(const std::string& path) override {
    if (full) return ErrnoStatus(ENOSPC, path);
    return Wrap(SystemEnv().CreateFile(path), path);
  }
  Status MakeDirectory(const std::string& path) override { return SystemEnv().MakeDirectory(path); }
  Status RemoveDirectory(const std::string& path) override {
    return SystemEnv().RemoveDirectory(path);
  }
  Status Rename(const std::string& from, const std::string& to) override {
    return SystemEnv().Rename(from, to);
  }
  Status Link(const std::string& from, const std::string& to) override {
    if (TakeOne(failing_links)) return ErrnoStatus(EIO, to);
    if (TakeOne(links_to_nothing)) return ErrnoStatus(ENOENT, from);
    return SystemEnv().Link(from, to);
  }
  StatusOr<uint64_t> Links(const std::string& path) override { return SystemEnv().Links(path); }
  Status Unlink(const std::string& path) override {
    if (Has(path, stuck)) return ErrnoStatus(EIO, path);
    return SystemEnv().Unlink(path);
  }
  Status CutFile(const std::string& path, uint64_t bytes) override {
    return SystemEnv().CutFile(path, bytes);
  }
  Status SyncDirectory(const std::string& path) override {
    if (TakeOne(failing_directory_flushes)) return ErrnoStatus(EIO, path);
    return SystemEnv().SyncDirectory(path);
  }
  StatusOr<std::vector<std::string>> List(const std::string& path) override {
    return SystemEnv().List(path);
  }
  StatusOr<uint64_t> FreeBytes(const std::string& path) override {
    if (full) return uint64_t{0};
    return SystemEnv().FreeBytes(path);
  }
  uint64_t Random() override { return SystemEnv().Random(); }
  StatusOr<std::unique_ptr<FileLock>> Lock(const std::string& path) override {
    return SystemEnv().Lock(path);
  }
  StatusOr<std::unique_ptr<FileLock>> LockToRead(const std::string& path) override {
    return SystemEnv().LockToRead(path);
  }

 private:
  static bool Has(const std::string& path, const std::string& part) {
    return !part.empty() && path.find(part) != std::string::npos;
  }

  static bool TakeOne(std::atomic<int>& count) {
    int now = count.load();
    while (now > 0 && !count.compare_exchange_weak(now, now - 1)) {
    }
    return now > 0;
  }

  class FaultyFile final : public File {
   public:
    FaultyFile(FaultyEnv& env, std::unique_ptr<File> file, std::string path)
        : env_(env), file_(std::move(file)), path_(std::move(path)) {}

    StatusOr<size_t> ReadAt(std::span<char> into, uint64_t offset) const override {
      if (Has(path_, env_.unreadable) && offset < env_.unreadable_to &&
          offset + into.size() > env_.unreadable_from) {
        return ErrnoStatus(EIO, path_);
      }
      return file_->ReadAt(into, offset);
    }
    StatusOr<size_t> ReadOnceAt(std::span<char> into, uint64_t offset) const override {
      return file_->ReadOnceAt(into, offset);
    }
    Status WriteAt(std::string_view bytes, uint64_t offset) override {
      return file_->WriteAt(bytes, offset);
    }
    Status SyncData() override { return file_->SyncData(); }
    StatusOr<uint64_t> Bytes() const override { return file_->Bytes(); }
    ssize_t TryRead(std::span<const iovec> into, uint64_t offset) const override {
      return file_->TryRead(into, offset);
    }
    void StartRead(io::Reactor& reactor, DiskOp& op, std::span<char> into,
                   uint64_t offset) const override {
      file_->StartRead(reactor, op, into, offset);
    }
    // A descriptor that is none makes the kernel say no, as late as it would say anything else.
    void StartWrite(io::Reactor& reactor, DiskOp& op, std::span<const iovec> pieces,
                    uint64_t offset) override {
      if (TakeOne(env_.failing_writes)) {
        reactor.WriteVector(op.ring_op(), -1, pieces, offset);
      } else {
        file_->StartWrite(reactor, op, pieces, offset);
      }
    }
    void StartSyncData(io::Reactor& reactor, DiskOp& op) override {
      if (TakeOne(env_.failing_flushes)) {
        reactor.SyncData(op.ring_op(), -1);
      } else {
        file_->StartSyncData(reactor, op);
      }
    }
    int descriptor() const override { return file_->descriptor(); }

   private:
    FaultyEnv& env_;
    const std::unique_ptr<File> file_;
    const std::string path_;
  };

  StatusOr<std::unique_ptr<File>> Wrap(StatusOr<std::unique_ptr<File>> file,
                                       const std::string& path) {
    if (!file.ok()) return file.status();
    return std::unique_ptr<File>(std::make_unique<FaultyFile>(*this, std::move(*file), path));
  }
};

}  // namespace poplar::storage
