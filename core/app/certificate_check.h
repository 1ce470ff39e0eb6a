// What `poplar check` says of a folder of certificates: it reads all of it. One thread.

#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace poplar::app {

struct FolderFindings {
  std::vector<std::string> faults;    // Certificates that cannot be used.
  std::vector<std::string> warnings;  // They are used, but their clients may not take them.
};

// At `now_s` (since 1970). Whose certificate has run out is no fault of the configuration: a
// customer who has gone must not keep it from being reloaded.
FolderFindings CheckCertificates(const std::string& folder, int64_t now_s);

}  // namespace poplar::app
