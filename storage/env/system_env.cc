#include <dirent.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "core/base/check.h"
#include "core/base/fd.h"
#include "core/base/units.h"
#include "storage/env/env.h"

namespace poplar::storage {
namespace {

constexpr mode_t kFileMode = 0600;
constexpr mode_t kDirectoryMode = 0700;

// Of preadv2. A file system in memory refuses RWF_NOWAIT, but what it holds is there at once.
int FlagsOfTryRead(int fd) {
  struct statfs facts{};
  return ::fstatfs(fd, &facts) == 0 && facts.f_type == TMPFS_MAGIC ? 0 : RWF_NOWAIT;
}

class SystemFile final : public File {
 public:
  SystemFile(base::UniqueFd fd, std::string path)
      : fd_(std::move(fd)), path_(std::move(path)), try_read_flags_(FlagsOfTryRead(fd_.get())) {}

  StatusOr<size_t> ReadAt(std::span<char> into, uint64_t offset) const override {
    size_t done = 0;
    while (done < into.size()) {
      const ssize_t got = ::pread(fd_.get(), into.data() + done, into.size() - done,
                                  static_cast<off_t>(offset + done));
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) return ErrnoStatus(errno, path_);
      if (got == 0) break;
      done += static_cast<size_t>(got);
    }
    return done;
  }

  StatusOr<size_t> ReadOnceAt(std::span<char> into, uint64_t offset) const override {
    // Else the system would read ahead, and what it read would pass for somebody else's.
    ::posix_fadvise(fd_.get(), 0, 0, POSIX_FADV_RANDOM);
    constexpr size_t kStepBytes = 128 * kKiB;
    size_t done = 0;
    while (done < into.size()) {
      const std::span<char> step = into.subspan(done, std::min(kStepBytes, into.size() - done));
      const iovec piece{step.data(), step.size()};
      if (TryRead({&piece, 1}, offset + done) == static_cast<ssize_t>(step.size())) {
        done += step.size();  // Somebody uses it.
        continue;
      }
      POP_ASSIGN_OR_RETURN(const size_t got, ReadAt(step, offset + done));
      ::posix_fadvise(fd_.get(), static_cast<off_t>(offset + done), static_cast<off_t>(got),
                      POSIX_FADV_DONTNEED);
      done += got;
      if (got < step.size()) break;
    }
    return done;
  }

  Status WriteAt(std::string_view bytes, uint64_t offset) override {
    while (!bytes.empty()) {
      const ssize_t put =
          ::pwrite(fd_.get(), bytes.data(), bytes.size(), static_cast<off_t>(offset));
      if (put < 0 && errno == EINTR) continue;
      if (put < 0) return ErrnoStatus(errno, path_);
      bytes.remove_prefix(static_cast<size_t>(put));
      offset += static_cast<uint64_t>(put);
    }
    return OkStatus();
  }

  Status SyncData() override {
    return ::fdatasync(fd_.get()) == 0 ? OkStatus() : ErrnoStatus(errno, path_);
  }

  StatusOr<uint64_t> Bytes() const override {
    struct stat facts{};
    if (::fstat(fd_.get(), &facts) != 0) return ErrnoStatus(errno, path_);
    return static_cast<uint64_t>(facts.st_size);
  }

  ssize_t TryRead(std::span<const iovec> into, uint64_t offset) const override {
    const ssize_t got = ::preadv2(fd_.get(), into.data(), static_cast<int>(into.size()),
                                  static_cast<off_t>(offset), try_read_flags_);
    return got < 0 ? -errno : got;
  }

  void StartRead(io::Reactor& reactor, DiskOp& op, std::span<char> into,
                 uint64_t offset) const override {
    reactor.Read(op.ring_op(), fd_.get(), into, offset);
  }
  void StartWrite(io::Reactor& reactor, DiskOp& op, std::span<const iovec> pieces,
                  uint64_t offset) override {
    reactor.WriteVector(op.ring_op(), fd_.get(), pieces, offset);
  }
  void StartSyncData(io::Reactor& reactor, DiskOp& op) override {
    reactor.SyncData(op.ring_op(), fd_.get());
  }

  int descriptor() const override { return fd_.get(); }

 private:
  base::UniqueFd fd_;
  std::string path_;
  const int try_read_flags_;
};

class SystemLock final : public FileLock {
 public:
  SystemLock(base::UniqueFd fd, bool owner) : fd_(std::move(fd)), owner_(owner) {}
  ~SystemLock() override {
    // Whoever is refused later shall not be told of a process that ended.
    if (owner_) (void)!::ftruncate(fd_.get(), 0);
  }

