#include "auth/remote/host_process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <fstream>
#include <thread>
#include <utility>

#include "auth/host/auth_host.h"
#include "core/base/clock.h"

extern char** environ;

namespace poplar::auth {
namespace {

// Between the end of a process's socket and its own.
constexpr uint32_t kEndWaitMs = 1'000;

Status Gone() { return MakeStatus(StatusCode::kUnavailable, "the auth host has ended"); }

// Far away from the descriptors that the child shall find its own at.
StatusOr<std::pair<base::UniqueFd, base::UniqueFd>> MakeSocketPair(int beyond) {
  int pair[2];
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0) {
    return ErrnoStatus(errno, "socketpair");
  }
  base::UniqueFd ours(pair[0]), theirs(pair[1]);
  base::UniqueFd moved(::fcntl(theirs.get(), F_DUPFD_CLOEXEC, beyond));
  if (!moved.valid()) return ErrnoStatus(errno, "fcntl");
  return std::pair(std::move(ours), std::move(moved));
}

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

StatusOr<std::unique_ptr<HostProcess>> HostProcess::Start(const HostProcessOptions& options) {
  std::unique_ptr<HostProcess> host(new HostProcess());
  POP_RETURN_IF_ERROR(host->Spawn(options));
  host->end_.emplace(options.stop, [pid = host->pid_] { ::kill(pid, SIGKILL); });
  POP_RETURN_IF_ERROR(
      Send(host->control_, Encode(LoadFrame{.path = options.plugin,
                                            .threads = options.threads,
                                            .instance_calls_max = options.instance_calls_max})));
  POP_ASSIGN_OR_RETURN(const base::Secret answer,
                       host->Receive(host->control_, options.start_timeout_ms));
  if (!Decode(answer.Reveal(), host->loaded_)) return Gone();
  if (!host->loaded_.fault.empty()) {
    return MakeStatus(StatusCode::kInvalidArgument, host->loaded_.fault);
  }
  return host;
}

Status HostProcess::Spawn(const HostProcessOptions& options) {
  const int beyond = kAuthHostControlFd + 1 + static_cast<int>(options.shards);
  FileActions actions;
  std::vector<base::UniqueFd> theirs;
  for (uint32_t i = 0; i <= options.shards; ++i) {  // The first is for control.
    POP_ASSIGN_OR_RETURN(auto pair, MakeSocketPair(beyond));
    if (!actions.Give(pair.second.get(), kAuthHostControlFd + static_cast<int>(i))) {
      return MakeStatus(StatusCode::kUnavailable, "no memory to start an auth host");
    }
    theirs.push_back(std::move(pair.second));
    if (i == 0) {
      control_ = std::move(pair.first);
    } else {
      shard_sockets_.push_back(std::move(pair.first));
    }
  }
  const std::string shards = std::to_string(options.shards);
  // The plug-in's path is for those who look at the process table: the host reads it elsewhere.
  std::array<const char*, 6> arguments{
      options.executable.c_str(), "auth-host", "--shards", shards.c_str(),
      options.plugin.c_str(),     nullptr};
  const SpawnAttributes attributes;
  const int fault =
      ::posix_spawn(&pid_, options.executable.c_str(), actions.get(), attributes.get(),
                    const_cast<char* const*>(arguments.data()), environ);
  if (fault == 0) return OkStatus();
  pid_ = -1;
  return ErrnoStatus(fault, "starting an auth host");
}

HostProcess::~HostProcess() {
  end_.reset();  // Before its number may be another's.
  if (pid_ <= 0 || reaped_) return;
  ::kill(pid_, SIGKILL);
  while (::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
  }
}

Status HostProcess::Send(const base::UniqueFd& socket, const StatusOr<base::Secret>& frame) {
  if (!frame.ok()) return frame.status();
  const std::string_view bytes = frame->Reveal();
  while (::send(socket.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL) < 0) {
    if (errno != EINTR) return Gone();
  }
  return OkStatus();
}

StatusOr<base::Secret> HostProcess::Receive(const base::UniqueFd& socket, uint32_t timeout_ms) {
  const base::Clock& clock = base::SystemClock();
  const uint64_t end_us = clock.MonotonicUs() + uint64_t{timeout_ms} * 1000;
  std::vector<char> packet(kFrameBytesMax);
  while (true) {
    const uint64_t now_us = clock.MonotonicUs();
    if (now_us >= end_us) {
      return MakeStatus(StatusCode::kUnavailable, "the auth host does not answer");
    }
    pollfd waited{.fd = socket.get(), .events = POLLIN, .revents = 0};
    if (::poll(&waited, 1, static_cast<int>((end_us - now_us + 999) / 1000)) <= 0) continue;
    const ssize_t got = ::recv(socket.get(), packet.data(), packet.size(), MSG_DONTWAIT);
    if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR)) return Gone();
    if (got < 0) continue;
    const std::string_view bytes(packet.data(), static_cast<size_t>(got));
    LogFrame log;
    if (!Decode(bytes, log)) return base::Secret(bytes);
    if (logs_.size() < kPluginLinesKeptMax) {
      logs_.push_back(std::move(log));
    } else {
      ++logs_left_out_;
    }
  }
}

