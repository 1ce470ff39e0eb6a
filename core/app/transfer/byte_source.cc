#include "core/app/transfer/byte_source.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

namespace poplar::app {
namespace {

class FileSource final : public ByteSource {
 public:
  FileSource(base::UniqueFd fd, std::string path) : fd_(std::move(fd)), path_(std::move(path)) {}

  StatusOr<size_t> Read(std::span<char> into) override {
    while (true) {
      const ssize_t got = read(fd_.get(), into.data(), into.size());
      if (got >= 0) return static_cast<size_t>(got);
      if (errno != EINTR) return ErrnoStatus(errno, path_);
    }
  }

 private:
  const base::UniqueFd fd_;
  const std::string path_;
};

}  // namespace

StatusOr<std::unique_ptr<ByteSource>> OpenFileSource(const std::string& path) {
  base::UniqueFd fd(open(path.c_str(), kFileSourceFlags));
  if (!fd.valid()) return ErrnoStatus(errno, path);
  return MakeFileSource(std::move(fd), path);
}

StatusOr<std::unique_ptr<ByteSource>> MakeFileSource(base::UniqueFd fd, std::string path) {
  struct stat found{};
  if (fstat(fd.get(), &found) != 0) return ErrnoStatus(errno, path);
  if (!S_ISREG(found.st_mode)) {
    return MakeStatus(StatusCode::kInvalidArgument, path + " is no file");
  }
  return std::make_unique<FileSource>(std::move(fd), std::move(path));
}

StatusOr<std::string> ReadSmallFile(const std::string& path, size_t bytes_max) {
  base::UniqueFd fd(open(path.c_str(), kFileSourceFlags));
  if (!fd.valid()) return ErrnoStatus(errno, path);
  FileSource source(std::move(fd), path);
  return ReadAll(source, bytes_max, path);
}

StatusOr<std::string> ReadAll(ByteSource& source, size_t bytes_max, const std::string& name) {
  std::string text;
  constexpr size_t kPieceBytes = 64 * 1024;
  while (true) {
    const size_t before = text.size();
    text.resize(before + kPieceBytes);
    POP_ASSIGN_OR_RETURN(const size_t got, source.Read(std::span(text).subspan(before)));
    text.resize(before + got);
    if (got == 0) return text;
    if (text.size() > bytes_max) {
      return MakeStatus(StatusCode::kResourceExhausted,
                        name + " is larger than " + std::to_string(bytes_max) + " octets");
    }
  }
}

}  // namespace poplar::app
