#include "core/app/version.h"

namespace poplar::app {

std::string_view Version() { return POPLAR_VERSION; }  // Defined in this folder's CMakeLists.txt.

}  // namespace poplar::app
