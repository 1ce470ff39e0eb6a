#include "auth/remote/host_spawner.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <fstream>
#include <thread>

#include "auth/host/auth_host.h"

extern char** environ;

namespace poplar::auth {
namespace {

// Between the end of a process's socket and its own.
constexpr uint32_t kEndWaitMs = 1'000;

class FileActions {
 public:
  FileActions() { ::posix_spawn_file_actions_init(&actions_); }
  FileActions(const FileActions&) = delete;
  FileActions& operator=(const FileActions&) = delete;
  ~FileActions() { ::posix_spawn_file_actions_destroy(&actions_); }
  bool Give(int fd, int as) { return ::posix_spawn_file_actions_adddup2(&actions_, fd, as) == 0; }
  const posix_spawn_file_actions_t* get() const { return &actions_; }

 private:
  posix_spawn_file_actions_t actions_{};
};

// Signals that this process blocks or ignores are the child's to decide.
class SpawnAttributes {
 public:
  SpawnAttributes() {
    ::posix_spawnattr_init(&attributes_);
    sigset_t none, defaults;
    ::sigemptyset(&none);
    ::sigfillset(&defaults);
    ::posix_spawnattr_setsigmask(&attributes_, &none);
    ::posix_spawnattr_setsigdefault(&attributes_, &defaults);
    ::posix_spawnattr_setflags(&attributes_, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  }
  SpawnAttributes(const SpawnAttributes&) = delete;
  SpawnAttributes& operator=(const SpawnAttributes&) = delete;
  ~SpawnAttributes() { ::posix_spawnattr_destroy(&attributes_); }
  const posix_spawnattr_t* get() const { return &attributes_; }

 private:
  posix_spawnattr_t attributes_{};
};

}  // namespace

StatusOr<pid_t> DirectSpawner::Start(const std::string& plugin,
                                     std::span<const base::UniqueFd> sockets) {
  FileActions actions;
  // Far away from the descriptors that the child shall find its own at.
  const int beyond = kAuthHostControlFd + static_cast<int>(sockets.size());
  std::vector<base::UniqueFd> moved;
  for (const base::UniqueFd& socket : sockets) {
    moved.emplace_back(::fcntl(socket.get(), F_DUPFD_CLOEXEC, beyond));
    if (!moved.back().valid()) return ErrnoStatus(errno, "fcntl");
    const int place = kAuthHostControlFd + static_cast<int>(moved.size()) - 1;
    if (!actions.Give(moved.back().get(), place)) {
      return MakeStatus(StatusCode::kUnavailable, "no memory to start an auth host");
    }
  }
  const std::string shards = std::to_string(sockets.size() - 1);
  std::vector<const char*> words{options_.executable.c_str(), "auth-host", "--shards",
                                 shards.c_str(), plugin.c_str()};
  if (const auto found = options_.arguments.find(plugin); found != options_.arguments.end()) {
    for (const std::string& word : found->second) words.push_back(word.c_str());
  }
  words.push_back(nullptr);
  const SpawnAttributes attributes;
  pid_t pid = -1;
  const int fault =
      ::posix_spawn(&pid, options_.executable.c_str(), actions.get(), attributes.get(),
                    const_cast<char* const*>(words.data()), environ);
  if (fault != 0) return ErrnoStatus(fault, "starting an auth host");
  return pid;
}

void DirectSpawner::Kill(pid_t pid) { ::kill(pid, SIGKILL); }

void DirectSpawner::End(pid_t pid) {
  Kill(pid);
  while (::waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
  }
}

std::optional<int> DirectSpawner::WaitStatus(pid_t pid) {
  int status = 0;
  pid_t ended = 0;
  for (uint32_t waited_ms = 0; ended == 0 && waited_ms < kEndWaitMs; ++waited_ms) {
    if (waited_ms > 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    ended = ::waitpid(pid, &status, WNOHANG);
  }
  return ended == pid ? std::optional<int>(status) : std::nullopt;
}

uint64_t DirectSpawner::ResidentBytes(pid_t pid) {
  std::ifstream statm("/proc/" + std::to_string(pid) + "/statm");
  uint64_t pages_in_all = 0, resident = 0, shared = 0;
  if (!(statm >> pages_in_all >> resident >> shared) || shared > resident) return 0;
  return (resident - shared) * static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
}

}  // namespace poplar::auth
