#include "auth/remote/host_process.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "auth/host/auth_host.h"
#include "core/base/clock.h"

namespace poplar::auth {
namespace {

Status Gone() { return MakeStatus(StatusCode::kUnavailable, "the auth host has ended"); }

}  // namespace

StatusOr<std::unique_ptr<HostProcess>> HostProcess::Start(const HostProcessOptions& options) {
  std::unique_ptr<HostProcess> host(new HostProcess(*options.spawner));
  POP_RETURN_IF_ERROR(host->Spawn(options));
  host->end_.emplace(options.stop, [raw = host.get()] { raw->spawner_.Kill(raw->pid_); });
  POP_RETURN_IF_ERROR(
      Send(host->control_, Encode(LoadFrame{.threads = options.threads,
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
  std::vector<base::UniqueFd> theirs;
  for (uint32_t i = 0; i <= options.shards; ++i) {  // The first is for control.
    int pair[2];
    if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0) {
      return ErrnoStatus(errno, "socketpair");
    }
    theirs.emplace_back(pair[1]);
    if (i == 0) {
      control_ = base::UniqueFd(pair[0]);
    } else {
      shard_sockets_.emplace_back(pair[0]);
    }
  }
  POP_ASSIGN_OR_RETURN(pid_, spawner_.Start(options.plugin, theirs));
  return OkStatus();
}

HostProcess::~HostProcess() {
  end_.reset();  // Before its number may be another's.
  if (pid_ > 0 && !reaped_) spawner_.End(pid_);
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

HostEnd HostProcess::HowItEnded() {
  end_.reset();
  const std::optional<int> ended = spawner_.WaitStatus(pid_);
  if (!ended.has_value()) return {.why = "it closed its socket"};
  reaped_ = true;
  const int status = *ended;
  if (!WIFSIGNALED(status)) {
    const int code = WEXITSTATUS(status);
    if (code == kAuthHostOutdated) {
      return {.why = "a file that it reads was replaced", .outdated = true};
    }
    return {.why = "it ended with exit code " + std::to_string(code)};
  }
  const int signal = WTERMSIG(status);
  const char* const name = ::sigdescr_np(signal);
  return {.why = "it was ended by signal " + std::to_string(signal) + " (" +
                 (name == nullptr ? "unknown" : name) + ")"};
}

}  // namespace poplar::auth
