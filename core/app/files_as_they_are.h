// Which files stood at some paths once, to see whether others have taken their places since.

#pragma once

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "auth/users/file_identity.h"

namespace poplar::app {

class FilesAsTheyAre {
 public:
  explicit FilesAsTheyAre(const std::vector<std::string>& paths) {
    for (const std::string& path : paths) files_.push_back({path, At(path)});
  }

  // Any of them: replaced, gone, or there for the first time. Written anew is the same file.
  bool Changed() const {
    return std::ranges::any_of(files_,
                               [](const File& file) { return At(file.path) != file.identity; });
  }

 private:
  using Identity = std::optional<auth::FileIdentity>;  // None: nothing is there.
  struct File {
    std::string path;
    Identity identity;
  };

  static Identity At(const std::string& path) {
    const auto identity = auth::IdentityOf(path);
    return identity.ok() ? Identity(*identity) : std::nullopt;
  }

  std::vector<File> files_;
};

}  // namespace poplar::app
