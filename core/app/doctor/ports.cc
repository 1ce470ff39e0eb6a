#include "core/app/doctor/ports.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <functional>
#include <utility>
#include <vector>

#include "core/app/doctor/port_holder.h"
#include "core/app/transfer/line_connection.h"
#include "core/base/fd.h"
#include "core/net/address.h"

namespace poplar::app {
namespace {

using tenant::ListenAddress;

constexpr uint32_t kPortTimeoutS = 5;

// From where a listener on all addresses is reached on this machine.
std::string HostOf(const ListenAddress& address) {
  if (address.host == "0.0.0.0") return "127.0.0.1";
  return address.host == "::" ? "::1" : address.host;
}

// Where it lacks it, a server passes over its listeners there, and says so.
bool MachineHasIpv6() {
  const base::UniqueFd fd(::socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const sockaddr_in6 loopback{.sin6_family = AF_INET6,
                              .sin6_port = 0,
                              .sin6_flowinfo = 0,
                              .sin6_addr = IN6ADDR_LOOPBACK_INIT,
                              .sin6_scope_id = 0};
  return fd.valid() &&
         ::bind(fd.get(), reinterpret_cast<const sockaddr*>(&loopback), sizeof loopback) == 0;
}

class PortLook {
 public:
  PortLook(const std::string& host, bool runs, Findings& findings)
      : host_(host), runs_(runs), findings_(findings) {}

  using Talk = std::function<Status(LineConnection&)>;

  void Look(const std::string& what, const std::vector<ListenAddress>& addresses,
            const Talk& talk) {
    for (const ListenAddress& address : addresses) LookAt(what, address, talk);
  }

  // Proxies begin with a header, and this machine may count as one.
  Status Introduce(LineConnection& connection, const ListenAddress& address,
                   const std::vector<base::IpNetwork>& proxies) const {
    const auto parsed = net::Address::Parse(address.is_ipv6() ? "[" + HostOf(address) + "]:1"
                                                              : HostOf(address) + ":1");
    if (!parsed.ok() || !parsed->IsIn(proxies)) return OkStatus();
    return connection.Write("PROXY UNKNOWN\r\n");
  }

  Status Greets(LineConnection& connection, std::string_view with) const {
    POP_ASSIGN_OR_RETURN(const std::string line, connection.ReadLine());
    if (line.starts_with(with)) return OkStatus();
    return MakeStatus(StatusCode::kUnavailable, "it greets with \"" + line.substr(0, 80) + "\"");
  }

  Status Tls(LineConnection& connection) {
    POP_RETURN_IF_ERROR(
        connection.StartTls(host_, {.ca_file = "", .insecure = false, .only_note = true}));
    certificate_fault_ = connection.certificate_fault();
    saw_certificate_ = true;
    return OkStatus();
  }

  void TellOfCertificate() const {
    if (!saw_certificate_) return;
    if (certificate_fault_.empty()) {
      findings_.Good("certificate", "mail programs that come to " + host_ + " trust it");
      return;
    }
    findings_.Note("certificate",
                   "mail programs that come to " + host_ + " warn of it: " + certificate_fault_,
                   "a certificate for that name from an authority that they know (tls.certificate, "
                   "or a folder " +
                       host_ + " in tls.certificates)",
                   "Your mail program may ask whether it shall trust our server's certificate.");
  }

 private:
  void LookAt(const std::string& what, const ListenAddress& address, const Talk& talk) {
    const std::string step = "port " + what;
    if (address.port == 0) {
      return findings_.Skip(step, address.ToString() + ": the kernel chooses the port");
    }
    if (address.host == "::" && !MachineHasIpv6()) {
      return findings_.Skip(step, address.ToString() + ": this machine has no IPv6");
    }
    if (!runs_) return LookAtHolder(step, address);
    auto connection = LineConnection::ToTcp(HostOf(address), address.port, kPortTimeoutS);
    if (!connection.ok()) {
      return findings_.OurFault(step, std::string(Message(connection.status())),
                                "the log says `listening` for each address");
    }
    const Status talked = talk(*connection);
    if (!talked.ok()) {
      return findings_.OurFault(step, address.ToString() + ": " + std::string(Message(talked)),
                                "another program may have the port (`ss -ltnp`), or the server is "
                                "overloaded or draining: look into its log");
    }
    findings_.Good(step, address.ToString() + " answers");
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

  const std::string& host_;
  const bool runs_;
  Findings& findings_;
  std::string certificate_fault_;
  bool saw_certificate_ = false;
};

// The body; empty: it could not be had.
std::string HttpGet(const ListenAddress& address, const std::string& path) {
  auto connection = LineConnection::ToTcp(HostOf(address), address.port, kPortTimeoutS);
  if (!connection.ok() ||
      !connection->Write("GET " + path + " HTTP/1.0\r\nHost: localhost\r\n\r\n").ok()) {
    return "";
  }
  auto line = connection->ReadLine();
  while (line.ok() && !line->empty()) line = connection->ReadLine();
  std::string body;
  for (auto more = connection->Peek(); line.ok() && more.ok(); more = connection->Peek()) {
    body += *more;
    connection->Take(more->size());
  }
  return body;
}

// The values of a metric's samples, with their labels as the page has them.
std::vector<std::pair<std::string, double>> Samples(const std::string& page,
                                                    const std::string& name) {
  std::vector<std::pair<std::string, double>> samples;
  for (size_t at = 0; at < page.size();) {
    const size_t end = std::min(page.find('\n', at), page.size());
    const std::string line = page.substr(at, end - at);
    at = end + 1;
    const size_t blank = line.rfind(' ');
    if (!line.starts_with(name) || blank == std::string::npos) continue;
    const std::string labels = line.substr(name.size(), blank - name.size());
    if (!labels.empty() && !labels.starts_with('{')) continue;  // A longer name.
    samples.emplace_back(labels, strtod(line.c_str() + blank, nullptr));
  }
  return samples;
}

std::string LabelOf(const std::string& labels, const std::string& name) {
  const size_t at = labels.find(name + "=\"");
  if (at == std::string::npos) return "";
  const size_t from = at + name.size() + 2;
  return labels.substr(from, labels.find('"', from) - from);
}

void LookAtBackends(const std::string& page, Findings& findings) {
  bool all_answer = true;
  for (const auto& [labels, value] : Samples(page, "poplar_backend_breaker")) {
    if (value == 0) continue;
    all_answer = false;
    const std::string backend = LabelOf(labels, "backend");
    findings.Add({.step = "back end " + backend,
                  .health = Health::kFault,
                  .says = "it cannot be reached, and is being tried again now and then",
                  .mover = Mover::kDirectory,
                  .mend = "whoever runs what [backend." + backend +
                          "] names; the server's log has "
                          "the error (auth_backend_failed)",
                  .to_customer = "The directory that knows your password cannot be reached just "
                                 "now. Please try again later: your mail is kept.",
                  .code = ExitCode::kTemporary});
  }
  for (const auto& [labels, value] : Samples(page, "poplar_backend_tenants_left_alone")) {
    if (value == 0) continue;
    all_answer = false;
    findings.Note("back end " + LabelOf(labels, "backend"),
                  "questions of single tenants fail there (" +
                      std::to_string(static_cast<uint64_t>(value)) + ")",
                  "the server's log says of which");
  }
  if (all_answer) findings.Good("back ends", "all that were asked answer");
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
  bool all = true;
  for (const auto& [protocol, listen] : sections) {
    for (const ListenAddress& address : NotListenedAt(protocol, *listen, listeners)) {
      if (address.is_ipv6() && !MachineHasIpv6()) continue;
      all = false;
      findings.OurFault(
          "listeners",
          "the server does not listen at " + address.ToString() + ", which " + protocol +
              ".listen has",
          "a restart takes what the configuration has now; the log says `listening` for each "
          "address");
    }
  }
  if (!all) return;
  const auto inherited = std::ranges::count_if(listeners, &Listener::inherited);
  findings.Good("listeners", inherited == 0 ? "all that the configuration has"
                                            : std::to_string(inherited) +
                                                  " are the service manager's sockets, in place of "
                                                  "what the configuration has");
}

void LookAtPorts(const tenant::Config& config, const std::string& host, bool runs,
                 Findings& findings) {
  PortLook look(host, runs, findings);
  for (const ListenAddress& address : config.pop3.listen) {
    look.Look("pop3", {address}, [&](LineConnection& connection) {
      POP_RETURN_IF_ERROR(look.Introduce(connection, address, config.pop3.proxy_networks));
      return look.Greets(connection, "+OK");
    });
  }
  for (const ListenAddress& address : config.pop3s.listen) {
    look.Look("pop3s", {address}, [&](LineConnection& connection) {
      POP_RETURN_IF_ERROR(look.Introduce(connection, address, config.pop3.proxy_networks));
      POP_RETURN_IF_ERROR(look.Tls(connection));
      return look.Greets(connection, "+OK");
    });
  }
  for (const ListenAddress& address : config.lmtp.listen) {
    look.Look("lmtp", {address}, [&](LineConnection& connection) {
      POP_RETURN_IF_ERROR(look.Introduce(connection, address, config.lmtp.proxy_networks));
      return look.Greets(connection, "220");
    });
  }
  look.Look("setup", config.setup.listen, [&](LineConnection& connection) {
    POP_RETURN_IF_ERROR(connection.Write("GET / HTTP/1.0\r\nHost: localhost\r\n\r\n"));
    return look.Greets(connection, "HTTP/1.");
  });
  look.TellOfCertificate();
}

void LookAtMetrics(const tenant::Config& config, Findings& findings) {
  if (!config.http.listen || config.http.listen->port == 0) {
    return findings.Skip("metrics", "http.listen is empty, or the kernel chooses its port");
  }
  const std::string ready = HttpGet(*config.http.listen, "/readyz");
  const std::string page = HttpGet(*config.http.listen, "/metrics");
  if (page.empty()) {
    return findings.OurFault("metrics", config.http.listen->ToString() + " does not answer",
                             "another program may have the port (`ss -ltnp`)");
  }
  if (ready.starts_with("ready")) {
    findings.Good("server", "it is ready");
  } else {
    findings.OurFault("server", "it is not ready: " + ready.substr(0, ready.find('\n')),
                      "\"starting\" ends by itself, \"draining\" with a new start");
  }
  LookAtBackends(page, findings);
  double damages = 0;
  for (const std::string name : {"poplar_store_damages_total", "poplar_store_index_unsound"}) {
    for (const auto& [labels, value] : Samples(page, name)) damages += value;
  }
  if (damages > 0) {
    findings.OurFault("store", "damage was found; what is not damaged is served",
                      "core/OPERATIONS.md, \"A damaged disk\"; the log names each (store_damage)",
                      ExitCode::kIoError);
  } else {
    findings.Good("store", "no damage was met since the start");
  }
}

}  // namespace poplar::app
