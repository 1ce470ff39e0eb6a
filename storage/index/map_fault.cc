#include "storage/index/map_fault.h"

#include <csetjmp>
#include <csignal>
#include <cstdlib>

#include "core/base/check.h"

namespace poplar::storage {
namespace {

// Where this thread goes on if it faults. Null: in no guarded call.
thread_local sigjmp_buf* way_out = nullptr;

struct sigaction bus_before{};
struct sigaction segv_before{};

// A fault comes on the thread that made it, and in a guarded call it is C code's that reads a map.
void OnFault(int number, siginfo_t* info, void* /*context*/) {
  if (way_out != nullptr && info->si_code > 0) siglongjmp(*way_out, 1);
  // Whoever had it before, or the system, says what becomes of it: the fault comes again.
  ::sigaction(number, number == SIGBUS ? &bus_before : &segv_before, nullptr);
  if (info->si_code <= 0) ::raise(number);  // Somebody sent it.
}

void Install() {
  struct sigaction action{};
  action.sa_sigaction = OnFault;
  // NODEFER: the way out does not come back, and leaves the signals as they were.
  action.sa_flags = SA_SIGINFO | SA_NODEFER;
  ::sigemptyset(&action.sa_mask);
  ::sigaction(SIGBUS, &action, &bus_before);
  ::sigaction(SIGSEGV, &action, &segv_before);
}

}  // namespace

bool RunGuarded(absl::FunctionRef<void()> call) {
  static const bool installed = (Install(), true);
  POP_CHECK(installed && way_out == nullptr);
  sigjmp_buf here;
  if (sigsetjmp(here, 0) != 0) {
    way_out = nullptr;
    return false;
  }
  way_out = &here;
  call();
  way_out = nullptr;
  return true;
}

void GiveUp() {
  if (way_out != nullptr) siglongjmp(*way_out, 1);
}

}  // namespace poplar::storage
