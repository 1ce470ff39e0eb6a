#include "core/app/transfer/source_folder.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

namespace poplar::app {
namespace {

// glibc has no openat2. `path` is the whole one, for people.
StatusOr<base::UniqueFd> OpenWithoutLinks(int folder, const std::string& name, int flags,
                                          const std::string& path) {
  open_how how{};
  how.flags = static_cast<uint64_t>(flags);
  how.resolve = RESOLVE_NO_SYMLINKS;
  base::UniqueFd fd(
      static_cast<int>(::syscall(SYS_openat2, folder, name.c_str(), &how, sizeof how)));
  if (fd.valid()) return fd;
  if (errno != ELOOP) return ErrnoStatus(errno, path);
  return MakeStatus(StatusCode::kInvalidArgument,
                    path + " is a link or behind one, and links in a mailbox are not followed");
}

}  // namespace

StatusOr<base::UniqueFd> OpenNamed(const std::string& path, size_t found_from, int flags) {
  const std::string named = path.substr(0, found_from);
  if (named.size() == path.size()) {
    base::UniqueFd fd(::open(path.c_str(), flags));
    if (!fd.valid()) return ErrnoStatus(errno, path);
    return fd;
  }
  const base::UniqueFd folder(::open(named.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!folder.valid()) return ErrnoStatus(errno, named);
  return OpenWithoutLinks(folder.get(), path.substr(found_from), flags, path);
}

StatusOr<SourceFolder> SourceFolder::Open(const std::string& path, size_t found_from) {
  POP_ASSIGN_OR_RETURN(base::UniqueFd fd,
                       OpenNamed(path, found_from, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  return SourceFolder(std::move(fd), path);
}

StatusOr<std::vector<std::string>> SourceFolder::Names(const std::string& folder) const {
  const std::string path = path_ + "/" + folder;
  POP_ASSIGN_OR_RETURN(
      base::UniqueFd fd,
      OpenWithoutLinks(fd_.get(), folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC, path));
  const std::unique_ptr<DIR, int (*)(DIR*)> listed(fdopendir(fd.get()), &closedir);
  if (listed == nullptr) return ErrnoStatus(errno, path);
  (void)fd.Release();  // closedir has it.
  std::vector<std::string> names;
  errno = 0;
  while (const dirent* entry = readdir(listed.get())) {
    const std::string_view name = entry->d_name;
    if (name != "." && name != "..") names.emplace_back(name);
  }
  if (errno != 0) return ErrnoStatus(errno, path);
  return names;
}

StatusOr<std::optional<struct stat>> SourceFolder::Look(const std::string& name) const {
  struct stat found{};
  if (fstatat(fd_.get(), name.c_str(), &found, AT_SYMLINK_NOFOLLOW) == 0) return found;
  if (errno == ENOENT) return std::optional<struct stat>();
  return ErrnoStatus(errno, path_ + "/" + name);
}

StatusOr<std::unique_ptr<ByteSource>> SourceFolder::OpenFile(const std::string& name) const {
  const std::string path = path_ + "/" + name;
  POP_ASSIGN_OR_RETURN(base::UniqueFd fd,
                       OpenWithoutLinks(fd_.get(), name, kFileSourceFlags, path));
  return MakeFileSource(std::move(fd), path);
}

StatusOr<std::string> SourceFolder::ReadSmallFile(const std::string& name, size_t bytes_max) const {
  POP_ASSIGN_OR_RETURN(const std::unique_ptr<ByteSource> source, OpenFile(name));
  return ReadAll(*source, bytes_max, path_ + "/" + name);
}

}  // namespace poplar::app
