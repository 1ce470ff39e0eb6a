#include "auth/remote/plugin_log.h"

#include "core/base/log.h"

namespace poplar::auth {
namespace {

base::LogLevel LevelOf(uint32_t level) {
  switch (level) {
    case POPLAR_ERROR:
      return base::LogLevel::kError;
    case POPLAR_WARNING:
      return base::LogLevel::kWarning;
    case POPLAR_INFO:
      return base::LogLevel::kInfo;
    default:
      return base::LogLevel::kDebug;
  }
}

}  // namespace

void LogOfPlugin(const std::string& plugin, const LogFrame& frame) {
  if (frame.left_out > 0) {
    base::Log(base::LogLevel::kWarning, "auth_plugin_lines_left_out",
              {{"plugin", plugin}, {"lines", frame.left_out}});
    return;
  }
  base::Log(LevelOf(frame.level), "auth_plugin", {{"plugin", plugin}, {"says", frame.sentence}});
}

}  // namespace poplar::auth
