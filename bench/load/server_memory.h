// What a server holds at one moment: memory of its processes and their open descriptors.

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/status.h"

namespace poplar::load {

struct ServerMemory {
  uint64_t anon_bytes = 0;              // RssAnon of all processes: what they allocated and touched
  std::optional<uint64_t> descriptors;  // open in all of them; nothing where it may not be known
  // What the control group is charged for: kernel memory and page cache, too. Nothing where it
  // counts no memory.
  std::optional<uint64_t> group_bytes;
};

// Of `pids` and all their descendants, or without any of the processes in the control group
// `cgroup` (a folder; "" for none). kNotFound when one of `pids` does not run.
StatusOr<ServerMemory> ReadServerMemory(const std::vector<int>& pids, const std::string& cgroup);

// RssAnon out of the text of /proc/PID/status, in bytes. Nothing when it has none, as that of a
// process that has just ended.
std::optional<uint64_t> ParseRssAnon(std::string_view status);

}  // namespace poplar::load
