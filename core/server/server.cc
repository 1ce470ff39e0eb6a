#include "core/server/server.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <thread>
#include <utility>

#include "core/base/clock.h"
#include "core/base/log.h"

namespace poplar::server {
namespace {

// MTAs are near (RFC 2033 §1), so a small window is enough for them; one that TCP tunes by itself
// holds megabytes of each message that comes faster than the disk takes it.
constexpr uint32_t kLmtpReceiveBufferBytes = 128 * kKiB;
constexpr std::chrono::milliseconds kDrainLook{10};
// After the cut, descriptors and leases are given back within this: a connection may wait for two
// questions to back ends in a row, each within ten seconds. What takes longer is told.
constexpr uint64_t kAbortWaitMs = 25'000;

// Short, and of characters that any id may have.
std::string ShortText(int64_t number) {
  std::array<char, 16> text;
  const auto end = std::to_chars(text.data(), text.data() + text.size(), number, 36).ptr;
  return {text.data(), end};
}

net::Address ToNet(const tenant::ListenAddress& address) {
  sockaddr_storage storage{};
  const socklen_t bytes = address.ToSockaddr(storage);
  return net::Address::FromSockaddr(storage, bytes);
}

// Whoever listens on both loopbacks, as the defaults do, shall not fail where there is IPv4 only.
bool IsOfMissingIpv6(const net::Address& address) {
  static const bool has_ipv6 = net::HasIpv6();
  if (has_ipv6 || address.family != net::Address::Family::kIpv6) return false;
  if (!address.is_loopback()) return false;
  base::Log(base::LogLevel::kWarning, "listen_skipped",
            {{"address", address.Text()}, {"reason", "this machine has no IPv6"}});
  return true;
}

}  // namespace

Server::Server(Parts parts)
    : parts_(std::move(parts)), run_(ShortText(base::SystemClock().WallUs() / 1'000'000)) {}

StatusOr<std::unique_ptr<Server>> Server::Start(const tenant::Config& config,
                                                std::shared_ptr<const net::TlsContext> tls,
                                                Parts parts, Inherited inherited) {
  std::unique_ptr<Server> server(new Server(std::move(parts)));
  io::ShardSet& shards = server->parts_.shards;
  const bool has_tls = tls != nullptr;
  const std::shared_ptr<const Settings> settings = server->SettingsOf(config, std::move(tls));
  server->servers_.resize(shards.count());
  server->services_by_shard_.resize(shards.count());
  Status status;
  shards.RunOnEach([&](io::Shard& shard) {
    const uint32_t index = shard.index().value();
    auto& slot = server->servers_[index];
    slot = std::make_unique<ShardServer>(shard, server->parts_.store.OnShard(shard.index()),
                                         *server->parts_.auth[index], server->door_,
                                         server->parts_.policies, server->parts_.certificates);
    server->services_by_shard_[index] = &slot->services();
    slot->services().by_shard = &server->services_by_shard_;
    const Status prepared = slot->Prepare(settings);
    if (status.ok()) status = prepared;
  });
  if (status.ok()) status = server->ListenOnAll(config, has_tls, std::move(inherited));
  if (!status.ok()) {
    server->Drain(0);
    return status;
  }
  return server;
}

Server::~Server() {
  if (servers_.empty()) return;
  parts_.shards.RunOnEach([this](io::Shard& shard) { servers_[shard.index().value()].reset(); });
}

std::shared_ptr<const Settings> Server::SettingsOf(const tenant::Config& config,
                                                   std::shared_ptr<const net::TlsContext> tls) {
  pop3_connections_max_.Set(config.pop3.connections_max);
  lmtp_connections_max_.Set(config.lmtp.connections_max);
  LoginMechanisms work;
  parts_.shards.RunOn(ShardIndex(0),
                      [&](io::Shard&) { work = parts_.auth[0]->MechanismsOf(std::nullopt); });
  return MakeSettings(config, {.tls = std::move(tls), .work = work, .run = run_});
}

Status Server::ListenOnAll(const tenant::Config& config, bool tls, Inherited inherited) {
  net::ListenOptions options;
  options.congestion_control = config.server.congestion_control;
  options.bind = parts_.bind;
  const auto adopt = [&](Service service, std::vector<base::UniqueFd>& sockets) {
    for (base::UniqueFd& socket : sockets)
      POP_RETURN_IF_ERROR(ListenShared(service, options, std::move(socket)));
    return OkStatus();
  };
  const auto listen_on = [&](Service service, std::vector<base::UniqueFd>& sockets,
                             const std::vector<tenant::ListenAddress>& addresses) {
    if (!sockets.empty()) return adopt(service, sockets);
    Status status;
    bool listens = false;
    for (size_t i = 0; i < addresses.size() && status.ok(); ++i) {
      options.address = ToNet(addresses[i]);
      const bool is_last_chance = !listens && i + 1 == addresses.size();
      if (!is_last_chance && IsOfMissingIpv6(options.address)) continue;
      status = Listen(service, options);
      listens = true;
    }
    return status;
  };
  options.unsent_bytes_max = net::kUnsentBytesMax;
  POP_RETURN_IF_ERROR(listen_on(Service::kPop3, inherited.pop3, config.pop3.listen));
  if (tls) POP_RETURN_IF_ERROR(listen_on(Service::kPop3s, inherited.pop3s, config.pop3s.listen));
  options.unsent_bytes_max = net::kUnsentUnlimited;
  options.receive_buffer_bytes = kLmtpReceiveBufferBytes;
  POP_RETURN_IF_ERROR(listen_on(Service::kLmtp, inherited.lmtp, config.lmtp.listen));
  net::ListenOptions on_unix;
  on_unix.address.path = config.lmtp.socket;
  if (!inherited.lmtp_unix.empty()) {
    POP_RETURN_IF_ERROR(adopt(Service::kLmtp, inherited.lmtp_unix));
  } else if (!on_unix.address.path.empty()) {
    POP_RETURN_IF_ERROR(ListenShared(Service::kLmtp, on_unix));
  }
  if (config.admin.socket.empty()) return OkStatus();
  on_unix.unix_mode = 0600;
  on_unix.address.path = config.admin.import_socket();
  POP_RETURN_IF_ERROR(ListenShared(Service::kImport, on_unix));
  on_unix.address.path = config.admin.export_socket();
  return ListenShared(Service::kExport, on_unix);
}

// The first shard opens the address, the others the same one: with port 0, what the first has got.
Status Server::Listen(Service service, net::ListenOptions options) {
  Status status;
  parts_.shards.RunOnEach([&](io::Shard& shard) {
    if (!status.ok()) return;
    const StatusOr<net::Address> bound = servers_[shard.index().value()]->Listen(service, options);
    if (!bound.ok()) {
      status = bound.status();
      return;
    }
    options.address = *bound;
    options.claim = false;
  });
  if (status.ok()) listening_.push_back({service, options.address.Text(), /*inherited=*/false});
  return status;
}

// The shards accept from one socket: a Unix socket has no SO_REUSEPORT, and what the service
// manager handed over is one as it is.
Status Server::ListenShared(Service service, net::ListenOptions options, base::UniqueFd inherited) {
  const bool is_inherited = inherited.valid();
  options.shared = parts_.shards.count() > 1;
  StatusOr<net::Address> bound = net::Address();
  parts_.shards.RunOnEach([&](io::Shard& shard) {
    if (!bound.ok()) return;
    ShardServer& server = *servers_[shard.index().value()];
    if (shard.index() == ShardIndex(0)) {
      bound = is_inherited ? server.Adopt(service, std::move(inherited), options)
                           : server.Listen(service, options);
      return;
    }
    StatusOr<base::UniqueFd> socket = servers_[0]->SocketToShare();
    bound = socket.ok() ? server.Adopt(service, std::move(*socket), options) : socket.status();
  });
  if (bound.ok()) listening_.push_back({service, bound->Text(), is_inherited});
  return bound.status();
}

void Server::Register(base::MetricRegistry& registry) {
  registry.Add(
      pop3_connections_max_, "poplar_pop3_connections_max",
      "POP3 connections that are let in at once: the configured limit, or less where there "
      "are fewer descriptors.");
  registry.Add(lmtp_connections_max_, "poplar_lmtp_connections_max",
               "LMTP connections that are let in at once, likewise.");
  registry.AddComputed(
      base::MetricRegistry::Kind::kCounter,
      [this] { return static_cast<double>(door_.logins.forgotten()); },
      "poplar_login_delays_forgotten_total",
      "Maildrops whose last log-in was forgotten for want of room before their tenant's delay may "
      "have been over.");
  for (ShardServices* services : services_by_shard_) {
    services->metrics.Register(registry);
    services->pop3->metrics.Register(registry, {{"protocol", "pop3"}});
    services->lmtp->metrics.Register(registry, {{"protocol", "lmtp"}});
    services->pop3->chunks.Register(registry, {{"protocol", "pop3"}});
    services->pop3_metrics.Register(registry);
    services->lmtp_metrics.Register(registry);
  }
}

void Server::Reload(const tenant::Config& config, std::shared_ptr<const net::TlsContext> tls) {
  const std::shared_ptr<const Settings> settings = SettingsOf(config, std::move(tls));
  parts_.shards.RunOnEach(
      [&](io::Shard& shard) { servers_[shard.index().value()]->Reload(settings); });
}

std::vector<ConnectionInfo> Server::Sessions() {
  std::vector<ConnectionInfo> all;
  parts_.shards.RunOnEach([&](io::Shard& shard) {
    std::vector<ConnectionInfo> some = services_by_shard_[shard.index().value()]->registry.List();
    all.insert(all.end(), std::make_move_iterator(some.begin()),
               std::make_move_iterator(some.end()));
  });
  return all;
}

bool Server::Kick(SessionId id) {
  const ShardIndex index = SessionRegistry::ShardOf(id);
  if (index.value() >= servers_.size()) return false;
  bool found = false;
  parts_.shards.RunOn(
      index, [&](io::Shard&) { found = services_by_shard_[index.value()]->registry.Kick(id); });
  return found;
}

uint64_t Server::Kick(const std::function<bool(const ConnectionInfo&)>& which) {
  uint64_t kicked = 0;
  parts_.shards.RunOnEach([&](io::Shard& shard) {
    SessionRegistry& registry = services_by_shard_[shard.index().value()]->registry;
    for (const ConnectionInfo& info : registry.List()) {
      if (which(info) && registry.Kick(info.id)) ++kicked;
    }
  });
  return kicked;
}

uint64_t Server::ConnectionsLeft() {
  uint64_t left = 0;
  parts_.shards.RunOnEach([&](io::Shard& shard) {
    const uint32_t index = shard.index().value();
    if (!servers_[index]->drained()) {
      left += std::max<uint64_t>(1, services_by_shard_[index]->registry.size());
    }
  });
  return left;
}

uint64_t Server::Drain(uint64_t limit_ms) {
  parts_.shards.RunOnEach([&](io::Shard& shard) { servers_[shard.index().value()]->BeginDrain(); });
  const auto wait_until = [&](uint64_t deadline_us) {
    uint64_t left = ConnectionsLeft();
    while (left > 0 && base::SystemClock().MonotonicUs() < deadline_us) {
      std::this_thread::sleep_for(kDrainLook);
      left = ConnectionsLeft();
    }
    return left;
  };
  const uint64_t cut = wait_until(base::SystemClock().MonotonicUs() + limit_ms * 1000);
  if (cut > 0) {
    parts_.shards.RunOnEach([&](io::Shard& shard) { servers_[shard.index().value()]->AbortAll(); });
    // One that does not end waits for something that it cannot leave, as the disk: so do we.
    const auto wait = [&] {
      return wait_until(base::SystemClock().MonotonicUs() + kAbortWaitMs * 1000);
    };
    for (uint64_t stuck = wait(); stuck > 0; stuck = wait()) {
      base::Log(base::LogLevel::kError, "drain_stuck", {{"connections", stuck}});
    }
  }
  return cut;
}

}  // namespace poplar::server
