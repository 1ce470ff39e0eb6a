// The CPU time that a server has used so far: of a control group (to the nanosecond, exited
// processes included), or of process trees (to the clock tick of 10 ms). Time that softirqs spend
// on a server's packets is in neither, for any server alike.

#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/base/status.h"

namespace poplar::load {

struct CpuTime {
  uint64_t user_us = 0;
  uint64_t system_us = 0;
  uint64_t total_us = 0;  // on its own: groups count it finer than its parts
};

// `folder`: of cgroup v2 (cpu.stat) or of v1's cpuacct (cpuacct.usage).
StatusOr<CpuTime> CgroupCpu(const std::string& folder);

// Of the processes and all their descendants that live, and of the exited children of each that
// were waited for. kNotFound when one of `pids` does not run.
StatusOr<CpuTime> ProcessTreeCpu(const std::vector<int>& pids);

}  // namespace poplar::load
