// One client's connection, from accept to close: what drivers of both protocols have in common, and
// what the registry knows. A connection lives on the shard that accepted it; only that shard ends
// it.
//
// The registry owns it. Its driver is a coroutine: when that has ended, Finished gives the
// connection back to the registry, which destroys it from the reactor's queue, never from inside
// the coroutine.

#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "core/base/ids.h"
#include "core/io/task.h"
#include "core/net/address.h"
#include "core/net/proxy_header.h"
#include "core/net/stream.h"
#include "core/server/pause.h"
#include "core/server/shard_services.h"

namespace poplar::server {

enum class Protocol : uint8_t { kPop3, kLmtp };
std::string_view Name(Protocol protocol);

// Why the server ends a connection that would go on.
enum class EndCause : uint8_t { kDrain, kKicked, kLoginTimeout, kSessionAge };

// What somebody in front of the server, who is trusted, said of a client's connection.
struct Proxied {
  net::Address proxy;  // Who said it.
  std::optional<net::ProxiedTls> tls;
  std::string server_name;  // In lower case; may be empty.
};

// What `poplar session list` shows.
struct ConnectionInfo {
  SessionId id;
  Protocol protocol = Protocol::kPop3;
  bool tls = false;
  bool closing = false;  // Its commit or its close is under way.
  bool recent = false;   // It reads recent mail only, without the lease.
  std::string peer;      // The client.
  std::string proxy;     // Through whom it came; empty: nobody.
  std::string user;      // Empty before log-in.
  std::string login;     // The name that `user` logged in with, whoever his back end says he is.
  std::string tenant;    // Empty before log-in,
  std::string account;   // and so is this, which with the tenant names the maildrop.
  std::string state;     // "authorization", "transaction", "envelope", "message"…
  uint64_t age_ms = 0;
  uint64_t idle_ms = 0;  // How long the client has been waited for; 0 while it is being served.
};

// Of each shard.
inline constexpr int64_t kHeldBackMax = 1024;

class Connection {
 public:
  // `network` is that of the connection's protocol.
  Connection(ShardServices& services, Network& network, base::UniqueFd socket, net::Address peer,
             const net::StreamOptions& options);
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  virtual ~Connection() = default;

  SessionId id() const { return id_; }
  bool closing() const { return closing_; }
  virtual ConnectionInfo Info() const = 0;

  // Starts the driver. Once; the registry has the connection by then.
  void Start();
  // Asks the driver to end at the next point where the protocol allows a word about it. The first
  // cause is the one that is told; any but a drain ends the wait for such a point soon.
  void End(EndCause cause);
  // Ends it now: whatever is being sent or waited for fails.
  void Abort();
  // Makes sure that a peer that is gone is noticed within seconds.
  void ProbePeer() { stream_.ProbePeer(); }

 protected:
  // The driver: the whole life of the connection. It ends with the stream closed.
  virtual io::Task<void> Run() = 0;
  // The connection is to end: whatever the driver waits for elsewhere and can leave is over.
  virtual void LeaveWaits() {}

  std::optional<EndCause> end_cause() const { return end_cause_; }
  void set_closing() { closing_ = true; }
  // Inside a handshake there is no word for the end: whoever is in one is not waited for.
  void set_in_handshake(bool in_handshake) { in_handshake_ = in_handshake; }
  // While its commit is under way a connection is not cut: the answer is owed.
  void set_committing(bool committing) { committing_ = committing; }
  // id, closing, peer, proxy, age_ms and idle_ms.
  ConnectionInfo CommonInfo() const;

  // The host that the client asked for when it began TLS, in lower case, here or, as a proxy tells
  // it, there; empty: none.
  std::string_view server_name() const {
    if (stream_.tls() != nullptr) return stream_.tls()->server_name();
    return proxied_ ? proxied_->server_name : std::string_view();
  }

  // Reads the PROXY header that a connection of a trusted proxy begins with, before anything else;
  // the client is then who it says, or the proxy itself (its checks whether we live). False: there
  // was none that is right, or the connection is over.
  io::Task<bool> TakeProxyHeader();
  // From now on the client is this one, whom the peer speaks for.
  void SpeakFor(net::Address client);
  // Null: the client came by itself.
  const Proxied* proxied() const { return proxied_.get(); }
  // For logs: empty without one.
  std::string ProxyText() const { return proxied_ ? proxied_->proxy.HostText() : ""; }

  // The stream's operations for a driver. False: the connection is over, and end_word() says why,
  // but for what SettleEnd says.
  // Receive: there is input, or an end_cause() to tell the session about.
  io::Task<bool> Receive();
  io::Task<bool> Flush();
  // A moment before a refusal that the client could have again at once, so that nobody spins. It
  // holds no thread, and is over when the client leaves or the connection is to end; at most
  // kHeldBackMax wait on a shard, for the rest there is none.
  io::Task<void> HoldBack();
  // Until a multiple of `step_ms` (0: none) has passed since `since_us`, or as above: how long it
  // took to find out is then no answer of its own.
  io::Task<void> HoldToStep(uint64_t since_us, uint32_t step_ms);
  // Over early when the connection is to end or the client leaves.
  io::Task<void> Wait(uint64_t delay_ms);
  bool Judge(net::StreamEnd end);

  // How it ended; for the log. What becomes of the stream afterwards (the last reply may find
  // nobody) changes nothing of it.
  void SettleEnd(std::string_view word) { settled_end_ = word; }
  bool end_settled() const { return !settled_end_.empty(); }
  std::string_view end_word() const;
  // Why the stream failed first; kNone: it did not.
  net::StreamEnd stream_end() const { return stream_end_; }
  // The peer sent nothing, or took too little, for too long, and nothing else ended it before.
  bool ended_idle() const { return !end_settled() && stream_end_ == net::StreamEnd::kIdle; }

  ShardServices& services_;
  net::Stream stream_;
  net::Address peer_;  // The client, as far as it is known.
  const uint64_t started_us_;

 private:
  io::Task<void> RunToEnd();
  void Finished();
  void OnLastWordOver();
  io::Task<std::optional<ProxyOutcome>> ReadProxyHeader(net::ProxyHeader* header);
  void OnHeaderLate();

  const SessionId id_;
  uint64_t waiting_since_us_ = 0;  // For the client; 0: not waiting.
  std::unique_ptr<Proxied> proxied_;
  std::optional<EndCause> end_cause_;
  bool closing_ = false;
  bool in_handshake_ = false;
  bool committing_ = false;
  bool header_late_ = false;
  Pause* held_back_ = nullptr;  // While Wait waits.
  net::StreamEnd stream_end_ = net::StreamEnd::kNone;
  std::string_view settled_end_;  // Empty: only the stream's end is known.
  io::Task<void> task_;
  io::TimerFor<&Connection::OnLastWordOver> word_timer_;
  io::TimerFor<&Connection::OnHeaderLate> header_timer_;
  io::WorkFor<&Connection::Finished> finished_{this};
};

}  // namespace poplar::server
