#include "core/io/cores.h"

#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <string_view>

#include "core/base/log.h"
#include "core/io/shard.h"

namespace poplar::io {
namespace {

// Owns a CPU set that is large enough for this machine.
class CpuSet {
 public:
  explicit CpuSet(size_t cpus) : cpus_(cpus), set_(CPU_ALLOC(cpus)) { CPU_ZERO_S(bytes(), set_); }
  CpuSet(const CpuSet&) = delete;
  CpuSet& operator=(const CpuSet&) = delete;
  ~CpuSet() { CPU_FREE(set_); }

  size_t cpus() const { return cpus_; }
  size_t bytes() const { return CPU_ALLOC_SIZE(cpus_); }
  cpu_set_t* get() { return set_; }
  bool Has(size_t cpu) const { return CPU_ISSET_S(cpu, bytes(), set_); }
  void Add(size_t cpu) { CPU_SET_S(cpu, bytes(), set_); }

 private:
  const size_t cpus_;
  cpu_set_t* const set_;
};

// struct sched_attr of sched_setattr(2), first version; Debian 12's C library does not have it.
struct SchedulingAttributes {
  uint32_t size;
  uint32_t policy;
  uint64_t flags;
  int32_t nice;
  uint32_t priority;
  uint64_t runtime_ns;  // Of a thread of the usual policy: its slice.
  uint64_t deadline_ns;
  uint64_t period_ns;
};

constexpr uint64_t kSliceNs = 100'000;  // The least that the kernel takes.

constexpr size_t kCpusMax = size_t{1} << 16;

std::optional<uint32_t> CoresOf(int64_t quota_us, int64_t period_us) {
  if (quota_us <= 0 || period_us <= 0) return std::nullopt;
  return static_cast<uint32_t>(std::max<int64_t>((quota_us + period_us - 1) / period_us, 1));
}

// cgroup v2: "max 100000" or "150000 100000".
std::optional<uint32_t> ReadV2(const std::string& folder) {
  std::ifstream file(folder + "/cpu.max");
  int64_t quota_us = 0;
  int64_t period_us = 0;
  if (!(file >> quota_us >> period_us)) return std::nullopt;
  return CoresOf(quota_us, period_us);
}

// cgroup v1: -1 is no quota.
std::optional<uint32_t> ReadV1(const std::string& folder) {
  std::ifstream quota(folder + "/cpu.cfs_quota_us");
  std::ifstream period(folder + "/cpu.cfs_period_us");
  int64_t quota_us = 0;
  int64_t period_us = 0;
  if (!(quota >> quota_us) || !(period >> period_us)) return std::nullopt;
  return CoresOf(quota_us, period_us);
}

// The least quota from the group up to the root: each level limits those below. A container often
// sees its own group as the root, and a path that does not exist there.
template <class Read>
std::optional<uint32_t> LeastOnPath(const std::string& mount, std::string path, Read read) {
  std::optional<uint32_t> least;
  while (true) {
    const std::optional<uint32_t> cores = read(mount + path);
    if (cores && (!least || *cores < *least)) least = cores;
    const size_t slash = path.rfind('/');
    if (slash == std::string::npos) return least;
    path.resize(slash);
  }
}

bool HasController(std::string_view controllers, std::string_view wanted) {
  while (!controllers.empty()) {
    const size_t comma = std::min(controllers.find(','), controllers.size());
    if (controllers.substr(0, comma) == wanted) return true;
    controllers.remove_prefix(std::min(comma + 1, controllers.size()));
  }
  return false;
}

}  // namespace

std::vector<int> AllowedCpus() {
  for (size_t cpus = 1024; cpus <= kCpusMax; cpus *= 2) {
    CpuSet set(cpus);
    if (sched_getaffinity(0, set.bytes(), set.get()) != 0) {
      if (errno == EINVAL) continue;  // The kernel's set is larger.
      break;
    }
    std::vector<int> allowed;
    for (size_t cpu = 0; cpu < cpus; ++cpu) {
      if (set.Has(cpu)) allowed.push_back(static_cast<int>(cpu));
    }
    return allowed;
  }
  return {};
}

void PinThread(int cpu) {
  CpuSet set(static_cast<size_t>(cpu) + 1);
  set.Add(static_cast<size_t>(cpu));
  if (sched_setaffinity(0, set.bytes(), set.get()) == 0) return;
  base::Log(base::LogLevel::kWarning, "pin_failed", {{"cpu", cpu}, {"error", strerror(errno)}});
}

void RequestShortSlice() {
  SchedulingAttributes attributes{};
  if (syscall(SYS_sched_getattr, 0, &attributes, sizeof(attributes), 0) != 0) return;
  if (attributes.policy != SCHED_OTHER) return;
  attributes.runtime_ns = kSliceNs;
  syscall(SYS_sched_setattr, 0, &attributes, 0);
}

std::optional<uint32_t> CgroupCores(const std::string& root) {
  std::ifstream groups(root + "/proc/self/cgroup");
  const std::string mount = root + "/sys/fs/cgroup";
  std::optional<uint32_t> least;
  const auto limit = [&least](std::optional<uint32_t> cores) {
    if (cores && (!least || *cores < *least)) least = cores;
  };
  for (std::string line; std::getline(groups, line);) {  // "0::/a/b" or "4:cpu,cpuacct:/a/b"
    const size_t first = line.find(':');
    const size_t second = first == std::string::npos ? first : line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    std::string path = line.substr(second + 1);
    if (path == "/") path.clear();
    if (controllers.empty()) {
      limit(LeastOnPath(mount, path, ReadV2));
    } else if (HasController(controllers, "cpu")) {
      std::string together = mount;
      together.append("/").append(controllers);
      limit(LeastOnPath(together, path, ReadV1));
      limit(LeastOnPath(mount + "/cpu", path, ReadV1));
    }
  }
  return least;
}

uint32_t GrantedCores() {
  const auto allowed = static_cast<uint32_t>(std::max<size_t>(AllowedCpus().size(), 1));
  return std::min(allowed, CgroupCores("").value_or(allowed));
}

}  // namespace poplar::io
