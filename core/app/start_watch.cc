#include "core/app/start_watch.h"

#include <signal.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include <chrono>

#include "core/app/exit_code.h"
#include "core/base/log.h"

namespace poplar::app {
namespace {

constexpr std::chrono::milliseconds kSignalLook{50};

bool IsToldToEnd() {
  sigset_t waiting;
  sigpending(&waiting);
  return sigismember(&waiting, SIGTERM) == 1 || sigismember(&waiting, SIGINT) == 1;
}

[[noreturn]] void EndProcess() {
  sd_notify(0, "STOPPING=1");
  base::Log(base::LogLevel::kInfo, "stopped",
            {{"ok", true}, {"reason", "told to while it was starting"}});
  base::LeaveLog();
  // Other threads go on to the last: nothing of theirs is destroyed.
  _exit(static_cast<int>(ExitCode::kOk));
}

}  // namespace

void StartWatch::End() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  ending_changed_.notify_one();
  if (thread_.joinable()) thread_.join();
}

void StartWatch::Run() {
  std::unique_lock lock(mutex_);
  while (!ending_) {
    if (IsToldToEnd()) EndProcess();
    ending_changed_.wait_for(lock, kSignalLook, [this] { return ending_; });
  }
}

}  // namespace poplar::app
