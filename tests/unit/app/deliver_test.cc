#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <map>
#include <thread>

#include "core/app/lmtp_delivery.h"
#include "core/base/fd.h"
#include "core/net/address.h"
#include "core/tenant/listen_address.h"
#include "tests/unit/app/command_test.h"

namespace poplar::app {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// What the peer does other than taking everything.
struct PeerScript {
  std::string greeting = "220 peer LMTP";
  std::string lhlo = "250-peer\r\n250-8BITMIME\r\n250 SMTPUTF8";
  std::string mail = "250 2.1.0 ok";
  std::map<std::string, std::string> rcpt = {};  // By address; else 250.
  std::string data = "354 go ahead";
  std::map<std::string, std::string> after_data = {};  // By address; else 250.
  bool closes_while_message_arrives = false;
};

// A small LMTP server for one connection, on a thread of its own.
class LmtpPeer {
 public:
  LmtpPeer(int listener, PeerScript script)
      : listener_(listener), script_(std::move(script)), thread_([this] { Serve(); }) {}
  ~LmtpPeer() { Join(); }
  void Join() {
    if (thread_.joinable()) thread_.join();
  }

  // REQUIRES: Join was called.
  std::vector<std::string> commands;
  std::string message;  // As it came, with its end; empty if it never ended.

 private:
  void Serve() {
    connection_ = base::UniqueFd(accept(listener_.get(), nullptr, nullptr));
    Say(script_.greeting);
    std::vector<std::string> accepted;
    for (std::string line; ReadLine(line);) {
      commands.push_back(line);
      if (line.starts_with("LHLO ")) {
        Say(script_.lhlo);
      } else if (line.starts_with("MAIL ")) {
        Say(script_.mail);
      } else if (line.starts_with("RCPT TO:<")) {
        const std::string address = line.substr(9, line.size() - 10);
        const auto reply = script_.rcpt.find(address);
        if (reply == script_.rcpt.end()) accepted.push_back(address);
        Say(reply == script_.rcpt.end() ? "250 2.1.5 ok" : reply->second);
      } else if (line == "DATA") {
        Say(script_.data);
        if (!script_.data.starts_with("354")) continue;
        if (!TakeMessage()) return;
        for (const std::string& address : accepted) {
          const auto reply = script_.after_data.find(address);
          Say(reply == script_.after_data.end() ? "250 2.6.0 stored" : reply->second);
        }
      } else if (line == "QUIT") {
        Say("221 bye");
        return;
      }
    }
  }

  bool TakeMessage() {
    if (script_.closes_while_message_arrives) {
      std::array<char, 1000> some;
      if (recv(connection_.get(), some.data(), some.size(), 0) <= 0) return false;
      Say("421 4.3.2 going down");
      shutdown(connection_.get(), SHUT_WR);
      while (recv(connection_.get(), some.data(), some.size(), 0) > 0) {
      }
      return false;
    }
    std::string taken = received_;
    const auto has_ended = [&taken] {
      return taken == ".\r\n" || taken.find("\r\n.\r\n") != std::string::npos;
    };
    while (!has_ended()) {
      std::array<char, 65536> chunk;
      const ssize_t got = recv(connection_.get(), chunk.data(), chunk.size(), 0);
      if (got <= 0) return false;
      taken.append(chunk.data(), static_cast<size_t>(got));
    }
    message = taken;
    received_.clear();
    return true;
  }

  void Say(const std::string& reply) {
    const std::string line = reply + "\r\n";
    if (send(connection_.get(), line.data(), line.size(), MSG_NOSIGNAL) < 0) return;
  }

  bool ReadLine(std::string& line) {
    for (;;) {
      if (const size_t end = received_.find("\r\n"); end != std::string::npos) {
        line = received_.substr(0, end);
        received_.erase(0, end + 2);
        return true;
      }
      std::array<char, 4096> chunk;
      const ssize_t got = recv(connection_.get(), chunk.data(), chunk.size(), 0);
      if (got <= 0) return false;
      received_.append(chunk.data(), static_cast<size_t>(got));
    }
  }

  base::UniqueFd listener_;
  base::UniqueFd connection_;
  PeerScript script_;
  std::string received_;
  std::thread thread_;  // Last: it uses what stands above.
};

class DeliverTest : public CommandTest {
 protected:
  void SetUp() override {
    CommandTest::SetUp();
    Write(config_path_, "[lmtp]\nsocket = \"l.sock\"\n");
  }

  base::UniqueFd ListeningSocket() {
    sockaddr_storage address;
    const socklen_t bytes = net::Address{.path = folder_ / "l.sock"}.ToSockaddr(address);
    base::UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    EXPECT_EQ(bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), bytes), 0);
    EXPECT_EQ(listen(fd.get(), 1), 0);
    return fd;
  }
  std::unique_ptr<LmtpPeer> Listen(PeerScript script = {}) {
    return std::make_unique<LmtpPeer>(ListeningSocket().Release(), std::move(script));
  }
};

