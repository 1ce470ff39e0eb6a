// What a run found, for people (aligned text) and for programs (one JSON object on one line).

#pragma once

#include <string>

#include "bench/load/options.h"
#include "bench/load/run.h"

namespace poplar::load {

// Why a run did not count, although nothing failed: nothing was done. Empty when it did.
std::string Emptiness(const RunResult& result);

std::string TextReport(const Options& options, const RunResult& result);
std::string JsonReport(const Options& options, const RunResult& result);

}  // namespace poplar::load