Status HostProcess::Open(uint32_t instance, const PluginSettings& settings, uint32_t timeout_ms) {
  OpenFrame open;
  open.instance = instance;
  open.settings = settings;
  POP_RETURN_IF_ERROR(Send(control_, Encode(open)));
  POP_ASSIGN_OR_RETURN(const base::Secret answer, Receive(control_, timeout_ms));
  OpenedFrame opened;
  if (!Decode(answer.Reveal(), opened) || opened.instance != instance) return Gone();
  if (opened.fault.empty()) return OkStatus();
  return MakeStatus(StatusCode::kInvalidArgument, opened.fault);
}

StatusOr<AnswerFrame> HostProcess::Ask(const QuestionFrame& question, uint32_t timeout_ms) {
  const base::UniqueFd& socket = shard_sockets_.front();
  POP_RETURN_IF_ERROR(Send(socket, Encode(question)));
  POP_ASSIGN_OR_RETURN(const base::Secret bytes, Receive(socket, timeout_ms));
  AnswerFrame answer;
  if (!Decode(bytes.Reveal(), answer) || answer.id != question.id) return Gone();
  return answer;
}

bool HostProcess::TakeLogs(const LogSink& sink) {
  for (const LogFrame& frame : std::exchange(logs_, {})) sink(frame);
  if (const uint64_t count = std::exchange(logs_left_out_, 0); count > 0) sink({.left_out = count});
  std::vector<char> packet(kFrameBytesMax);
  for (size_t i = 0; i < kPluginLinesALookMax; ++i) {
    const ssize_t got = ::recv(control_.get(), packet.data(), packet.size(), MSG_DONTWAIT);
    if (got <= 0) return got < 0 && (errno == EAGAIN || errno == EINTR);
    LogFrame frame;
    if (Decode({packet.data(), static_cast<size_t>(got)}, frame)) sink(frame);
  }
  return true;
}

std::string HostProcess::HowItEnded() {
  end_.reset();
  int status = 0;
  pid_t ended = 0;
  for (uint32_t waited_ms = 0; ended == 0 && waited_ms < kEndWaitMs; ++waited_ms) {
    if (waited_ms > 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    ended = ::waitpid(pid_, &status, WNOHANG);
  }
  if (ended != pid_) return "it closed its socket";
  reaped_ = true;
  if (!WIFSIGNALED(status)) {
    return "it ended with exit code " + std::to_string(WEXITSTATUS(status));
  }
  const int signal = WTERMSIG(status);
  const char* const name = ::sigdescr_np(signal);
  return "it was ended by signal " + std::to_string(signal) + " (" +
         (name == nullptr ? "unknown" : name) + ")";
}

uint64_t HostProcess::resident_bytes() const {
  std::ifstream statm("/proc/" + std::to_string(pid_) + "/statm");
  uint64_t pages_in_all = 0, resident = 0, shared = 0;
  if (!(statm >> pages_in_all >> resident >> shared) || shared > resident) return 0;
  return (resident - shared) * static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
}

}  // namespace poplar::auth