TEST_F(DeliverTest, HandsAMessageOver) {
  const auto peer = Listen();
  EXPECT_EQ(RunHere({"deliver", "--from", "bob@example.org", "alice@example.org"},
                    "Subject: x\n\n.\n.dot\nlast"),
            ExitCode::kOk)
      << err_;
  EXPECT_EQ(out_, "alice@example.org: delivered\n");
  EXPECT_EQ(err_, "");
  peer->Join();
  EXPECT_THAT(peer->commands,
              ElementsAre("LHLO localhost", "MAIL FROM:<bob@example.org> BODY=8BITMIME",
                          "RCPT TO:<alice@example.org>", "DATA", "QUIT"));
  EXPECT_EQ(peer->message, "Subject: x\r\n\r\n..\r\n..dot\r\nlast\r\n.\r\n");
}

TEST_F(DeliverTest, TheLineThatBeginsAMessageInAnMboxIsLeftOut) {
  const auto peer = Listen();
  EXPECT_EQ(RunHere({"deliver", "alice@example.org"},
                    "From bob@example.org Mon Jan  1 00:00:00 2026\nSubject: x\n\nFrom me\n"),
            ExitCode::kOk)
      << err_;
  peer->Join();
  EXPECT_EQ(peer->message, "Subject: x\r\n\r\nFrom me\r\n.\r\n");
}

TEST_F(DeliverTest, WithoutASenderItIsTheNullSender) {
  const auto peer = Listen({.lhlo = "250 peer"});
  EXPECT_EQ(RunHere({"deliver", "alice@example.org"}, "x"), ExitCode::kOk);
  peer->Join();
  EXPECT_EQ(peer->commands.at(1), "MAIL FROM:<>");
}

TEST_F(DeliverTest, Utf8AddressesAskForSmtpUtf8) {
  const auto peer = Listen();
  EXPECT_EQ(RunHere({"deliver", "j\xc3\xb6rg@example.org"}, "x"), ExitCode::kOk) << err_;
  peer->Join();
  EXPECT_EQ(peer->commands.at(1), "MAIL FROM:<> BODY=8BITMIME SMTPUTF8");
}

TEST_F(DeliverTest, ALargeMessageIsStreamedWhole) {
  std::string text;
  while (text.size() < 5'000'000) text += ".a line with a dot and some more to it\n";
  const auto peer = Listen();
  EXPECT_EQ(RunHere({"deliver", "a@b"}, text), ExitCode::kOk) << err_;
  peer->Join();
  const size_t lines = static_cast<size_t>(std::ranges::count(text, '\n'));
  EXPECT_EQ(peer->message.size(), text.size() + 2 * lines + 3);
}

TEST_F(DeliverTest, GoesOverTcpWhereThereIsNoSocket) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_storage address{};
  const socklen_t length = tenant::ListenAddress{"127.0.0.1", 0}.ToSockaddr(address);
  ASSERT_EQ(bind(fd, reinterpret_cast<const sockaddr*>(&address), length), 0);
  ASSERT_EQ(listen(fd, 1), 0);
  socklen_t bound = sizeof address;
  ASSERT_EQ(getsockname(fd, reinterpret_cast<sockaddr*>(&address), &bound), 0);
  const uint16_t port = ntohs(reinterpret_cast<sockaddr_in&>(address).sin_port);
  Write(config_path_,
        "[lmtp]\nsocket = \"\"\nlisten = [\"127.0.0.1:" + std::to_string(port) + "\"]\n");
  LmtpPeer peer(fd, {});
  EXPECT_EQ(RunHere({"deliver", "a@b"}, "x"), ExitCode::kOk) << err_;
}

TEST_F(DeliverTest, EachRecipientHasItsOwnResult) {
  const auto peer = Listen({.rcpt = {{"no@b", "550 5.1.1 nobody of that name"}},
                            .after_data = {{"full@b", "452 4.2.2 mailbox full"}}});
  EXPECT_EQ(RunHere({"deliver", "yes@b", "no@b", "full@b", "too@b"}, "x"), ExitCode::kTemporary);
  EXPECT_EQ(out_, "yes@b: delivered\ntoo@b: delivered\n");
  EXPECT_EQ(err_,
            "poplar: no@b: 550 5.1.1 nobody of that name\n"
            "poplar: full@b: 452 4.2.2 mailbox full\n");
}

