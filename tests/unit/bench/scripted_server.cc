#include "tests/unit/bench/scripted_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <chrono>
#include <thread>

#include "core/base/check.h"

namespace poplar::load {
namespace {

constexpr int kPollMs = 20;

}  // namespace

ScriptedServer::ScriptedServer(Script script, uint64_t greeting_delay_ms, uint64_t prompt_greetings)
    : script_(std::move(script)),
      greeting_delay_ms_(greeting_delay_ms),
      prompt_greetings_(prompt_greetings),
      listener_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t bytes = sizeof(address);
  auto* raw = reinterpret_cast<sockaddr*>(&address);
  POP_CHECK(bind(listener_.get(), raw, bytes) == 0 && listen(listener_.get(), 16) == 0);
  POP_CHECK(getsockname(listener_.get(), raw, &bytes) == 0);
  port_ = ntohs(address.sin_port);
  thread_ = std::thread([this] { Serve(); });
}

ScriptedServer::~ScriptedServer() {
  ending_ = true;
  thread_.join();
}

void ScriptedServer::Serve() {
  while (!ending_) {
    pollfd waiting{listener_.get(), POLLIN, 0};
    if (poll(&waiting, 1, kPollMs) <= 0) continue;
    base::UniqueFd connection(accept(listener_.get(), nullptr, nullptr));
    if (connection.valid()) Talk(connection.get());
  }
}

void ScriptedServer::Talk(int connection) {
  if (prompt_greetings_ > 0) {
    --prompt_greetings_;
  } else {
    std::this_thread::sleep_for(std::chrono::milliseconds(greeting_delay_ms_));
  }
  if (!Say(connection, "")) return;
  std::string input;
  while (!ending_) {
    pollfd waiting{connection, POLLIN, 0};
    if (poll(&waiting, 1, kPollMs) <= 0) continue;
    char bytes[512];
    ssize_t received = recv(connection, bytes, sizeof(bytes), 0);
    if (received <= 0) return;
    input.append(bytes, static_cast<size_t>(received));
    for (size_t end = input.find("\r\n"); end != std::string::npos; end = input.find("\r\n")) {
      std::string verb = input.substr(0, std::min(end, input.find(' ')));
      input.erase(0, end + 2);
      if (!Say(connection, verb)) return;
      if (verb == "QUIT") return;
    }
  }
}

bool ScriptedServer::Say(int connection, std::string_view verb) {
  auto said = script_.find(verb);
  if (said == script_.end()) return true;
  if (said->second == kHangUp) return false;
  return send(connection, said->second.data(), said->second.size(), MSG_NOSIGNAL) >= 0;
}

}  // namespace poplar::load