 private:
  base::UniqueFd fd_;  // Its close gives the lock back.
  const bool owner_;
};

Status InUse(int fd, const std::string& path) {
  char holder[32];
  const ssize_t got = ::pread(fd, holder, sizeof holder, 0);
  std::string who = got > 0 ? std::string(holder, static_cast<size_t>(got)) : "";
  who.erase(who.find_last_not_of(" \n") + 1);
  return MakeStatus(StatusCode::kFailedPrecondition,
                    path + ": the store is in use by " +
                        (who.empty() ? "a command that reads it" : "process " + who));
}

class SystemEnvironment final : public Env {
 public:
  StatusOr<std::unique_ptr<File>> OpenToRead(const std::string& path) override {
    return Open(path, O_RDONLY);
  }
  std::unique_ptr<File> TryOpenToRead(const std::string& path) override {
    // glibc has no openat2.
    open_how how{};
    how.flags = O_RDONLY | O_CLOEXEC;
    how.resolve = RESOLVE_CACHED;
    const auto fd = ::syscall(SYS_openat2, AT_FDCWD, path.c_str(), &how, sizeof how);
    if (fd < 0) return nullptr;
    return std::make_unique<SystemFile>(base::UniqueFd(static_cast<int>(fd)), path);
  }
  StatusOr<std::unique_ptr<File>> CreateFile(const std::string& path) override {
    return Open(path, O_RDWR | O_CREAT | O_TRUNC);
  }
  Status MakeDirectory(const std::string& path) override {
    return Said(::mkdir(path.c_str(), kDirectoryMode), path);
  }
  Status RemoveDirectory(const std::string& path) override {
    return Said(::rmdir(path.c_str()), path);
  }
  Status Rename(const std::string& from, const std::string& to) override {
    return Said(::rename(from.c_str(), to.c_str()), to);
  }
  Status Link(const std::string& from, const std::string& to) override {
    return Said(::link(from.c_str(), to.c_str()), to);
  }
  StatusOr<uint64_t> Links(const std::string& path) override {
    struct stat facts{};
    if (::stat(path.c_str(), &facts) != 0) return ErrnoStatus(errno, path);
    return static_cast<uint64_t>(facts.st_nlink);
  }
  Status Unlink(const std::string& path) override { return Said(::unlink(path.c_str()), path); }

  Status CutFile(const std::string& path, uint64_t bytes) override {
    const base::UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
    if (!fd.valid()) return ErrnoStatus(errno, path);
    POP_RETURN_IF_ERROR(Said(::ftruncate(fd.get(), static_cast<off_t>(bytes)), path));
    return Said(::fsync(fd.get()), path);
  }

  Status SyncDirectory(const std::string& path) override {
    const base::UniqueFd fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!fd.valid()) return ErrnoStatus(errno, path);
    return Said(::fsync(fd.get()), path);
  }

  StatusOr<std::vector<std::string>> List(const std::string& path) override {
    DIR* directory = ::opendir(path.c_str());
    if (directory == nullptr) return ErrnoStatus(errno, path);
    std::vector<std::string> names;
    errno = 0;
    while (const dirent* entry = ::readdir(directory)) {
      const std::string_view name = entry->d_name;
      if (name != "." && name != "..") names.emplace_back(name);
    }
    const int error_number = errno;
    ::closedir(directory);
    if (error_number != 0) return ErrnoStatus(error_number, path);
    return names;
  }

  StatusOr<uint64_t> FreeBytes(const std::string& path) override {
    struct statvfs facts{};
    if (::statvfs(path.c_str(), &facts) != 0) return ErrnoStatus(errno, path);
    return static_cast<uint64_t>(facts.f_bavail) * facts.f_frsize;
  }

  uint64_t Random() override {
    uint64_t number = 0;
    POP_CHECK(::getrandom(&number, sizeof number, 0) == sizeof number);
    return number;
  }

  StatusOr<std::unique_ptr<FileLock>> Lock(const std::string& path) override {
    base::UniqueFd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, kFileMode));
    if (!fd.valid()) return ErrnoStatus(errno, path);
    if (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
      return errno == EWOULDBLOCK ? InUse(fd.get(), path) : ErrnoStatus(errno, path);
    }
    const std::string pid = std::to_string(::getpid()) + "\n";
    if (::ftruncate(fd.get(), 0) != 0 ||
        ::pwrite(fd.get(), pid.data(), pid.size(), 0) != static_cast<ssize_t>(pid.size())) {
      return ErrnoStatus(errno, path);
    }
    return std::make_unique<SystemLock>(std::move(fd), true);
  }

  StatusOr<std::unique_ptr<FileLock>> LockToRead(const std::string& path) override {
    base::UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!fd.valid() && errno == ENOENT) return std::unique_ptr<FileLock>();
    if (!fd.valid()) return ErrnoStatus(errno, path);
    if (::flock(fd.get(), LOCK_SH | LOCK_NB) != 0) {
      return errno == EWOULDBLOCK ? InUse(fd.get(), path) : ErrnoStatus(errno, path);
    }
    return std::make_unique<SystemLock>(std::move(fd), false);
  }

 private:
  static Status Said(int result, const std::string& path) {
    return result == 0 ? OkStatus() : ErrnoStatus(errno, path);
  }

  static StatusOr<std::unique_ptr<File>> Open(const std::string& path, int flags) {
    base::UniqueFd fd(::open(path.c_str(), flags | O_CLOEXEC, kFileMode));
    if (!fd.valid()) return ErrnoStatus(errno, path);
    return std::make_unique<SystemFile>(std::move(fd), path);
  }
};

}  // namespace

Env& SystemEnv() {
  static SystemEnvironment env;
  return env;
}

}  // namespace poplar::storage
