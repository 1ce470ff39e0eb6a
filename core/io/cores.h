// Which cores this process has: by its affinity, and by the CPU quota of its cgroup. Private to
// core/io, but for GrantedCores (shard.h).

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace poplar::io {

inline constexpr int kNoCpu = -1;

// The CPUs that the calling thread may run on, in order.
std::vector<int> AllowedCpus();

// Binds the calling thread. A refusal is logged: the shard only runs slower.
void PinThread(int cpu);

// Lets the calling thread, when it wakes, take its CPU at once from a thread with the usual time
// slice: hashing, which has the CPU until then, would else keep it for its whole slice, some
// milliseconds, however nice it is. Linux has slices of a thread's own since 6.12; older kernels
// wake a thread beside a nicer one soon by themselves, and ignore this.
void RequestShortSlice();

// Cores of the cgroup's CPU quota, rounded up, over all levels of its path; none if it has no
// quota. Reads `root`/proc/self/cgroup and below `root`/sys/fs/cgroup; `root` is "" but in tests.
std::optional<uint32_t> CgroupCores(const std::string& root);

}  // namespace poplar::io
