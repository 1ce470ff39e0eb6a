// What Linux says of processes (proc(5)) and of control groups, as far as a server is measured by
// it.

#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/base/status.h"

namespace poplar::load {

// The whole text of a file of /proc or of a control group; nothing when it cannot be read.
std::optional<std::string> ReadProcFile(const std::string& path);
// The number at its beginning.
std::optional<uint64_t> ReadProcNumber(const std::string& path);

struct ProcessStat {
  int parent = 0;
  uint64_t user_ticks = 0;    // its own and its waited-for children's
  uint64_t system_ticks = 0;  // likewise
};

// The processes and all their descendants that live, by pid. kNotFound when one of `pids` does not
// run.
StatusOr<std::map<int, ProcessStat>> ReadProcessTrees(const std::vector<int>& pids);

}  // namespace poplar::load
