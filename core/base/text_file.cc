#include "core/base/text_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "core/base/fd.h"
#include "core/base/secret.h"

namespace poplar::base {
namespace {

constexpr uint64_t kChunkBytes = 64 * 1024;  // At least, of each read.

Status TooLarge(uint64_t bytes_max) {
  return MakeStatus(
      StatusCode::kInvalidArgument,
      "it is larger than " + std::to_string(bytes_max >> 20) + " MiB: is it the right file?");
}

// It may grow or shrink meanwhile, so its size is a hint.
Status ReadAll(int fd, uint64_t bytes_max, std::string& text) {
  uint64_t read_bytes = 0;
  while (true) {
    if (read_bytes > bytes_max) return TooLarge(bytes_max);
    if (read_bytes == text.size()) text.resize(text.size() + kChunkBytes);
    const ssize_t got = ::read(fd, text.data() + read_bytes, text.size() - read_bytes);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return ErrnoStatus(errno, "cannot read it");
    if (got == 0) break;
    read_bytes += static_cast<uint64_t>(got);
  }
  text.resize(read_bytes);
  return OkStatus();
}

}  // namespace

StatusOr<std::string> ReadTextFile(const std::string& path, uint64_t bytes_max) {
  // O_NONBLOCK is for a FIFO; regular files do not know it.
  const UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (!file.valid()) return ErrnoStatus(errno, "cannot open it");
  struct stat status{};
  if (::fstat(file.get(), &status) != 0) return ErrnoStatus(errno, "cannot read it");
  if (!S_ISREG(status.st_mode)) {
    return MakeStatus(StatusCode::kInvalidArgument, S_ISDIR(status.st_mode)
                                                        ? "cannot read it: Is a directory"
                                                        : "it is no regular file");
  }
  const auto bytes = static_cast<uint64_t>(status.st_size);
  if (bytes > bytes_max) return TooLarge(bytes_max);
  // With one octet more the end is seen without growing.
  std::string text(bytes + 1, '\0');
  const Status read = ReadAll(file.get(), bytes_max, text);
  if (read.ok()) return text;
  Wipe(text.data(), text.size());  // It may hold secrets.
  return read;
}

}  // namespace poplar::base
