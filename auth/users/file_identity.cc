#include "auth/users/file_identity.h"

#include <sys/stat.h>

#include <cerrno>

namespace poplar::auth {

StatusOr<FileIdentity> IdentityOf(const std::string& path) {
  struct stat file{};
  if (::stat(path.c_str(), &file) != 0) return ErrnoStatus(errno, path);
  return FileIdentity{.device = file.st_dev, .inode = file.st_ino};
}

}  // namespace poplar::auth
