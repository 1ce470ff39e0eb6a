#include "core/io/probe.h"

#include <liburing.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/utsname.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <string>
#include <thread>

#include "core/base/fd.h"
#include "core/io/buffer_ring.h"
#include "core/io/reactor.h"
#include "core/io/ring.h"

namespace poplar::io {
namespace {

constexpr std::string_view kKernelFloor = "6.1";

std::string RunningKernel() {
  utsname name{};
  return uname(&name) == 0 ? name.release : "unknown";
}

// Whether `release` ("6.1.0-56-amd64") is at least 6.1.
bool AtFloor(const std::string& release) {
  char* rest = nullptr;
  const long major = std::strtol(release.c_str(), &rest, 10);
  const long minor = *rest == '.' ? std::strtol(rest + 1, nullptr, 10) : 0;
  return major > 6 || (major == 6 && minor >= 1);
}

Status Precondition(std::string_view sentence) {
  return MakeStatus(StatusCode::kFailedPrecondition, sentence);
}

Status KernelTooOld(std::string_view what) {
  return Precondition("this kernel (" + RunningKernel() + ") " + std::string(what) +
                      "; Poplar needs Linux " + std::string(kKernelFloor) + " or newer");
}

constexpr std::string_view kSeccompMend =
    "allow io_uring_setup, io_uring_enter and io_uring_register in its seccomp profile (docker and "
    "podman: --security-opt seccomp=profile.json; Kubernetes: securityContext.seccompProfile of "
    "type Localhost; systemd: SystemCallFilter=@aio)";

// kernel.io_uring_disabled (Linux 6.6): 0, 1: only with CAP_SYS_ADMIN or in io_uring_group, 2.
int IoUringDisabled() {
  std::ifstream file("/proc/sys/kernel/io_uring_disabled");
  int value = 0;
  return file >> value ? value : 0;
}

Status ExplainRefusal() {
  const int disabled = IoUringDisabled();
  if (disabled == 0) {
    return Precondition(
        "io_uring is refused (EPERM) although kernel.io_uring_disabled does not forbid it, so a "
        "sandbox or container does: " +
        std::string(kSeccompMend));
  }
  const std::string mend = disabled == 1
                               ? "set it to 0 (sysctl -w kernel.io_uring_disabled=0), or put the "
                                 "server's group into kernel.io_uring_group"
                               : "set it to 0 (sysctl -w kernel.io_uring_disabled=0)";
  return Precondition("io_uring is switched off: kernel.io_uring_disabled is " +
                      std::to_string(disabled) + "; " + mend);
}

Status ExplainAbsence() {
  if (!AtFloor(RunningKernel())) return KernelTooOld("has no io_uring");
  return Precondition("io_uring is absent (ENOSYS) from kernel " + RunningKernel() +
                      ", which is new enough: it was built without CONFIG_IO_URING, or a sandbox "
                      "hides it: " +
                      std::string(kSeccompMend));
}

Status ExplainMemory() {
  rlimit limit{};
  getrlimit(RLIMIT_MEMLOCK, &limit);
  const std::string now =
      limit.rlim_cur == RLIM_INFINITY ? "unlimited" : std::to_string(limit.rlim_cur) + " octets";
  return Precondition("no memory for an io_uring (ENOMEM): RLIMIT_MEMLOCK is " + now +
                      "; raise it (ulimit -l unlimited; systemd: LimitMEMLOCK=infinity; docker: "
                      "--ulimit memlock=-1), or the memory limit of the container, or ask for "
                      "fewer server.workers");
}

// Of whoever has no CAP_IPC_LOCK, as the server once it gave its capabilities away, newer kernels
// count the rings of all shards.
void RaiseLockedMemory() {
  rlimit limit{.rlim_cur = RLIM_INFINITY, .rlim_max = RLIM_INFINITY};
  if (setrlimit(RLIMIT_MEMLOCK, &limit) == 0) return;  // It may.
  if (getrlimit(RLIMIT_MEMLOCK, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  // Whether what there is suffices is told by whoever makes a ring.
  (void)setrlimit(RLIMIT_MEMLOCK, &limit);
}

Status CheckDescriptors(uint32_t wanted) {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return ErrnoStatus(errno, "getrlimit");
  if (limit.rlim_cur < limit.rlim_max) {
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0) return ErrnoStatus(errno, "setrlimit");
  }
  if (limit.rlim_cur >= wanted) return OkStatus();
  return Precondition("RLIMIT_NOFILE is " + std::to_string(limit.rlim_cur) + ", but " +
                      std::to_string(wanted) +
                      " descriptors are wanted; raise its hard limit (ulimit -Hn; systemd: "
                      "LimitNOFILE=; docker: --ulimit nofile=)");
}

Status CheckOperations() {
  io_uring_probe* const probe = io_uring_get_probe();
  if (probe == nullptr) return KernelTooOld("cannot tell its io_uring operations");
  Status status = OkStatus();
  for (const RingOperation& operation : kRingOperations) {
    if (io_uring_opcode_supported(probe, operation.code) != 0) continue;
    status = KernelTooOld("lacks the io_uring operation " + std::string(operation.name));
    break;
  }
  io_uring_free_probe(probe);
  return status;
}

// Two connections that the kernel accepts by one operation, two messages received by another.
class Rehearsal {
 public:
  explicit Rehearsal(Reactor& reactor) : reactor_(reactor) {}

  Status Run() {
    POP_ASSIGN_OR_RETURN(buffers_, BufferRing::Create(reactor_, {.buffers = 8}));
    POP_RETURN_IF_ERROR(Listen());
    reactor_.AcceptMultishot(accept_op_, listener_.get());
    Status status = Exchange();
    reactor_.Cancel(accept_op_);
    reactor_.Cancel(receive_op_);
    while (accept_op_.in_flight() || receive_op_.in_flight() || send_op_.in_flight()) {
      reactor_.Turn(kStepMs);
    }
    return status;
  }

 private:
  static constexpr uint64_t kStepMs = 2'000;

  Status Listen() {
    listener_ = base::UniqueFd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!listener_.valid()) return ErrnoStatus(errno, "socket");
    const sockaddr_un nameless{.sun_family = AF_UNIX, .sun_path = {}};
    // The kernel gives an address out of nowhere to who binds to none (unix(7), autobind).
    if (bind(listener_.get(), reinterpret_cast<const sockaddr*>(&nameless),
             sizeof nameless.sun_family) != 0 ||
        listen(listener_.get(), 2) != 0) {
      return ErrnoStatus(errno, "listen");
    }
    return OkStatus();
  }

  Status Dial(base::UniqueFd& client) {
    sockaddr_un address{};
    socklen_t address_bytes = sizeof address;
    client = base::UniqueFd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    auto* const generic = reinterpret_cast<sockaddr*>(&address);
    if (!client.valid() || getsockname(listener_.get(), generic, &address_bytes) != 0 ||
        connect(client.get(), generic, address_bytes) != 0) {
      return ErrnoStatus(errno, "connect");
    }
    return OkStatus();
  }

  Status Exchange() {
    for (base::UniqueFd& client : clients_) {
      accepted_ = base::UniqueFd();
      POP_RETURN_IF_ERROR(Dial(client));
      reactor_.Turn(kStepMs);
      if (!accepted_.valid() || !accept_op_.in_flight()) {
        return KernelTooOld("has no multishot accept");
      }
    }
    reactor_.ReceiveMultishot(receive_op_, accepted_.get(), *buffers_);
    for (const std::string_view message : {"first", "second"}) {
      received_.clear();
      reactor_.Send(send_op_, clients_.back().get(), message);
      for (int turn = 0; turn < 4 && received_ != message; ++turn) reactor_.Turn(kStepMs);
      if (received_ != message || !receive_op_.in_flight()) {
        return KernelTooOld("has no multishot receive into provided buffers");
      }
    }
    return OkStatus();
  }

  void OnAccepted(int32_t result, uint32_t) {
    if (result >= 0) accepted_ = base::UniqueFd(result);
  }
  void OnReceived(int32_t result, uint32_t flags) {
    received_ += buffers_->Take(result, flags);
    buffers_->Give(flags);
  }
  void OnSent(int32_t, uint32_t) {}

  Reactor& reactor_;
  std::unique_ptr<BufferRing> buffers_;
  base::UniqueFd listener_;
  std::array<base::UniqueFd, 2> clients_;
  base::UniqueFd accepted_;
  std::string received_;
  OpFor<&Rehearsal::OnAccepted> accept_op_{this};
  OpFor<&Rehearsal::OnReceived> receive_op_{this};
  OpFor<&Rehearsal::OnSent> send_op_{this};
};

// Of the calls that a ring takes, the one that a reactor cannot do without once it has one.
Status EnterOnce() {
  io_uring ring{};
  const int made = io_uring_queue_init(2, &ring, 0);
  if (made != 0) return ExplainRingFailure(made);
  io_uring_prep_nop(io_uring_get_sqe(&ring));
  const int entered = io_uring_submit_and_wait(&ring, 1);
  io_uring_queue_exit(&ring);
  return entered < 0 ? ExplainRingFailure(entered) : OkStatus();
}

Status Rehearse() {
  POP_RETURN_IF_ERROR(EnterOnce());
  POP_ASSIGN_OR_RETURN(const auto reactor, Reactor::Create({}));
  return Rehearsal(*reactor).Run();
}

}  // namespace

Status ExplainRingFailure(int error_number) {
  switch (std::abs(error_number)) {
    case ENOSYS:
      return ExplainAbsence();
    case EPERM:
    case EACCES:
      return ExplainRefusal();
    case ENOMEM:
      return ExplainMemory();
    case EINVAL:
      return KernelTooOld("does not know the io_uring features it was asked for");
    default:
      return ErrnoStatus(std::abs(error_number), "io_uring");
  }
}

Status ProbeKernel(const ProbeOptions& options) {
  POP_RETURN_IF_ERROR(CheckDescriptors(options.descriptors_wanted));
  RaiseLockedMemory();
  Status status = OkStatus();
  // On a thread of its own: the caller's may have a reactor.
  std::thread([&status] {
    status = Rehearse();
    if (status.ok()) status = CheckOperations();
  }).join();
  return status;
}

}  // namespace poplar::io
