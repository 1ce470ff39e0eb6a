// Which file a path names, for those who keep one open: a database may be put in another's place (a
// backup restored), and what is open is then the wrong one. Any thread.

#pragma once

#include <sys/types.h>

#include <string>

#include "core/base/status.h"

namespace poplar::auth {

struct FileIdentity {
  dev_t device = 0;
  ino_t inode = 0;

  bool operator==(const FileIdentity&) const = default;
};

// kNotFound: no such file.
StatusOr<FileIdentity> IdentityOf(const std::string& path);

}  // namespace poplar::auth
