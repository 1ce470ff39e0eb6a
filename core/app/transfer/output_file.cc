#include "core/app/transfer/output_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

namespace poplar::app {

StatusOr<OutputFile> OutputFile::Create(const std::string& path) {
  base::UniqueFd fd(
      open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, S_IRUSR | S_IWUSR));
  if (!fd.valid()) return ErrnoStatus(errno, path);
  return OutputFile(std::move(fd), path);
}

Status OutputFile::Failed() const { return ErrnoStatus(errno, path_); }

Status OutputFile::Write(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = write(fd_.get(), bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return Failed();
    bytes.remove_prefix(static_cast<size_t>(written));
    bytes_ += static_cast<uint64_t>(written);
  }
  return OkStatus();
}

Status OutputFile::Truncate(uint64_t bytes) {
  if (ftruncate(fd_.get(), static_cast<off_t>(bytes)) != 0) return Failed();
  if (lseek(fd_.get(), static_cast<off_t>(bytes), SEEK_SET) < 0) return Failed();
  bytes_ = bytes;
  return OkStatus();
}

Status OutputFile::SetModified(int64_t modified_us) {
  constexpr int64_t kUsInSecond = 1'000'000;
  int64_t second = modified_us / kUsInSecond;
  int64_t micros = modified_us % kUsInSecond;
  if (micros < 0) {
    micros += kUsInSecond;
    --second;
  }
  const timespec when{.tv_sec = second, .tv_nsec = micros * 1000};
  const timespec both[2] = {when, when};
  return futimens(fd_.get(), both) == 0 ? OkStatus() : Failed();
}

Status OutputFile::Sync() { return fsync(fd_.get()) == 0 ? OkStatus() : Failed(); }

StatusOr<FileSystemSync> FileSystemSync::Open(const std::string& path) {
  base::UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.valid()) return ErrnoStatus(errno, path);
  return FileSystemSync(std::move(fd), path);
}

Status FileSystemSync::Sync() const {
  return syncfs(fd_.get()) == 0 ? OkStatus() : ErrnoStatus(errno, path_);
}

}  // namespace poplar::app
