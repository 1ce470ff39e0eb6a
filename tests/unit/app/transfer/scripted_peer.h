// Servers for tests of clients, of which each serves one client on a thread of its own.

#pragma once

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "core/base/check.h"
#include "core/base/fd.h"

namespace poplar::app {

// A port of this machine that listens.
inline base::UniqueFd ListenHere(uint16_t& port) {
  base::UniqueFd listener(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof address;
  POP_CHECK(bind(listener.get(), reinterpret_cast<sockaddr*>(&address), length) == 0);
  POP_CHECK(getsockname(listener.get(), reinterpret_cast<sockaddr*>(&address), &length) == 0);
  POP_CHECK(listen(listener.get(), 1) == 0);
  port = ntohs(address.sin_port);
  return listener;
}

// Says all it has to say as soon as somebody connects, and remembers what it was told. For clients
// that ask one thing after the other.
class ScriptedPeer {
 public:
  // Sends `script` in pieces of so many octets.
  explicit ScriptedPeer(std::string script, size_t piece_bytes = 1 << 20)
      : path_(testing::TempDir() + "/poplar-peer-" + std::to_string(getpid())) {
    unlink(path_.c_str());
    listener_ = base::UniqueFd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    POP_CHECK(path_.size() < sizeof address.sun_path);
    std::memcpy(address.sun_path, path_.data(), path_.size());
    POP_CHECK(bind(listener_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
    POP_CHECK(listen(listener_.get(), 1) == 0);
    Serve(std::move(script), piece_bytes);
  }
  // The same on a port of this machine.
  struct OnTcp {};
  ScriptedPeer(OnTcp, std::string script) : listener_(ListenHere(port_)) {
    Serve(std::move(script), 1 << 20);
  }
  ~ScriptedPeer() { Told(); }

  const std::string& path() const { return path_; }
  uint16_t port() const { return port_; }
  // Waits for the client to hang up, or takes it that nobody came.
  const std::string& Told() {
    if (thread_.joinable()) {
      shutdown(listener_.get(), SHUT_RDWR);
      thread_.join();
      unlink(path_.c_str());
    }
    return told_;
  }

 private:
  void Serve(std::string script, size_t piece_bytes) {
    thread_ = std::thread([this, script = std::move(script), piece_bytes] {
      const base::UniqueFd client(accept(listener_.get(), nullptr, nullptr));
      if (!client.valid()) return;
      std::string_view rest = script;
      while (!rest.empty()) {
        const ssize_t sent =
            send(client.get(), rest.data(), std::min(piece_bytes, rest.size()), MSG_NOSIGNAL);
        if (sent <= 0) break;
        rest.remove_prefix(static_cast<size_t>(sent));
      }
      shutdown(client.get(), SHUT_WR);
      std::array<char, 4096> piece;
      ssize_t got = 0;
      while ((got = recv(client.get(), piece.data(), piece.size(), 0)) > 0) {
        told_.append(piece.data(), static_cast<size_t>(got));
      }
    });
  }

  std::string path_;
  uint16_t port_ = 0;
  base::UniqueFd listener_;
  std::string told_;
  std::thread thread_;
};

// Answers one command after the other and drops what came with one, as a server may that does not
// promise PIPELINING. Once it has no answer left it is silent until the client hangs up.
class OneAtATimePeer {
 public:
  OneAtATimePeer(std::string greeting, std::vector<std::string> answers)
      : listener_(ListenHere(port_)),
        thread_([this, greeting = std::move(greeting), answers = std::move(answers)] {
          const base::UniqueFd client(accept(listener_.get(), nullptr, nullptr));
          if (!client.valid()) return;
          Send(client, greeting);
          for (const std::string& answer : answers) {
            if (!TakeCommand(client)) return;
            Send(client, answer);
          }
          while (TakeCommand(client)) {
          }
        }) {}
  ~OneAtATimePeer() { Told(); }

  uint16_t port() const { return port_; }
  // The first line of all that came at a time. Waits for the client to hang up.
  const std::string& Told() {
    if (thread_.joinable()) {
      shutdown(listener_.get(), SHUT_RDWR);
      thread_.join();
    }
    return told_;
  }

 private:
  // A client that sends more than one has done so by then; one that does not only waits.
  static constexpr int kMoreMs = 50;

  static void Send(const base::UniqueFd& client, std::string_view text) {
    send(client.get(), text.data(), text.size(), MSG_NOSIGNAL);
  }

  bool TakeCommand(const base::UniqueFd& client) {
    std::string came;
    std::array<char, 4096> piece;
    pollfd more{.fd = client.get(), .events = POLLIN, .revents = 0};
    while (came.find('\n') == std::string::npos || poll(&more, 1, kMoreMs) > 0) {
      const ssize_t got = recv(client.get(), piece.data(), piece.size(), 0);
      if (got <= 0) return false;
      came.append(piece.data(), static_cast<size_t>(got));
    }
    told_ += came.substr(0, came.find('\n') + 1);
    return true;
  }

  uint16_t port_ = 0;
  base::UniqueFd listener_;
  std::string told_;
  std::thread thread_;
};

}  // namespace poplar::app
