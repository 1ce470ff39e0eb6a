#include "auth/plugins/common/secret_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>

namespace poplar::plugins {
namespace {

// Empty, or what is wrong.
std::string ReadAll(int fd, size_t bytes_max, SecretText& text) {
  struct stat status{};
  if (::fstat(fd, &status) != 0) return std::strerror(errno);
  if (!S_ISREG(status.st_mode)) return "it is no regular file";
  text.resize(bytes_max + 1);
  size_t read_bytes = 0;
  while (read_bytes < text.size()) {
    const ssize_t got = ::read(fd, text.data() + read_bytes, text.size() - read_bytes);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return std::strerror(errno);
    if (got == 0) break;
    read_bytes += static_cast<size_t>(got);
  }
  text.resize(read_bytes);
  return read_bytes > bytes_max ? "it is larger than " + std::to_string(bytes_max) + " octets" : "";
}

}  // namespace

std::optional<SecretText> ReadSecretFile(const std::string& path, size_t bytes_max,
                                         std::string& fault) {
  // O_NONBLOCK is for a FIFO; regular files do not know it.
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  SecretText text;
  const std::string why = fd < 0 ? std::strerror(errno) : ReadAll(fd, bytes_max, text);
  if (fd >= 0) ::close(fd);
  if (why.empty()) return text;
  fault = path + " cannot be read: " + why;
  return std::nullopt;
}

}  // namespace poplar::plugins
