#include "bench/load/server_cpu.h"

#include <unistd.h>

#include <charconv>
#include <filesystem>
#include <fstream>
#include <map>
#include <optional>
#include <sstream>

namespace poplar::load {
namespace {

std::optional<std::string> ReadFile(const std::string& path) {
  std::ifstream file(path);
  if (!file) return std::nullopt;
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

std::optional<uint64_t> ReadNumber(const std::string& path) {
  std::optional<std::string> text = ReadFile(path);
  uint64_t number = 0;
  if (!text ||
      std::from_chars(text->data(), text->data() + text->size(), number).ec != std::errc()) {
    return std::nullopt;
  }
  return number;
}

struct ProcessStat {
  int parent = 0;
  uint64_t user_ticks = 0;    // its own and its waited-for children's
  uint64_t system_ticks = 0;  // likewise
};

// The fields of /proc/PID/stat behind the command's name, which may hold anything (proc(5)).
std::optional<ProcessStat> ReadStat(int pid) {
  std::optional<std::string> text = ReadFile("/proc/" + std::to_string(pid) + "/stat");
  if (!text) return std::nullopt;
  size_t name_end = text->rfind(')');
  if (name_end == std::string::npos) return std::nullopt;
  std::istringstream fields(text->substr(name_end + 1));
  ProcessStat stat;
  std::string skipped;
  uint64_t utime = 0;
  uint64_t stime = 0;
  uint64_t cutime = 0;
  uint64_t cstime = 0;
  fields >> skipped >> stat.parent;                // 3 state, 4 ppid
  for (int i = 5; i < 14; ++i) fields >> skipped;  // up to 13 cmajflt
  fields >> utime >> stime >> cutime >> cstime;    // 14 to 17
  if (!fields) return std::nullopt;
  stat.user_ticks = utime + cutime;
  stat.system_ticks = stime + cstime;
  return stat;
}

std::map<int, ProcessStat> ReadAllStats() {
  std::map<int, ProcessStat> stats;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator("/proc", error)) {
    std::string name = entry.path().filename().string();
    int pid = 0;
    auto [end, fault] = std::from_chars(name.data(), name.data() + name.size(), pid);
    if (fault != std::errc() || end != name.data() + name.size()) continue;
    if (std::optional<ProcessStat> stat = ReadStat(pid)) stats.emplace(pid, *stat);
  }
  return stats;
}

}  // namespace

StatusOr<CpuTime> CgroupCpu(const std::string& folder) {
  if (std::optional<uint64_t> usage_ns = ReadNumber(folder + "/cpuacct.usage")) {
    return CpuTime{.user_us = ReadNumber(folder + "/cpuacct.usage_user").value_or(0) / 1000,
                   .system_us = ReadNumber(folder + "/cpuacct.usage_sys").value_or(0) / 1000,
                   .total_us = *usage_ns / 1000};
  }
  std::optional<std::string> text = ReadFile(folder + "/cpu.stat");
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
  const std::map<int, ProcessStat> stats = ReadAllStats();
  std::multimap<int, int> children;
  for (const auto& [pid, stat] : stats) children.emplace(stat.parent, pid);
  std::vector<int> todo = pids;
  uint64_t user_ticks = 0;
  uint64_t system_ticks = 0;
  while (!todo.empty()) {
    int pid = todo.back();
    todo.pop_back();
    auto found = stats.find(pid);
    if (found == stats.end()) {
      return MakeStatus(StatusCode::kNotFound, "no process " + std::to_string(pid) + " runs");
    }
    user_ticks += found->second.user_ticks;
    system_ticks += found->second.system_ticks;
    auto [begin, end] = children.equal_range(pid);
    for (auto child = begin; child != end; ++child) todo.push_back(child->second);
  }
  auto us_per_tick = 1'000'000 / static_cast<uint64_t>(sysconf(_SC_CLK_TCK));
  return CpuTime{.user_us = user_ticks * us_per_tick,
                 .system_us = system_ticks * us_per_tick,
                 .total_us = (user_ticks + system_ticks) * us_per_tick};
}

}  // namespace poplar::load
