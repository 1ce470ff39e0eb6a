// A server that says all it has to say as soon as somebody connects, and remembers what it was
// told. For clients that ask one thing after the other.

#pragma once

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <string>
#include <string_view>
#include <thread>

#include "core/base/check.h"
#include "core/base/fd.h"

namespace poplar::app {

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
    Serve(std::move(script), piece_bytes);
  }
  // The same on a port of this machine.
  struct OnTcp {};
  ScriptedPeer(OnTcp, std::string script) {
    listener_ = base::UniqueFd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof address;
    POP_CHECK(bind(listener_.get(), reinterpret_cast<sockaddr*>(&address), length) == 0);
    POP_CHECK(getsockname(listener_.get(), reinterpret_cast<sockaddr*>(&address), &length) == 0);
    port_ = ntohs(address.sin_port);
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
    POP_CHECK(listen(listener_.get(), 1) == 0);
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

}  // namespace poplar::app
