#include "core/app/doctor/ports.h"

#include <algorithm>
#include <functional>
#include <utility>
#include <vector>

#include "core/app/doctor/knock.h"
#include "core/app/doctor/port_holder.h"

namespace poplar::app {
namespace {

using tenant::ListenAddress;

class PortLook {
 public:
  PortLook(ServerState server, Findings& findings) : server_(server), findings_(findings) {}

  using Talk = std::function<Status(LineConnection&)>;

  // True: it answers as it should.
  bool LookAt(const std::string& what, const ListenAddress& address, const Talk& talk) {
    const std::string step = "port " + what;
    if (address.port == 0) {
      return Skip(step, address.ToString() + ": the kernel chooses the port");
    }
    if (address.host == "::" && !MachineHasIpv6()) {
      return Skip(step, address.ToString() + ": this machine has no IPv6");
    }
    if (server_ == ServerState::kDown) {
      LookAtHolder(step, address);
      return false;
    }
    return Try(step, address.ToString(), [&address] { return KnockAt(address); }, talk);
  }

  bool LookAtSocket(const std::string& step, const std::string& path, const Talk& talk) {
    if (server_ == ServerState::kDown) return Skip(step, "no server runs");
    return Try(step, path, [&path] { return LineConnection::ToUnix(path, kKnockTimeoutS); }, talk);
  }

 private:
  using Knock = std::function<StatusOr<LineConnection>()>;

  bool Skip(const std::string& step, const std::string& why) {
    findings_.Skip(step, why);
    return false;
  }

  bool Try(const std::string& step, const std::string& name, const Knock& knock, const Talk& talk) {
    if (hangs_) return Skip(step, name + ": not tried, since the server hangs");
    auto connection = knock();
    if (connection.status().code() == StatusCode::kPermissionDenied) {
      return Skip(step, name + ": you may not use it");
    }
    if (!connection.ok()) {
      findings_.OurFault(step, std::string(Message(connection.status())),
                         "the log says `listening` for each address");
      return false;
    }
    const Status talked = talk(*connection);
    if (talked.ok()) {
      findings_.Good(step, name + " answers");
      return true;
    }
    // Each would take as long.
    hangs_ = server_ == ServerState::kSilent && talked.code() == StatusCode::kDeadlineExceeded;
    findings_.OurFault(step, name + ": " + std::string(Message(talked)),
                       "another program may have it (`ss -ltnp`, `ss -lxp`), or the server is "
                       "overloaded or draining: look into its log");
    return false;
  }

  // Who connected would start a server where systemd holds the port.
  void LookAtHolder(const std::string& step, const ListenAddress& address) {
    const std::optional<PortHolder> holder = HolderOf(address);
    if (!holder) return findings_.Skip(step, "no server runs");
    if (holder->is_systemd()) {
      return findings_.Skip(step, "no server runs; systemd holds " + address.ToString() +
                                      ", and who connects waits there for one");
    }
    if (holder->program.empty()) {
      return findings_.OurFault(
          step,
          "no server runs, and a program that only root may see listens on " + address.ToString(),
          "`ss -ltnp` as root says which. systemd, of its sockets for poplar: all is well, clients "
          "wait there. Another: stop it, or take another port");
    }
    findings_.OurFault(step,
                       "no server runs, and " + holder->program + " (process " +
                           std::to_string(holder->pid) + ") listens on " + address.ToString(),
                       "stop it, or take another port");
  }

  const ServerState server_;
  Findings& findings_;
  bool hangs_ = false;
};

Status Greets(LineConnection& connection, std::string_view with) {
  POP_ASSIGN_OR_RETURN(const std::string line, connection.ReadLine());
  if (line.starts_with(with)) return OkStatus();
  return MakeStatus(StatusCode::kUnavailable, "it greets with \"" + line.substr(0, 80) + "\"");
}

bool ListensAtSocket(const std::string& path, const Listeners& listeners) {
  return std::ranges::any_of(listeners, [&path](const Listener& listener) {
    return listener.protocol == "lmtp" && listener.address.starts_with(kUnixListener) &&
           (listener.inherited || listener.address.substr(kUnixListener.size()) == path);
  });
}

}  // namespace

void LookAtListeners(const tenant::Config& config, const Listeners& listeners, Findings& findings) {
  std::vector<ListenAddress> http;
  if (config.http.listen) http.push_back(*config.http.listen);
  const std::vector<ListenAddress> none;
  const std::vector<std::pair<std::string, const std::vector<ListenAddress>*>> sections = {
      {"pop3", &config.pop3.listen},
      {"pop3s", config.tls.enabled() ? &config.pop3s.listen : &none},
      {"lmtp", &config.lmtp.listen},
      {"http", &http},
      {"setup", &config.setup.listen}};
  std::vector<std::string> missing;
  for (const auto& [protocol, listen] : sections) {
    for (const ListenAddress& address : NotListenedAt(protocol, *listen, listeners)) {
      if (address.is_ipv6() && !MachineHasIpv6()) continue;
      missing.push_back(address.ToString() + ", which " + protocol + ".listen has");
    }
  }
  if (!config.lmtp.socket.empty() && !ListensAtSocket(config.lmtp.socket, listeners)) {
    missing.push_back(config.lmtp.socket + ", which is lmtp.socket");
  }
  for (const std::string& what : missing) {
    findings.OurFault("listeners", "the server does not listen at " + what,
                      "a restart takes what the configuration has now; the log says `listening` "
                      "for each address");
  }
  if (!missing.empty()) return;
  const auto inherited = std::ranges::count_if(listeners, &Listener::inherited);
  findings.Good("listeners", inherited == 0 ? "all that the configuration has"
                                            : std::to_string(inherited) +
                                                  " are the service manager's sockets, in place of "
                                                  "what the configuration has");
}

std::optional<ListenAddress> LookAtPorts(const tenant::Config& config, const std::string& host,
                                         ServerState server, Findings& findings) {
  PortLook look(server, findings);
  std::optional<ListenAddress> answers;
  for (const ListenAddress& address : config.pop3.listen) {
    look.LookAt("pop3", address, [&](LineConnection& connection) {
      POP_RETURN_IF_ERROR(Introduce(connection, address, config.pop3.proxy_networks));
      return Greets(connection, "+OK");
    });
  }
  for (const ListenAddress& address : config.pop3s.listen) {
    const bool good = look.LookAt("pop3s", address, [&](LineConnection& connection) {
      POP_RETURN_IF_ERROR(Introduce(connection, address, config.pop3.proxy_networks));
      POP_RETURN_IF_ERROR(
          connection.StartTls(host, {.ca_file = "", .insecure = true, .only_note = false}));
      return Greets(connection, "+OK");
    });
    if (good && !answers) answers = address;
  }
  for (const ListenAddress& address : config.lmtp.listen) {
    look.LookAt("lmtp", address, [&](LineConnection& connection) {
      POP_RETURN_IF_ERROR(Introduce(connection, address, config.lmtp.proxy_networks));
      return Greets(connection, "220");
    });
  }
  if (!config.lmtp.socket.empty()) {
    look.LookAtSocket("socket lmtp", config.lmtp.socket,
                      [](LineConnection& connection) { return Greets(connection, "220"); });
  }
  for (const ListenAddress& address : config.setup.listen) {
    look.LookAt("setup", address, [](LineConnection& connection) {
      POP_RETURN_IF_ERROR(connection.Write("GET / HTTP/1.0\r\nHost: localhost\r\n\r\n"));
      return Greets(connection, "HTTP/1.");
    });
  }
  return answers;
}

}  // namespace poplar::app
