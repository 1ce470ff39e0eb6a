// Lines that a plug-in has for the server's log. Any thread.

#pragma once

#include <string>

#include "auth/host/frames.h"

namespace poplar::auth {

void LogOfPlugin(const std::string& plugin, const LogFrame& frame);

}  // namespace poplar::auth
