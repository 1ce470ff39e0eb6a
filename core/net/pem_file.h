// What is said of files of certificates and keys. Private to core/net; any thread.

#pragma once

#include <string>
#include <string_view>

#include "core/base/status.h"

namespace poplar::net {

// "key /etc/key.pem: why".
Status PemFileError(const char* what, const std::string& path, std::string_view why);

// Whether there is such a file and the server may read it.
Status CheckPemReadable(const char* what, const std::string& path);

}  // namespace poplar::net
