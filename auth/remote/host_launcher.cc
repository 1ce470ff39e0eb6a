#include "auth/remote/host_launcher.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <set>
#include <utility>
#include <vector>

namespace poplar::auth {
namespace {

constexpr size_t kPathBytesMax = 4096;
constexpr size_t kSocketsOfPacketMax = 250;  // The kernel passes 253.
constexpr size_t kSocketsMax = 4097;

constexpr uint64_t kHasEnded = uint64_t{1} << 32;  // Beside the status.

using Order = HostLauncherOrder;

struct Question {
  Order order = Order::kStart;
  pid_t pid = 0;
};
// A sentence follows, where it could not be done.
struct Answer {
  uint64_t done = 1;
  uint64_t value = 0;
};
constexpr size_t kSentenceBytesMax = 512;

// With room for the descriptors that go with a packet.
union Descriptors {
  cmsghdr head;
  std::array<char, CMSG_SPACE(kSocketsOfPacketMax * sizeof(int))> octets;
};

bool SendPacket(int socket, const Question& question, std::string_view plugin,
                std::span<const base::UniqueFd> sockets) {
  Question sent = question;
  std::array<iovec, 2> parts{
      iovec{.iov_base = &sent, .iov_len = sizeof sent},
      iovec{.iov_base = const_cast<char*>(plugin.data()), .iov_len = plugin.size()}};
  msghdr message{};
  message.msg_iov = parts.data();
  message.msg_iovlen = parts.size();
  Descriptors descriptors{};
  if (!sockets.empty()) {
    std::vector<int> numbers;
    for (const base::UniqueFd& one : sockets) numbers.push_back(one.get());
    const size_t bytes = numbers.size() * sizeof(int);
    message.msg_control = descriptors.octets.data();
    message.msg_controllen = CMSG_SPACE(bytes);
    cmsghdr* const head = CMSG_FIRSTHDR(&message);
    head->cmsg_level = SOL_SOCKET;
    head->cmsg_type = SCM_RIGHTS;
    head->cmsg_len = CMSG_LEN(bytes);
    std::memcpy(CMSG_DATA(head), numbers.data(), bytes);
  }
  ssize_t sent_bytes = -1;
  while ((sent_bytes = ::sendmsg(socket, &message, MSG_NOSIGNAL)) < 0 && errno == EINTR) {
  }
  return sent_bytes >= 0;
}

bool SendAnswer(int socket, const StatusOr<uint64_t>& result) {
  const Answer answer{.done = result.ok() ? 1U : 0U, .value = result.ok() ? *result : 0};
  std::string packet(reinterpret_cast<const char*>(&answer), sizeof answer);
  packet += std::string_view(Message(result.status())).substr(0, kSentenceBytesMax);
  return ::send(socket, packet.data(), packet.size(), MSG_NOSIGNAL) >= 0;
}

StatusOr<uint64_t> ReceiveAnswer(int socket) {
  std::array<char, sizeof(Answer) + kSentenceBytesMax> packet;
  ssize_t got = -1;
  while ((got = ::recv(socket, packet.data(), packet.size(), 0)) < 0 && errno == EINTR) {
  }
  if (got < static_cast<ssize_t>(sizeof(Answer))) {
    return MakeStatus(StatusCode::kUnavailable,
                      "the launcher of auth hosts has ended: restart the server");
  }
  Answer answer;
  std::memcpy(&answer, packet.data(), sizeof answer);
  if (answer.done != 0) return answer.value;
  return MakeStatus(
      StatusCode::kUnavailable,
      std::string_view(packet.data(), static_cast<size_t>(got)).substr(sizeof(Answer)));
}

void TakeDescriptors(msghdr& message, std::vector<base::UniqueFd>& sockets) {
  for (cmsghdr* head = CMSG_FIRSTHDR(&message); head != nullptr;
       head = CMSG_NXTHDR(&message, head)) {
    if (head->cmsg_level != SOL_SOCKET || head->cmsg_type != SCM_RIGHTS) continue;
    std::vector<int> numbers((head->cmsg_len - CMSG_LEN(0)) / sizeof(int));
    std::memcpy(numbers.data(), CMSG_DATA(head), numbers.size() * sizeof(int));
    for (const int number : numbers) sockets.emplace_back(number);
  }
}

// The launcher's own life. It has one thread.
class Launcher {
 public:
  Launcher(const HostSpawnerOptions& options, int socket)
      : options_(options), spawner_(options), socket_(socket) {}

  void Serve() {
    Question question;
    std::string plugin;
    while (Receive(question, plugin)) {
      if (question.order == Order::kSockets) continue;
      if (!SendAnswer(socket_, AnswerTo(question, plugin))) break;
    }
    for (const pid_t child : children_) spawner_.End(child);
  }

 private:
  // False: the server has gone.
  bool Receive(Question& question, std::string& plugin) {
    std::array<char, kPathBytesMax> path;
    std::array<iovec, 2> parts{iovec{.iov_base = &question, .iov_len = sizeof question},
                               iovec{.iov_base = path.data(), .iov_len = path.size()}};
    Descriptors descriptors{};
    msghdr message{};
    message.msg_iov = parts.data();
    message.msg_iovlen = parts.size();
    message.msg_control = descriptors.octets.data();
    message.msg_controllen = descriptors.octets.size();
    ssize_t got = -1;
    while ((got = ::recvmsg(socket_, &message, MSG_CMSG_CLOEXEC)) < 0 && errno == EINTR) {
    }
    if (got < static_cast<ssize_t>(sizeof question)) return false;
    TakeDescriptors(message, sockets_);
    plugin.assign(path.data(), static_cast<size_t>(got) - sizeof question);
    return sockets_.size() <= kSocketsMax;
  }

