// A maildrop with one message, served as it should be.

#pragma once

#include <string>

#include "tests/unit/bench/scripted_server.h"

namespace poplar::load {

// The message, trace header included.
std::string Mail();
Script GoodScript();

}  // namespace poplar::load
