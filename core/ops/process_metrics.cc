#include "core/ops/process_metrics.h"

#include <dirent.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <array>
#include <fstream>
#include <limits>
#include <memory>
#include <sstream>
#include <string>
#include <utility>

#include "core/base/log.h"
#include "core/base/recent_faults.h"

namespace poplar::ops {
namespace {

using base::MetricRegistry;
using Kind = MetricRegistry::Kind;

// The fields of /proc/self/stat that follow the command's name, which may itself hold blanks and
// parentheses: field 3 of proc(5) is the first here.
std::array<uint64_t, 22> StatFields() {
  std::array<uint64_t, 22> fields{};
  std::ifstream file("/proc/self/stat");
  std::string line;
  std::getline(file, line);
  const size_t end_of_name = line.rfind(") ");
  if (end_of_name == std::string::npos) return fields;
  std::istringstream rest(line.substr(end_of_name + 2));
  std::string field;
  for (size_t i = 0; i < fields.size() && rest >> field; ++i)
    fields[i] = std::strtoull(field.c_str(), nullptr, 10);
  return fields;
}

constexpr size_t kFirstField = 3;
constexpr size_t kNumThreads = 20 - kFirstField;
constexpr size_t kStartTicks = 22 - kFirstField;
constexpr size_t kVirtualBytes = 23 - kFirstField;
constexpr size_t kResidentPages = 24 - kFirstField;

double TimeSeconds(clockid_t clock) {
  timespec time{};
  clock_gettime(clock, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}

// The start is told in ticks since the machine's own.
double StartTimeSeconds() {
  const double age_s =
      TimeSeconds(CLOCK_BOOTTIME) -
      static_cast<double>(StatFields()[kStartTicks]) / static_cast<double>(sysconf(_SC_CLK_TCK));
  return TimeSeconds(CLOCK_REALTIME) - age_s;
}

double OpenFds() {
  // From 6.2 on the kernel says how many: walking through 18,000 takes milliseconds of a core that
  // may be a shard's, each time that somebody asks for the metrics.
  struct stat told{};
  if (::stat("/proc/self/fd", &told) == 0 && told.st_size > 0) {
    return static_cast<double>(told.st_size);
  }
  const std::unique_ptr<DIR, int (*)(DIR*)> folder(opendir("/proc/self/fd"), &closedir);
  if (folder == nullptr) return std::numeric_limits<double>::quiet_NaN();
  int entries = 0;
  while (readdir(folder.get()) != nullptr) ++entries;
  constexpr int kNotOurs = 3;  // ".", ".." and the one that this function opened.
  return entries - kNotOurs;
}

double MaxFds() {
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  return static_cast<double>(limit.rlim_cur);
}

}  // namespace

void RegisterProcessMetrics(MetricRegistry& registry, std::string_view version) {
  const double page_bytes = static_cast<double>(sysconf(_SC_PAGESIZE));
  registry.AddComputed(Kind::kGauge, [] { return 1.0; }, "poplar_build_info",
                       "The version that runs.",
                       {{"version", std::string(version)}, {"compiler", __VERSION__}});
  registry.AddComputed(
      Kind::kCounter, [] { return static_cast<double>(base::LogLinesLost()); },
      "poplar_log_lines_lost_total", "Log lines lost because the log's queue was full.");
  for (const auto& [level, name] : {std::pair(base::LogLevel::kWarning, "warning"),
                                    std::pair(base::LogLevel::kError, "error")}) {
    registry.AddComputed(
        Kind::kCounter, [level] { return static_cast<double>(base::FaultsLogged(level)); },
        "poplar_log_events_total", "Warnings and errors, whether or not the log's level has them.",
        {{"level", name}});
  }
  registry.AddComputed(
      Kind::kCounter, [] { return TimeSeconds(CLOCK_PROCESS_CPUTIME_ID); },
      "process_cpu_seconds_total", "User and system CPU time.");
  registry.AddComputed(
      Kind::kGauge,
      [page_bytes] { return static_cast<double>(StatFields()[kResidentPages]) * page_bytes; },
      "process_resident_memory_bytes", "Resident memory.");
  registry.AddComputed(
      Kind::kGauge, [] { return static_cast<double>(StatFields()[kVirtualBytes]); },
      "process_virtual_memory_bytes", "Virtual memory.");
  registry.AddComputed(
      Kind::kGauge, [] { return static_cast<double>(StatFields()[kNumThreads]); },
      "process_threads", "Threads.");
  registry.AddComputed(Kind::kGauge, &OpenFds, "process_open_fds", "Open file descriptors.");
  registry.AddComputed(Kind::kGauge, &MaxFds, "process_max_fds",
                       "File descriptors that may be open.");
  registry.AddComputed(
      Kind::kGauge, [start_s = StartTimeSeconds()] { return start_s; },
      "process_start_time_seconds", "When the process started, in seconds since 1970.");
}

}  // namespace poplar::ops