  StatusOr<uint64_t> AnswerTo(const Question& question, const std::string& plugin) {
    if (question.order == Order::kStart) return Start(plugin);
    const auto child = children_.find(question.pid);
    if (child == children_.end()) {
      return MakeStatus(StatusCode::kUnavailable, "no such auth host was started");
    }
    if (question.order == Order::kMemory) return spawner_.ResidentBytes(question.pid);
    if (question.order == Order::kHowItEnded) {
      const std::optional<int> status = spawner_.WaitStatus(question.pid);
      if (!status.has_value()) return uint64_t{0};
      children_.erase(child);
      return kHasEnded | static_cast<uint32_t>(*status);
    }
    if (question.order == Order::kKill) {
      spawner_.Kill(question.pid);
    } else {
      spawner_.End(question.pid);
      children_.erase(child);
    }
    return uint64_t{0};
  }

  StatusOr<uint64_t> Start(const std::string& plugin) {
    const std::vector<base::UniqueFd> sockets = std::exchange(sockets_, {});
    if (sockets.empty() || !options_.arguments.contains(plugin)) {
      return MakeStatus(StatusCode::kUnavailable, plugin + " was no plug-in at the server's start");
    }
    POP_ASSIGN_OR_RETURN(const pid_t pid, spawner_.Start(plugin, sockets));
    children_.insert(pid);
    return static_cast<uint64_t>(pid);
  }

  const HostSpawnerOptions& options_;
  DirectSpawner spawner_;
  const int socket_;
  std::vector<base::UniqueFd> sockets_;  // Of the process that will be started next.
  std::set<pid_t> children_;
};

[[noreturn]] void RunLauncher(const HostSpawnerOptions& options, int socket, pid_t server,
                              const std::function<Status()>& confine) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != server) ::_exit(0);
  ::prctl(PR_SET_NAME, "poplar-launcher");
  ::signal(SIGCHLD, SIG_DFL);  // The first process of a container ignores it.
  // What is the server's alone: listening sockets that were handed to it, for instance.
  constexpr int kOurs = 3;
  if (::dup2(socket, kOurs) != kOurs) ::_exit(1);
  ::close_range(kOurs + 1, ~0U, 0);
  const Status confined = confine();
  // Its first word: whether it is as it shall be.
  const StatusOr<uint64_t> word =
      confined.ok() ? StatusOr<uint64_t>(uint64_t{0}) : StatusOr<uint64_t>(confined);
  if (SendAnswer(kOurs, word) && confined.ok()) Launcher(options, kOurs).Serve();
  ::_exit(0);
}

}  // namespace

StatusOr<std::unique_ptr<HostLauncher>> HostLauncher::Fork(const HostSpawnerOptions& options,
                                                           const std::function<Status()>& confine) {
  int pair[2];
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0) {
    return ErrnoStatus(errno, "socketpair");
  }
  base::UniqueFd ours(pair[0]);
  base::UniqueFd theirs(pair[1]);
  const pid_t server = ::getpid();
  const pid_t pid = ::fork();
  if (pid < 0) return ErrnoStatus(errno, "starting the launcher of auth hosts");
  if (pid == 0) RunLauncher(options, theirs.get(), server, confine);
  std::unique_ptr<HostLauncher> launcher(new HostLauncher(pid, std::move(ours)));
  theirs.Reset();  // Where it ends before its first word, that is heard.
  POP_RETURN_IF_ERROR(ReceiveAnswer(launcher->socket_.get()).status());
  return launcher;
}

HostLauncher::~HostLauncher() {
  ::shutdown(socket_.get(), SHUT_RDWR);
  while (::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
  }
}

StatusOr<pid_t> HostLauncher::Start(const std::string& plugin,
                                    std::span<const base::UniqueFd> sockets) {
  const std::lock_guard<std::mutex> lock(mutex_);
  bool sent = true;
  while (sent && sockets.size() > kSocketsOfPacketMax) {
    sent = SendPacket(socket_.get(), {.order = Order::kSockets}, "",
                      sockets.first(kSocketsOfPacketMax));
    sockets = sockets.subspan(kSocketsOfPacketMax);
  }
  // Where it has gone, the answer tells.
  if (sent) SendPacket(socket_.get(), {.order = Order::kStart}, plugin, sockets);
  POP_ASSIGN_OR_RETURN(const uint64_t pid, ReceiveAnswer(socket_.get()));
  return static_cast<pid_t>(pid);
}

StatusOr<uint64_t> HostLauncher::Ask(HostLauncherOrder order, pid_t pid) {
  const std::lock_guard<std::mutex> lock(mutex_);
  SendPacket(socket_.get(), {.order = order, .pid = pid}, "", {});
  return ReceiveAnswer(socket_.get());
}

// A launcher that has gone took them with it.
void HostLauncher::Kill(pid_t pid) { (void)Ask(Order::kKill, pid); }

void HostLauncher::End(pid_t pid) { (void)Ask(Order::kEnd, pid); }

std::optional<int> HostLauncher::WaitStatus(pid_t pid) {
  const StatusOr<uint64_t> answer = Ask(Order::kHowItEnded, pid);
  if (!answer.ok() || (*answer & kHasEnded) == 0) return std::nullopt;
  return static_cast<int>(*answer & UINT32_MAX);
}

uint64_t HostLauncher::ResidentBytes(pid_t pid) {
  const StatusOr<uint64_t> bytes = Ask(Order::kMemory, pid);
  return bytes.ok() ? *bytes : 0;
}

}  // namespace poplar::auth
