// The lanes of a body (core/net), as the bare calls that they come down to, by size: what the
// thresholds between them go by. CPU time is the sender's; who receives is another thread.

#include <benchmark/benchmark.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string>
#include <thread>

#include "core/base/check.h"
#include "core/base/fd.h"

namespace poplar::net {
namespace {

constexpr size_t kChunkBytes = 64 * 1024;  // As io::BodySender reads.

// A connection of loopback whose other end takes whatever comes.
class Drain {
 public:
  Drain() {
    const base::UniqueFd listener(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t bytes = sizeof address;
    auto* const generic = reinterpret_cast<sockaddr*>(&address);
    POP_CHECK(bind(listener.get(), generic, sizeof address) == 0);
    POP_CHECK(listen(listener.get(), 1) == 0);
    POP_CHECK(getsockname(listener.get(), generic, &bytes) == 0);
    sender_ = base::UniqueFd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    POP_CHECK(connect(sender_.get(), generic, sizeof address) == 0);
    receiver_ = base::UniqueFd(accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
    POP_CHECK(receiver_.valid());
    const int on = 1;
    POP_CHECK(setsockopt(sender_.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) == 0);
    thread_ = std::thread([this] {
      std::string into(1 << 20, '\0');
      while (recv(receiver_.get(), into.data(), into.size(), 0) > 0) continue;
    });
  }
  ~Drain() {
    shutdown(sender_.get(), SHUT_WR);
    thread_.join();
  }
  int fd() const { return sender_.get(); }

 private:
  base::UniqueFd sender_;
  base::UniqueFd receiver_;
  std::thread thread_;
};

// In the page cache, with so many octets.
class WarmFile {
 public:
  explicit WarmFile(size_t bytes) {
    std::string path = "/tmp/poplar-lanes-XXXXXX";
    fd_ = base::UniqueFd(mkstemp(path.data()));
    POP_CHECK(fd_.valid() && unlink(path.c_str()) == 0);
    const std::string text(bytes, 'x');
    POP_CHECK(pwrite(fd_.get(), text.data(), bytes, 0) == static_cast<ssize_t>(bytes));
  }
  int fd() const { return fd_.get(); }

 private:
  base::UniqueFd fd_;
};

void SendAll(int to, const char* from, size_t bytes) {
  while (bytes > 0) {
    const ssize_t sent = send(to, from, bytes, MSG_NOSIGNAL);
    POP_CHECK(sent > 0);
    from += sent;
    bytes -= static_cast<size_t>(sent);
  }
}

// `copy`: read into a chunk and sent; else by sendfile.
void SendBody(benchmark::State& state, bool copy) {
  const auto bytes = static_cast<size_t>(state.range(0));
  const WarmFile file(bytes);
  const Drain drain;
  std::string chunk(kChunkBytes, '\0');
  for (auto _ : state) {
    auto at = off_t{0};
    while (static_cast<size_t>(at) < bytes) {
      if (copy) {
        const ssize_t got = pread(file.fd(), chunk.data(), chunk.size(), at);
        POP_CHECK(got > 0);
        SendAll(drain.fd(), chunk.data(), static_cast<size_t>(got));
        at += got;
      } else {
        POP_CHECK(sendfile(drain.fd(), file.fd(), &at, bytes - static_cast<size_t>(at)) > 0);
      }
    }
  }
  state.SetBytesProcessed(state.iterations() * state.range(0));
}

void BM_LaneCopy(benchmark::State& state) { SendBody(state, true); }
void BM_LaneSendfile(benchmark::State& state) { SendBody(state, false); }
BENCHMARK(BM_LaneCopy)->RangeMultiplier(2)->Range(2 << 10, 256 << 10)->Arg(1 << 20)->Arg(16 << 20);
BENCHMARK(BM_LaneSendfile)
    ->RangeMultiplier(2)
    ->Range(2 << 10, 256 << 10)
    ->Arg(1 << 20)
    ->Arg(16 << 20);

}  // namespace
}  // namespace poplar::net
