#include "bench/load/server_cpu.h"

#include <unistd.h>

#include <map>
#include <optional>
#include <sstream>

#include "bench/load/proc.h"

namespace poplar::load {

StatusOr<CpuTime> CgroupCpu(const std::string& folder) {
  if (std::optional<uint64_t> usage_ns = ReadProcNumber(folder + "/cpuacct.usage")) {
    return CpuTime{.user_us = ReadProcNumber(folder + "/cpuacct.usage_user").value_or(0) / 1000,
                   .system_us = ReadProcNumber(folder + "/cpuacct.usage_sys").value_or(0) / 1000,
                   .total_us = *usage_ns / 1000};
  }
  std::optional<std::string> text = ReadProcFile(folder + "/cpu.stat");
  if (!text || text->find("usage_usec") == std::string::npos) {
    return MakeStatus(StatusCode::kNotFound,
                      folder + " has neither cpuacct.usage (cgroup v1) nor cpu.stat (v2)");
  }
  CpuTime time;
  std::istringstream lines(*text);
  std::string name;
  uint64_t value = 0;
  while (lines >> name >> value) {
    if (name == "usage_usec") time.total_us = value;
    if (name == "user_usec") time.user_us = value;
    if (name == "system_usec") time.system_us = value;
  }
  return time;
}

StatusOr<CpuTime> ProcessTreeCpu(const std::vector<int>& pids) {
  using Trees = std::map<int, ProcessStat>;
  POP_ASSIGN_OR_RETURN(const Trees trees, ReadProcessTrees(pids));
  uint64_t user_ticks = 0;
  uint64_t system_ticks = 0;
  for (const auto& [pid, stat] : trees) {
    user_ticks += stat.user_ticks;
    system_ticks += stat.system_ticks;
  }
  auto us_per_tick = 1'000'000 / static_cast<uint64_t>(sysconf(_SC_CLK_TCK));
  return CpuTime{.user_us = user_ticks * us_per_tick,
                 .system_us = system_ticks * us_per_tick,
                 .total_us = (user_ticks + system_ticks) * us_per_tick};
}

}  // namespace poplar::load
