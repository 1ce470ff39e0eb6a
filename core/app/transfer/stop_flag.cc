#include "core/app/transfer/stop_flag.h"

#include <signal.h>

#include <atomic>

namespace poplar::app {
namespace {

std::atomic<bool> g_raised{false};
static_assert(std::atomic<bool>::is_always_lock_free);

void Raise(int /*number*/) { g_raised.store(true); }

}  // namespace

void StopFlag::Install() {
  signal(SIGPIPE, SIG_IGN);
  struct sigaction action{};
  action.sa_handler = &Raise;
  action.sa_flags = static_cast<int>(SA_RESETHAND);
  for (const int number : {SIGINT, SIGTERM}) sigaction(number, &action, nullptr);
}

bool StopFlag::raised() { return g_raised.load(); }

}  // namespace poplar::app
