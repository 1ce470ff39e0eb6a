#include "bench/load/server_memory.h"

#include <sys/stat.h>

#include <charconv>
#include <filesystem>
#include <iterator>
#include <map>
#include <sstream>

#include "bench/load/proc.h"
#include "core/base/units.h"

namespace poplar::load {
namespace {

std::vector<int> ProcessesOf(const std::string& cgroup) {
  std::istringstream text(ReadProcFile(cgroup + "/cgroup.procs").value_or(""));
  return {std::istream_iterator<int>(text), std::istream_iterator<int>()};
}

std::optional<uint64_t> MemoryOf(const std::string& cgroup) {
  std::optional<uint64_t> bytes = ReadProcNumber(cgroup + "/memory.current");  // v2
  return bytes ? bytes : ReadProcNumber(cgroup + "/memory.usage_in_bytes");    // v1
}

std::optional<uint64_t> DescriptorsOf(int pid) {
  const std::string folder = "/proc/" + std::to_string(pid) + "/fd";
  struct stat told{};  // From 6.2 on the kernel says how many; before, its size is 0.
  if (::stat(folder.c_str(), &told) == 0 && told.st_size > 0) {
    return static_cast<uint64_t>(told.st_size);
  }
  std::error_code error;
  std::filesystem::directory_iterator entry(folder, error);
  uint64_t count = 0;
  for (; !error && entry != std::filesystem::directory_iterator(); entry.increment(error)) ++count;
  if (error == std::errc::no_such_file_or_directory) return 0;  // it has just ended
  if (error) return std::nullopt;
  return count;
}

}  // namespace

std::optional<uint64_t> ParseRssAnon(std::string_view status) {
  constexpr std::string_view kName = "\nRssAnon:";
  size_t place = status.find(kName);
  if (place == std::string_view::npos) return std::nullopt;
  std::string_view rest = status.substr(place + kName.size());
  size_t first = rest.find_first_not_of(" \t");
  if (first == std::string_view::npos) return std::nullopt;
  rest.remove_prefix(first);
  uint64_t kib = 0;
  auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), kib);
  rest.remove_prefix(static_cast<size_t>(end - rest.data()));
  if (error != std::errc() || !rest.starts_with(" kB")) return std::nullopt;
  return kib * kKiB;
}

StatusOr<ServerMemory> ReadServerMemory(const std::vector<int>& pids, const std::string& cgroup) {
  std::vector<int> processes = pids;
  if (pids.empty()) {
    processes = ProcessesOf(cgroup);
  } else {
    using Trees = std::map<int, ProcessStat>;
    POP_ASSIGN_OR_RETURN(const Trees trees, ReadProcessTrees(pids));
    processes.clear();
    for (const auto& [pid, stat] : trees) processes.push_back(pid);
  }
  ServerMemory memory{.anon_bytes = 0, .descriptors = 0, .group_bytes = std::nullopt};
  for (int pid : processes) {
    std::optional<std::string> status = ReadProcFile("/proc/" + std::to_string(pid) + "/status");
    memory.anon_bytes += ParseRssAnon(status.value_or("")).value_or(0);
    std::optional<uint64_t> descriptors = DescriptorsOf(pid);
    if (!descriptors) memory.descriptors.reset();
    if (memory.descriptors) *memory.descriptors += *descriptors;
  }
  if (!cgroup.empty()) memory.group_bytes = MemoryOf(cgroup);
  return memory;
}

}  // namespace poplar::load
