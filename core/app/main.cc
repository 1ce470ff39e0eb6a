// The composition root of the poplar command: hands the command line what only this binary knows.

#include <fcntl.h>
#include <unistd.h>

#include <csignal>

#include "core/app/auth_backends.h"
#include "core/app/cli.h"
#include "core/app/serve.h"
#include "core/app/store_commands.h"

namespace {

// A socket or a file of the store that had one of these numbers would get what is printed and
// logged.
void OpenStandardDescriptors() {
  while (true) {
    const int fd = open("/dev/null", O_RDWR);
    if (fd < 0) return;
    if (fd > 2) {
      close(fd);
      return;
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  OpenStandardDescriptors();
  // A write beyond the limit of a file's size fails as one to a full disk does, and is answered so.
  signal(SIGXFSZ, SIG_IGN);
  const poplar::app::Wiring wiring{.init_store = &poplar::app::InitStore,
                                   .look_at_store = &poplar::app::LookAtStore,
                                   .store_reserve_bytes = &poplar::app::StoreReserveBytes,
                                   .store = {.verify = &poplar::app::VerifyStore,
                                             .stats = &poplar::app::StoreStats,
                                             .compact = &poplar::app::CompactStore,
                                             .dump_segment = &poplar::app::DumpSegment,
                                             .dump_maildrop = &poplar::app::DumpMaildrop,
                                             .rebuild_index = &poplar::app::RebuildIndex,
                                             .upgrade = &poplar::app::UpgradeStore,
                                             .snapshot = &poplar::app::SnapshotStore},
                                   .serve = &poplar::app::RunServer,
                                   .check_backends = &poplar::app::CheckBackends,
                                   .knows_addresses = &poplar::app::BackendKnowsAddresses,
                                   .warn_of_host_threads = &poplar::app::WarnOfHostThreads,
                                   .warn_of_penalties = &poplar::app::WarnOfPenalties,
                                   .auth_host = &poplar::app::RunPlugin,
                                   .serve_privately = &poplar::app::ServePrivately};
  poplar::app::Console console = poplar::app::ProcessConsole();
  return static_cast<int>(poplar::app::RunCli(argc, argv, wiring, console));
}
