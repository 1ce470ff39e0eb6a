#include "core/server/connection.h"

#include <utility>

namespace poplar::server {

std::string_view Name(Protocol protocol) { return protocol == Protocol::kPop3 ? "pop3" : "lmtp"; }

Connection::Connection(ShardServices& services, base::UniqueFd socket, net::Address peer,
                       const net::StreamOptions& options)
    : services_(services),
      stream_(services.reactor(), std::move(socket), options, services.net_metrics),
      peer_(std::move(peer)),
      started_us_(services.reactor().now_us()),
      id_(services.registry.NewId()) {}

void Connection::Start() {
  task_ = RunToEnd();
  task_.Start();
}

void Connection::End(EndCause cause) {
  if (end_cause_) return;
  end_cause_ = cause;
  stream_.InterruptReceive();
  // Whoever is kicked does not finish what he does not read, and a handshake hears of nothing.
  if (cause != EndCause::kDrain) stream_.AbortIfStuck();
}

void Connection::Abort() { stream_.Abort(); }

io::Task<void> Connection::RunToEnd() {
  co_await Run();
  closing_ = true;
  io::Completion<net::StreamEnd> closed;
  stream_.Close(closed);
  co_await closed;
  services_.reactor().Schedule(finished_);
}

void Connection::Finished() { services_.registry.Remove(id_); }

}  // namespace poplar::server
