#include "core/net/pem_file.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace poplar::net {

Status PemFileError(const char* what, const std::string& path, std::string_view why) {
  return MakeStatus(StatusCode::kInvalidArgument,
                    std::string(what) + " " + path + ": " + std::string(why));
}

Status CheckPemReadable(const char* what, const std::string& path) {
  if (path.empty())
    return MakeStatus(StatusCode::kInvalidArgument, std::string(what) + ": no file is named");
  struct stat status;
  if (stat(path.c_str(), &status) != 0) {
    if (errno == ENOENT) return PemFileError(what, path, "there is no such file");
    return PemFileError(what, path, std::strerror(errno));
  }
  if (S_ISDIR(status.st_mode)) return PemFileError(what, path, "this is a folder, not a file");
  if (access(path.c_str(), R_OK) != 0)
    return PemFileError(what, path, "the server's user may not read it");
  return OkStatus();
}

}  // namespace poplar::net
