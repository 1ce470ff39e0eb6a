// The long run, and the replay of one seed:
//
//   simulator --seed N [--trace] [--log]    one life; --trace prints every step
//   simulator --seeds A B                   each from A up to B
//   simulator --seconds N | --minutes N     fresh seeds for so long
//   simulator --seeds A B --seconds N       the seeds from A for half of the time, then fresh ones
//   … --lives-min N                         of either kind no fewer, however long that takes
//
// Each life is a process of its own, so that one that fails or crashes is named, and the rest goes
// on. The exit code is 1 when any failed, or too few lived.

#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "core/base/log.h"
#include "tests/sim/simulator.h"

namespace poplar::sim {
namespace {

using Clock = std::chrono::steady_clock;

struct Arguments {
  uint64_t first = 0;
  uint64_t last = 0;
  uint64_t seconds = 0;
  uint64_t lives_min = 0;
  bool trace = false;
  bool log = false;
  bool leaps = true;
};

int Usage() {
  std::fprintf(stderr,
               "simulator --seed N [--trace] [--log] | --seeds A B | --seconds N | --minutes N\n"
               "  --no-leaps: no days pass at once\n"
               "  --lives-min N: no fewer seeds, fixed and fresh, however long that takes\n");
  return 2;
}

bool Parse(int count, char** words, Arguments* arguments) {
  const auto number = [&](int at) {
    return at < count ? std::strtoull(words[at], nullptr, 10) : uint64_t{0};
  };
  for (int i = 1; i < count; ++i) {
    const std::string word = words[i];
    if (word == "--seed") {
      arguments->first = arguments->last = number(++i);
    } else if (word == "--seeds") {
      arguments->first = number(++i);
      arguments->last = number(++i);
    } else if (word == "--seconds") {
      arguments->seconds = number(++i);
    } else if (word == "--minutes") {
      arguments->seconds = 60 * number(++i);
    } else if (word == "--lives-min") {
      arguments->lives_min = number(++i);
    } else if (word == "--no-leaps") {
      arguments->leaps = false;
    } else if (word == "--trace") {
      arguments->trace = true;
    } else if (word == "--log") {
      arguments->log = true;
    } else {
      return false;
    }
  }
  return arguments->seconds > 0 || arguments->last > 0;
}

void Live(uint64_t seed, const Arguments& arguments) {
  base::LogOptions log;
  log.level = arguments.log ? base::LogLevel::kInfo : base::LogLevel::kNone;
  base::StartLog(log);
  const SimulatorResult result = Simulator({seed, arguments.trace, arguments.leaps}).Run();
  base::StopLog();
  if (arguments.first != arguments.last || arguments.seconds > 0) return;
  std::printf("seed %lu: %lu steps, trace %016lx", seed, result.steps, result.trace_hash);
  const ClientCounts& clients = result.clients;
  const std::pair<const char*, uint64_t> counts[] = {
      {"runs", result.runs},
      {"cuts", result.cuts},
      {"faults", result.faults},
      {"damages", result.damages},
      {"stored", clients.stored},
      {"refused", clients.refused},
      {"sessions", clients.sessions},
      {"bodies", clients.bodies},
      {"commits", clients.commits},
      {"removals", clients.removals},
      {"imported", clients.imported},
      {"there already", clients.already_there},
      {"over quota", clients.over_quota},
      {"brought back", clients.restored},
      {"damaged lists", result.damaged_lists},
      {"snapshots", result.snapshots},
      {"incomplete ones", result.incomplete_snapshots},
      {"expired", result.expired},
      {"purged", result.purged},
      {"found by the scrub", result.scrub_finds}};
  for (const auto& [what, count] : counts) std::printf(", %lu %s", count, what);
  std::printf("\n");
}

// True: as it must be.
bool LiveInProcess(uint64_t seed, const Arguments& arguments) {
  std::fflush(nullptr);
  const pid_t child = fork();
  if (child == 0) {
    Live(seed, arguments);
    std::exit(0);
  }
  int status = 0;
  if (child < 0 || waitpid(child, &status, 0) != child) std::abort();
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return true;
  std::printf("FAILED: --seed %lu%s (%s %d)\n", seed, arguments.leaps ? "" : " --no-leaps",
              WIFSIGNALED(status) ? "signal" : "exit code",
              WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
  return false;
}

class Lives {
 public:
  explicit Lives(const Arguments& arguments) : arguments_(arguments) {}

  // Seeds from `first` up to `last`, until `end`, but not before there were enough.
  void Run(uint64_t first, uint64_t last, Clock::time_point end) {
    uint64_t lived = 0;
    for (uint64_t seed = first; seed <= last; ++seed) {
      if (lived >= arguments_.lives_min && Clock::now() >= end) break;
      if (failed_.size() == kFailedMax) break;
      if (!LiveInProcess(seed, arguments_)) failed_.push_back(seed);
      ++lived;
    }
    count_ += lived;
    too_few_ = too_few_ || lived == 0 || lived < arguments_.lives_min;
  }

  int Result() const {
    std::printf("%lu lives, %zu failed", count_, failed_.size());
    for (const uint64_t each : failed_) std::printf(" %lu", each);
    std::printf("%s\n", too_few_ ? ", which are too few" : "");
    return failed_.empty() && !too_few_ ? 0 : 1;
  }

 private:
  static constexpr size_t kFailedMax = 20;  // More tell nothing new.

  const Arguments& arguments_;
  uint64_t count_ = 0;
  bool too_few_ = false;
  std::vector<uint64_t> failed_;
};

int Run(const Arguments& arguments) {
  Lives lives(arguments);
  const auto began = Clock::now();
  const auto whole = std::chrono::seconds(arguments.seconds);
  const bool timed = arguments.seconds > 0;
  if (arguments.last > 0) {
    lives.Run(arguments.first, arguments.last,
              timed ? began + whole / 2 : Clock::time_point::max());
  }
  if (timed) {
    const uint64_t fresh = std::random_device()();
    std::printf("fresh seeds from %lu\n", fresh);
    lives.Run(fresh, UINT64_MAX, began + whole);
  }
  return lives.Result();
}

}  // namespace
}  // namespace poplar::sim

int main(int count, char** words) {
  std::setvbuf(stdout, nullptr, _IOLBF, BUFSIZ);
  poplar::sim::Arguments arguments;
  if (!poplar::sim::Parse(count, words, &arguments)) return poplar::sim::Usage();
  return poplar::sim::Run(arguments);
}
