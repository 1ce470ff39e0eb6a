// The header of a proxy in front (the PROXY protocol), and who the client is then.

#include <utility>

#include "core/base/log.h"
#include "core/net/host_name.h"
#include "core/server/connection.h"

namespace poplar::server {
namespace {

// A header is sent with the connection. The protocol asks for 3 s at least, as the network may lose
// the first packet.
constexpr uint64_t kHeaderMs = 5000;

}  // namespace

std::string_view Name(ProxyOutcome outcome) {
  switch (outcome) {
    case ProxyOutcome::kClient:
      return "client";
    case ProxyOutcome::kLocal:
      return "local";
    case ProxyOutcome::kSilent:
      return "silent";
    case ProxyOutcome::kWrong:
      return "wrong";
    case ProxyOutcome::kCut:
      return "cut";
    case ProxyOutcome::kLate:
      return "late";
  }
  return "?";
}

io::Task<bool> Connection::TakeProxyHeader() {
  net::ProxyHeader header;
  header_timer_.Arm(kHeaderMs);
  const std::optional<ProxyOutcome> outcome = co_await ReadProxyHeader(&header);
  header_timer_.Disarm();
  if (!outcome) co_return false;
  services_.metrics.proxy_headers[static_cast<size_t>(*outcome)].Add();
  if (*outcome == ProxyOutcome::kLocal) co_return true;
  if (*outcome == ProxyOutcome::kClient) {
    SpeakFor(std::move(*header.client));
    proxied_->tls = std::move(header.tls);
    proxied_->server_name = net::NormalHostName(header.server_name);
    co_return true;
  }
  SettleEnd("proxy_header");
  // Who only looks whether we listen says nothing at all.
  if (*outcome != ProxyOutcome::kSilent) {
    base::Log(base::LogLevel::kWarning, "proxy_header_refused",
              {{"session", id_.value()},
               {"protocol", Name(Info().protocol)},
               {"proxy", peer_.HostText()},
               {"reason", Name(*outcome)}});
  }
  co_return false;
}

// Nothing: we end the connection ourselves. What follows the header stays in the stream.
io::Task<std::optional<ProxyOutcome>> Connection::ReadProxyHeader(net::ProxyHeader* header) {
  std::string head;
  while (head.size() < net::kProxyHeaderBytesMax) {
    const bool received = co_await Receive();
    if (end_cause_) co_return std::nullopt;
    if (!received && (header_late_ || ended_idle())) co_return ProxyOutcome::kLate;
    if (!received) co_return head.empty() ? ProxyOutcome::kSilent : ProxyOutcome::kCut;
    const std::string_view input = stream_.input();
    const size_t before = head.size();
    head += input.substr(0, net::kProxyHeaderBytesMax - before);
    const net::ProxyParse parsed = net::ParseProxyHeader(head, *header);
    if (parsed == net::ProxyParse::kWrong) break;
    const bool done = parsed == net::ProxyParse::kDone;
    stream_.Consume((done ? header->bytes : head.size()) - before);
    if (done) co_return header->client ? ProxyOutcome::kClient : ProxyOutcome::kLocal;
  }
  co_return ProxyOutcome::kWrong;
}

void Connection::OnHeaderLate() {
  header_late_ = true;
  stream_.InterruptIdle(net::StreamEnd::kInterrupted);
}

void Connection::SpeakFor(net::Address client) {
  if (!proxied_) proxied_ = std::make_unique<Proxied>(Proxied{peer_, std::nullopt, ""});
  peer_ = std::move(client);
}

}  // namespace poplar::server
