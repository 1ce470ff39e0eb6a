// What the tests of core/io share: sockets, and an operation that remembers its completions.

#pragma once

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/base/fd.h"
#include "core/io/op.h"
#include "core/io/reactor.h"

namespace poplar::io {

inline std::unique_ptr<Reactor> MakeReactor(const ReactorOptions& options = {}) {
  auto reactor = Reactor::Create(options);
  EXPECT_TRUE(reactor.ok()) << reactor.status();
  return std::move(*reactor);
}

// Turns until `done`, for 10 s at most.
inline bool TurnUntil(Reactor& reactor, const std::function<bool()>& done) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (!done()) {
    if (std::chrono::steady_clock::now() > end) return false;
    reactor.Turn(20);
  }
  return true;
}

struct SocketPair {
  SocketPair() {
    std::array<int, 2> fds{};
    EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds.data()), 0);
    near = base::UniqueFd(fds[0]);
    far = base::UniqueFd(fds[1]);
  }
  base::UniqueFd near;
  base::UniqueFd far;
};

// A listening TCP socket on a free loopback port.
struct LoopbackListener {
  LoopbackListener() : fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)) {
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t bytes = sizeof address;
    EXPECT_EQ(bind(fd.get(), generic(), bytes), 0);
    EXPECT_EQ(listen(fd.get(), 128), 0);
    EXPECT_EQ(getsockname(fd.get(), generic(), &bytes), 0);
  }
  sockaddr* generic() { return reinterpret_cast<sockaddr*>(&address); }

  base::UniqueFd fd;
  sockaddr_in address{};
};

class RecordingOp {
 public:
  struct Result {
    int32_t result;
    uint32_t flags;
  };

  Op& op() { return op_; }
  bool in_flight() const { return op_.in_flight(); }
  const std::vector<Result>& results() const { return results_; }
  // The last result; INT32_MIN if there is none.
  int32_t last() const { return results_.empty() ? INT32_MIN : results_.back().result; }
  // Called after a completion was recorded.
  void OnCompletion(std::function<void(Result)> then) { then_ = std::move(then); }

 private:
  void Complete(int32_t result, uint32_t flags) {
    results_.push_back({result, flags});
    if (then_) then_(results_.back());
  }

  std::vector<Result> results_;
  std::function<void(Result)> then_;
  OpFor<&RecordingOp::Complete> op_{this};
};

// Work that runs a closure and counts.
class CountingWork {
 public:
  explicit CountingWork(std::function<void()> then = nullptr) : then_(std::move(then)) {}

  Work& work() { return work_; }
  int runs() const { return runs_; }

 private:
  void Run() {
    ++runs_;
    if (then_) then_();
  }

  std::function<void()> then_;
  int runs_ = 0;
  WorkFor<&CountingWork::Run> work_{this};
};

}  // namespace poplar::io
