#include "tests/unit/auth/remote_fixture.h"

namespace poplar::auth {

std::string PluginPath(const std::string& name) {
  return std::string(PLUGINS) + "/" + name + ".so";
}

std::string AuthHostPath() { return AUTH_HOST; }

}  // namespace poplar::auth
