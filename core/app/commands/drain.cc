#include "core/app/commands/drain.h"

#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>

#include "core/app/commands/ask_server.h"
#include "core/app/progress_bar.h"
#include "core/base/fd.h"

namespace poplar::app {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr milliseconds kLook{1'000};  // Each look is a line in the server's log.
constexpr uint32_t kLookTimeoutMs = 2'000;
// What the store may take to close beyond the limit of the sessions, before the command gives up.
constexpr std::chrono::seconds kCloseLimit{300};

struct DrainState {
  pid_t pid = 0;
  uint64_t connections = 0;
  uint64_t elapsed_ms = 0;
  uint64_t limit_s = 0;
};

StatusOr<DrainState> Ask(const tenant::Config& config, const char* command, uint32_t timeout_ms) {
  const auto answer = AskServer(config, command, nlohmann::json::object(), timeout_ms);
  if (!answer.ok()) return answer.status();
  DrainState state;
  state.pid = answer->value("pid", pid_t{0});
  state.connections = answer->value("connections", uint64_t{0});
  state.elapsed_ms = answer->value("elapsed_ms", uint64_t{0});
  state.limit_s = answer->value("limit_s", uint64_t{0});
  return state;
}

std::string SecondsText(milliseconds time) {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%.1f s", static_cast<double>(time.count()) / 1000);
  return text.data();
}

// The process that was asked to end. One of another PID namespace (a container's, asked through a
// socket on a shared volume) is not seen from here: then it has ended when nobody answers any more.
class EndingProcess {
 public:
  // By number: glibc 2.36 declares its function for C only.
  explicit EndingProcess(pid_t pid)
      : descriptor_(static_cast<int>(syscall(SYS_pidfd_open, pid, 0))) {}

  // Waits up to kLook. `answers`: its admin socket did, just now.
  bool WaitForEnd(bool answers) const {
    if (!descriptor_.valid()) {
      if (answers) std::this_thread::sleep_for(kLook);
      return !answers;
    }
    pollfd ended{descriptor_.get(), POLLIN, 0};
    return poll(&ended, 1, static_cast<int>(kLook.count())) > 0;
  }

 private:
  const base::UniqueFd descriptor_;
};

ExitCode Tell(const DrainState& begun, milliseconds took, bool as_json, Console& console) {
  const bool limit_reached = took >= std::chrono::seconds(begun.limit_s);
  if (as_json) {
    console.out << nlohmann::json{{"pid", begun.pid},
                                  {"connections", begun.connections},
                                  {"took_ms", took.count()},
                                  {"limit_reached", limit_reached}}
                       .dump(2)
                << '\n';
    return ExitCode::kOk;
  }
  console.out << "Drained in " << SecondsText(took) << "; the server has ended.\n";
  if (limit_reached) {
    console.out
        << "That is the limit (server.drain_limit_s) or more: what was left then was cut, and "
           "`drain_cut` in the log says how many.\n";
  }
  return ExitCode::kOk;
}

}  // namespace

ExitCode Drain(const DrainOptions& options, const tenant::Config& config, Console& console) {
  const auto begun = Ask(config, "drain", kAskTimeoutMs);
  if (!begun.ok()) return Fail(console, begun.status());
  const EndingProcess process(begun->pid);
  const auto start = Clock::now();
  const auto took = [&] { return std::chrono::duration_cast<milliseconds>(Clock::now() - start); };
  const milliseconds patience = std::chrono::seconds(begun->limit_s) + kCloseLimit;
  ProgressBar bar(console.err, !options.json && ErrorIsTerminal());
  while (took() < patience) {
    const auto state = Ask(config, "drain.state", kLookTimeoutMs);
    // Another process may answer already, where the service manager starts one at once.
    const bool answers = state.ok() && state->pid == begun->pid;
    const double share = static_cast<double>(took().count()) /
                         (1000.0 * static_cast<double>(std::max<uint64_t>(begun->limit_s, 1)));
    bar.Update(share, answers
                          ? std::to_string(state->connections) + " connections, " +
                                SecondsText(took()) + " of " + std::to_string(begun->limit_s) + " s"
                          : "closing the store");
    if (process.WaitForEnd(answers)) {
      bar.Clear();
      return Tell(*begun, took(), options.json, console);
    }
  }
  bar.Clear();
  return Fail(console, ExitCode::kTemporary,
              "the server (process " + std::to_string(begun->pid) + ") still ends, after " +
                  SecondsText(took()) + "; the log says what it waits for");
}

}  // namespace poplar::app
