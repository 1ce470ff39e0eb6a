#include "bench/load/proc.h"

#include <charconv>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace poplar::load {
namespace {

// The fields of /proc/PID/stat behind the command's name, which may hold anything.
std::optional<ProcessStat> ReadStat(int pid) {
  std::optional<std::string> text = ReadProcFile("/proc/" + std::to_string(pid) + "/stat");
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

std::optional<std::string> ReadProcFile(const std::string& path) {
  std::ifstream file(path);
  if (!file) return std::nullopt;
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

std::optional<uint64_t> ReadProcNumber(const std::string& path) {
  std::optional<std::string> text = ReadProcFile(path);
  uint64_t number = 0;
  if (!text ||
      std::from_chars(text->data(), text->data() + text->size(), number).ec != std::errc()) {
    return std::nullopt;
  }
  return number;
}

StatusOr<std::map<int, ProcessStat>> ReadProcessTrees(const std::vector<int>& pids) {
  const std::map<int, ProcessStat> stats = ReadAllStats();
  std::multimap<int, int> children;
  for (const auto& [pid, stat] : stats) children.emplace(stat.parent, pid);
  std::map<int, ProcessStat> trees;
  std::vector<int> todo = pids;
  while (!todo.empty()) {
    int pid = todo.back();
    todo.pop_back();
    auto found = stats.find(pid);
    if (found == stats.end()) {
      return MakeStatus(StatusCode::kNotFound, "no process " + std::to_string(pid) + " runs");
    }
    if (!trees.insert(*found).second) continue;  // both it and one above it were named
    auto [begin, end] = children.equal_range(pid);
    for (auto child = begin; child != end; ++child) todo.push_back(child->second);
  }
  return trees;
}

}  // namespace poplar::load
