// Whether files are still those that were read: a certificate's, which may be replaced while the
// server runs. By a rename, by writing into them, or by a symbolic link on the way to them that
// leads elsewhere from now on.
//
// Immutable; any thread that may wait for a disk.

#pragma once

#include <string>
#include <vector>

#include "core/base/clock.h"
#include "core/net/certificate_folder.h"

namespace poplar::net {

class FilesWatch {
 public:
  // To be made before the files are read, so that no change between the two goes unseen.
  FilesWatch(const base::Clock& clock, std::vector<std::string> paths);

  // Also true, once more, for what was changed only just before this was made: it may have changed
  // again within the tick by which the file system dates changes.
  bool Changed() const;

 private:
  struct File {
    std::string path;
    FileStamp stamp;
    bool settled = false;
  };
  std::vector<File> files_;
};

}  // namespace poplar::net