TEST_F(DeliverTest, ExitCodesSayWhoseItIs) {
  const struct {
    PeerScript script;
    ExitCode code;
  } cases[] = {
      {{.rcpt = {{"a@b", "550 5.1.1 nobody"}}}, ExitCode::kNoUser},
      {{.rcpt = {{"a@b", "501 5.1.3 no domain"}}}, ExitCode::kUsage},
      {{.rcpt = {{"a@b", "451 4.3.0 directory down"}}}, ExitCode::kTemporary},
      {{.rcpt = {{"a@b", "554 5.7.1 not here"}}}, ExitCode::kUnavailable},
      {{.mail = "552 5.3.4 too large"}, ExitCode::kDataError},
      {{.mail = "501 5.1.7 bad sender"}, ExitCode::kUsage},
      {{.mail = "553 5.1.8 no such domain"}, ExitCode::kUsage},
      {{.after_data = {{"a@b", "552 5.3.4 too large"}}}, ExitCode::kDataError},
      {{.after_data = {{"a@b", "552 5.2.2 over quota"}}}, ExitCode::kUnavailable},
      {{.data = "451 4.3.0 later"}, ExitCode::kTemporary},
      {{.data = "250 what"}, ExitCode::kTemporary},
      {{.greeting = "421 4.3.2 too busy"}, ExitCode::kTemporary},
      {{.greeting = "554 5.3.2 no"}, ExitCode::kUnavailable},
      {{.greeting = "SSH-2.0-OpenSSH"}, ExitCode::kTemporary},
      {{.lhlo = "502 5.5.1 not LMTP"}, ExitCode::kUnavailable},
  };
  for (const auto& test : cases) {
    const auto peer = Listen(test.script);
    EXPECT_EQ(RunHere({"deliver", "a@b"}, "x"), test.code) << err_;
    EXPECT_THAT(err_, HasSubstr("poplar: "));
    EXPECT_EQ(out_, "");
    std::filesystem::remove(folder_ / "l.sock");
  }
}

TEST_F(DeliverTest, AServerThatLeavesEarlyIsHeard) {
  const auto peer = Listen({.closes_while_message_arrives = true});
  EXPECT_EQ(RunHere({"deliver", "a@b"}, std::string(3'000'000, 'x')), ExitCode::kTemporary);
  EXPECT_THAT(err_, HasSubstr("421 4.3.2 going down"));
}

TEST_F(DeliverTest, WithoutAServerTheMailIsToBeKept) {
  EXPECT_EQ(RunHere({"deliver", "a@b"}, "x"), ExitCode::kTemporary);
  EXPECT_THAT(err_, HasSubstr("no server takes mail at"));
}

TEST_F(DeliverTest, WhatCannotBeSentIsNot) {
  EXPECT_EQ(RunHere({"deliver", "a@b> x"}, "x"), ExitCode::kUsage);
  EXPECT_EQ(RunHere({"deliver", "a@b\r\nRSET"}, "x"), ExitCode::kUsage);
  EXPECT_EQ(RunHere({"deliver", ""}, "x"), ExitCode::kUsage);
  EXPECT_EQ(RunHere({"deliver", "--from", "a b", "a@b"}, "x"), ExitCode::kUsage);
  EXPECT_EQ(RunHere({"deliver", "a@b"}, ""), ExitCode::kNoInput);
  EXPECT_THAT(err_, HasSubstr("no message"));
  Write(config_path_, "[lmtp]\nrecipients_max = 100\n");
  std::vector<std::string> too_many(102, "a@b");
  too_many.front() = "deliver";
  EXPECT_EQ(RunHere(too_many, "x"), ExitCode::kUsage);
  EXPECT_THAT(err_, HasSubstr("101 recipients are more than"));
  Write(config_path_, "[lmtp]\nsocket = \"\"\nlisten = []\n");
  EXPECT_EQ(RunHere({"deliver", "a@b"}, "x"), ExitCode::kConfig);
}

// A stream whose source breaks after some text.
class BreakingBuffer : public std::streambuf {
 protected:
  int_type underflow() override {
    if (given_) throw std::ios_base::failure("broken");
    given_ = true;
    setg(text_.data(), text_.data(), text_.data() + text_.size());
    return traits_type::to_int_type(text_.front());
  }

 private:
  std::string text_ = "Subject: half\n";
  bool given_ = false;
};

TEST_F(DeliverTest, HalfAMessageIsNotDelivered) {
  const auto peer = Listen();
  BreakingBuffer buffer;
  std::istream broken(&buffer);
  const auto results = DeliverByLmtp({.server = UnixSocketPath{folder_ / "l.sock"},
                                      .from = "",
                                      .recipients = {"a@b"},
                                      .message = broken});
  EXPECT_EQ(results.status().code(), StatusCode::kDataLoss);
  peer->Join();
  EXPECT_EQ(peer->message, "");
}

TEST_F(DeliverTest, AServerThatSaysNothingIsGivenUp) {
  const base::UniqueFd silent = ListeningSocket();
  std::istringstream message("x");
  const auto results = DeliverByLmtp({.server = UnixSocketPath{folder_ / "l.sock"},
                                      .from = "",
                                      .recipients = {"a@b"},
                                      .message = message,
                                      .timeout_s = 1});
  EXPECT_EQ(results.status().code(), StatusCode::kDeadlineExceeded);
}

}  // namespace
}  // namespace poplar::app
