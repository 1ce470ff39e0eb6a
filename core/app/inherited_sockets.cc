#include "core/app/inherited_sockets.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <systemd/sd-daemon.h>

#include <cstdlib>
#include <string>
#include <utility>
#include <vector>

namespace poplar::app {
namespace {

struct NamedSocket {
  std::string name;
  base::UniqueFd fd;
};

std::vector<NamedSocket> TakeAll() {
  char** names = nullptr;
  const int count = sd_listen_fds_with_names(/*unset_environment=*/1, &names);
  std::vector<NamedSocket> sockets;
  for (int i = 0; i < count; ++i) {
    sockets.push_back({names[i], base::UniqueFd(SD_LISTEN_FDS_START + i)});
    std::free(names[i]);
  }
  std::free(static_cast<void*>(names));
  return sockets;
}

bool Listens(const base::UniqueFd& socket, int family) {
  return sd_is_socket(socket.get(), family, SOCK_STREAM, /*listening=*/1) > 0;
}

Status Refuse(const std::string& name, const std::string& why) {
  return MakeStatus(StatusCode::kInvalidArgument,
                    "the service manager handed over a socket named \"" + name + "\": " + why);
}

Status Sort(NamedSocket socket, const tenant::Config& config, InheritedSockets& sorted) {
  const std::string& name = socket.name;
  const bool is_tcp = Listens(socket.fd, AF_INET) || Listens(socket.fd, AF_INET6);
  const bool is_unix = Listens(socket.fd, AF_UNIX);
  if (name == "lmtp" && is_unix) {
    sorted.mail.lmtp_unix.push_back(std::move(socket.fd));
    return OkStatus();
  }
  if (name != "pop3" && name != "pop3s" && name != "lmtp" && name != "http") {
    return Refuse(name, "its name (FileDescriptorName=) must be pop3, pop3s, lmtp or http");
  }
  if (!is_tcp) {
    return Refuse(name, name == "lmtp" ? "it must listen, on TCP or a Unix socket (ListenStream=)"
                                       : "it must listen on TCP (ListenStream=)");
  }
  if (name == "pop3s" && !config.tls.enabled()) {
    return Refuse(name, "but tls.certificate is empty, so there is no TLS");
  }
  if (name == "http") {
    if (sorted.http.valid()) return Refuse(name, "there can be only one of that name");
    sorted.http = std::move(socket.fd);
  } else {
    (name == "pop3"    ? sorted.mail.pop3
     : name == "pop3s" ? sorted.mail.pop3s
                       : sorted.mail.lmtp)
        .push_back(std::move(socket.fd));
  }
  return OkStatus();
}

}  // namespace

StatusOr<InheritedSockets> TakeInheritedSockets(const tenant::Config& config) {
  InheritedSockets sorted;
  const std::string& congestion = config.server.congestion_control;
  for (NamedSocket& socket : TakeAll()) {
    // Now, as the right to it is given away with the others; anybody may set it again later, and
    // whoever listens sees whether it is set.
    if (!congestion.empty()) {
      (void)::setsockopt(socket.fd.get(), IPPROTO_TCP, TCP_CONGESTION, congestion.data(),
                         static_cast<socklen_t>(congestion.size()));
    }
    POP_RETURN_IF_ERROR(Sort(std::move(socket), config, sorted));
  }
  return sorted;
}

}  // namespace poplar::app
