#include "core/net/listener.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <thread>

#include "tests/unit/net/net_test_support.h"

namespace poplar::net {
namespace {

// Apart from the fixture: the undefined-behaviour sanitizer needs descriptors to look at an object
// that has virtual methods, and some of these tests have none.
struct AcceptLog {
  bool Turn(const std::function<bool()>& done, int turns = 300) {
    for (int i = 0; i < turns && !done(); ++i) reactor->Turn(10);
    return done();
  }

  const std::unique_ptr<io::Reactor> reactor = io::Reactor::Create({}).value();
  NetMetrics metrics;
  std::vector<base::UniqueFd> accepted;
  std::vector<Address> peers;
};

class ListenerTest : public testing::Test {
 protected:
  ~ListenerTest() override {
    for (auto& listener : listeners_) Stop(*listener);
  }

  StatusOr<Listener*> Open(const ListenOptions& options) {
    return Keep(Listener::Open(*log_.reactor, options, log_.metrics, Handler()));
  }
  StatusOr<Listener*> Keep(StatusOr<std::unique_ptr<Listener>> opened) {
    if (!opened.ok()) return opened.status();
    listeners_.push_back(*std::move(opened));
    return listeners_.back().get();
  }
  AcceptHandler Handler() {
    return [log = &log_](base::UniqueFd socket, const Address& peer) {
      log->accepted.push_back(std::move(socket));
      log->peers.push_back(peer);
    };
  }
  void Stop(Listener& listener) {
    io::Completion<Stopped> stopped;
    listener.StopAccepting(stopped);
    EXPECT_TRUE(Turn([&] { return stopped.await_ready(); }));
  }
  bool Turn(const std::function<bool()>& done) { return log_.Turn(done); }
  static base::UniqueFd Connect(const Address& address) {
    sockaddr_storage storage;
    const socklen_t bytes = address.ToSockaddr(storage);
    base::UniqueFd socket(::socket(storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (connect(socket.get(), reinterpret_cast<sockaddr*>(&storage), bytes) != 0) socket.Reset();
    return socket;
  }

  AcceptLog log_;
  std::vector<std::unique_ptr<Listener>> listeners_;
};

TEST_F(ListenerTest, AcceptedSocketsHaveTheReceiveBufferThatWasAsked) {
  const auto listener =
      Open({.address = Address::Parse("127.0.0.1:0").value(), .receive_buffer_bytes = 64 * 1024});
  ASSERT_TRUE(listener.ok()) << listener.status();
  const base::UniqueFd client = Connect((*listener)->bound());
  ASSERT_TRUE(Turn([&] { return !log_.accepted.empty(); }));
  int bytes = 0;
  socklen_t length = sizeof bytes;
  ASSERT_EQ(getsockopt(log_.accepted[0].get(), SOL_SOCKET, SO_RCVBUF, &bytes, &length), 0);
  EXPECT_EQ(bytes, 2 * 64 * 1024);
}

TEST_F(ListenerTest, AcceptsOnIpv4Ipv6AndUnix) {
  TestFolder folder;
  for (const std::string& text :
       {std::string("127.0.0.1:0"), std::string("[::1]:0"), "unix:" + folder.Path("socket")}) {
    log_.accepted.clear();
    log_.peers.clear();
    Listener& listener = **Open({.address = *Address::Parse(text)});
    const base::UniqueFd client = Connect(listener.bound());
    ASSERT_TRUE(client.valid()) << text;
    ASSERT_TRUE(Turn([&] { return log_.accepted.size() == 1; }));
    EXPECT_TRUE(log_.peers[0].is_loopback());
    EXPECT_EQ(log_.peers[0], *Address::OfSocket(client.get()));
  }
  EXPECT_EQ(log_.metrics.accepted.Read(), 3u);
}

TEST_F(ListenerTest, AcceptedSocketsInheritTheirOptions) {
  Listener& listener = **Open({.address = *Address::Parse("127.0.0.1:0"),
                               .congestion_control = "reno",
                               .unsent_bytes_max = kUnsentBytesMax});
  const base::UniqueFd client = Connect(listener.bound());
  ASSERT_TRUE(Turn([&] { return log_.accepted.size() == 1; }));
  int value = 0;
  socklen_t bytes = sizeof(value);
  getsockopt(log_.accepted[0].get(), IPPROTO_TCP, TCP_NODELAY, &value, &bytes);
  EXPECT_EQ(value, 1);
  getsockopt(log_.accepted[0].get(), SOL_SOCKET, SO_KEEPALIVE, &value, &bytes);
  EXPECT_EQ(value, 1);
  char congestion[16] = "";
  bytes = sizeof(congestion);
  getsockopt(log_.accepted[0].get(), IPPROTO_TCP, TCP_CONGESTION, congestion, &bytes);
  EXPECT_STREQ(congestion, "reno");
  bytes = sizeof(value);
  getsockopt(log_.accepted[0].get(), IPPROTO_TCP, TCP_NOTSENT_LOWAT, &value, &bytes);
  EXPECT_EQ(value, static_cast<int>(kUnsentBytesMax));
}

TEST_F(ListenerTest, UnknownCongestionControlIsRefused) {
  const auto listener =
      Open({.address = *Address::Parse("127.0.0.1:0"), .congestion_control = "nonesuch"});
  EXPECT_NE(Message(listener.status()).find("\"nonesuch\""), std::string_view::npos);
}

TEST_F(ListenerTest, ShardsShareAPortAndAnotherProcessDoesNot) {
  Listener& first = **Open({.address = *Address::Parse("127.0.0.1:0")});
  ASSERT_NE(first.bound().port, 0);
  const auto second = Open({.address = first.bound(), .claim = false});
  ASSERT_TRUE(second.ok()) << second.status();
  EXPECT_EQ((*second)->bound(), first.bound());
  const auto foreign = Open({.address = first.bound()});
  EXPECT_EQ(foreign.status().code(), StatusCode::kFailedPrecondition);
  EXPECT_NE(Message(foreign.status()).find("another process"), std::string_view::npos);

  Stop(first);
  listeners_.erase(listeners_.begin());
  const base::UniqueFd client = Connect((*second)->bound());
  EXPECT_TRUE(Turn([&] { return log_.accepted.size() == 1; }));
}

TEST_F(ListenerTest, AddressOfAnotherMachineIsASentence) {
  const auto listener = Open({.address = *Address::Parse("192.0.2.1:1")});
  EXPECT_NE(Message(listener.status()).find("192.0.2.1:1: this machine does not have"),
            std::string_view::npos);
}

TEST_F(ListenerTest, UnixSocketsAreClaimedAndShared) {
  TestFolder folder;
  const Address address = *Address::Parse(folder.Path("socket"));
  Listener& first = **Open({.address = address, .unix_mode = 0600});
  struct stat status;
  ASSERT_EQ(stat(address.path.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600u);
  EXPECT_FALSE(Open({.address = address}).ok());

  const auto second =
      Keep(Listener::Adopt(*log_.reactor, *first.ShareSocket(), {}, log_.metrics, Handler()));
  ASSERT_TRUE(second.ok());
  Stop(first);
  const size_t looks = log_.accepted.size();  // Of the claim that was refused.
  const base::UniqueFd client = Connect(address);
  EXPECT_TRUE(Turn([&] { return log_.accepted.size() > looks; }));
  Stop(**second);
  listeners_.clear();
  EXPECT_NE(access(address.path.c_str(), F_OK), 0) << "the path is removed";
}

TEST_F(ListenerTest, LeftOverUnixSocketIsReplacedAndAFileIsNot) {
  TestFolder folder;
  const Address address = *Address::Parse(folder.Path("socket"));
  {
    base::UniqueFd dead(socket(AF_UNIX, SOCK_STREAM, 0));
    sockaddr_storage storage;
    const socklen_t bytes = address.ToSockaddr(storage);
    ASSERT_EQ(bind(dead.get(), reinterpret_cast<sockaddr*>(&storage), bytes), 0);
  }
  EXPECT_TRUE(Open({.address = address}).ok());

  const Address file = *Address::Parse(folder.Path("file"));
  const base::UniqueFd in_the_way(open(file.path.c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
  ASSERT_TRUE(in_the_way.valid());
  const auto listener = Open({.address = file});
  EXPECT_NE(Message(listener.status()).find("in the way"), std::string_view::npos);
  EXPECT_EQ(access(file.path.c_str(), F_OK), 0);
}

// As the sockets of a server that was killed: the kernel closes them when it has taken its ring
// apart.
TEST_F(ListenerTest, WhatListensAMomentLongerIsWaitedFor) {
  TestFolder folder;
  for (const std::string& text : {std::string("127.0.0.1:0"), "unix:" + folder.Path("socket")}) {
    const Address wanted = *Address::Parse(text);
    sockaddr_storage storage;
    const socklen_t bytes = wanted.ToSockaddr(storage);
    base::UniqueFd dying(socket(storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
    ASSERT_EQ(bind(dying.get(), reinterpret_cast<sockaddr*>(&storage), bytes), 0);
    ASSERT_EQ(listen(dying.get(), 1), 0);
    const Address address = *Address::OfSocket(dying.get());
    const std::jthread kernel([&] {
      std::this_thread::sleep_for(std::chrono::milliseconds(100));
      dying.Reset();
    });
    const auto listener = Open({.address = address});
    EXPECT_TRUE(listener.ok()) << listener.status();
  }
}

TEST_F(ListenerTest, SurvivesWithoutDescriptors) {
  Listener& listener = **Open({.address = *Address::Parse("127.0.0.1:0")});
  std::vector<base::UniqueFd> clients;
  for (int i = 0; i < 8; ++i) {
    clients.push_back(Connect(listener.bound()));
    ASSERT_TRUE(clients.back().valid());
  }
  AcceptLog& log = log_;
  rlimit before;
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
  const base::UniqueFd next(dup(0));
  const rlimit few{.rlim_cur = static_cast<rlim_t>(next.get()) + 2, .rlim_max = before.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &few), 0);
  log.Turn([&] { return log.metrics.accept_pauses.Read() > 0; });
  log.Turn([] { return false; }, 5);
  const size_t accepted = log.accepted.size();
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &before), 0);
  EXPECT_GT(log_.metrics.accept_pauses.Read(), 0u);
  EXPECT_LT(accepted, 8u);
  EXPECT_TRUE(Turn([&] { return log_.accepted.size() == 8; }));
}

TEST_F(ListenerTest, StopsWhileItRests) {
  Listener& listener = **Open({.address = *Address::Parse("127.0.0.1:0")});
  const base::UniqueFd client = Connect(listener.bound());
  AcceptLog& log = log_;
  rlimit before;
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
  const rlimit none{.rlim_cur = 3, .rlim_max = before.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &none), 0);
  log.Turn([&] { return log.metrics.accept_pauses.Read() > 0; });
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &before), 0);
  Stop(listener);
  listeners_.clear();
  EXPECT_TRUE(log_.accepted.empty());
}

TEST_F(ListenerTest, RefusalIsHeard) {
  Listener& listener = **Open({.address = *Address::Parse("127.0.0.1:0")});
  PlainClient client(Connect(listener.bound()));
  ASSERT_TRUE(Turn([&] { return log_.accepted.size() == 1; }));
  RefuseConnection(std::move(log_.accepted[0]), "-ERR [SYS/TEMP] full\r\n");
  EXPECT_EQ(client.Rest(), "-ERR [SYS/TEMP] full\r\n");
}

}  // namespace
}  // namespace poplar::net
