// A listening socket of one shard: IPv4, IPv6 (without mapped IPv4) or Unix. Each shard opens its
// own for the same address (SO_REUSEPORT), and the kernel spreads the connections. Of a Unix
// socket, and of one that the service manager handed over, there is one only: all shards accept
// from it, one connection at a time, so that they take turns (a multishot accept keeps its place in
// the kernel's queue, and the first shard would have them all). The shard that accepts a connection
// keeps it.
//
// Lives on its reactor's thread. Accepting survives an exhausted process: without descriptors or
// memory it rests kAcceptPauseMs and goes on, counted.

#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "core/base/bind.h"
#include "core/base/fd.h"
#include "core/base/status.h"
#include "core/io/op.h"
#include "core/io/reactor.h"
#include "core/io/task.h"
#include "core/io/timer.h"
#include "core/net/address.h"
#include "core/net/net_metrics.h"
#include "core/net/unsent.h"

namespace poplar::net {

inline constexpr uint64_t kAcceptPauseMs = 100;
// How long the claim of an address waits for another process that listens there to be gone.
inline constexpr uint64_t kClaimWaitMs = 1'000;

struct ListenOptions {
  // Port 0 takes a free one; the other shards then open what bound() says.
  Address address = {};
  uint32_t backlog = 4096;  // The kernel cuts it to net.core.somaxconn.
  // "cubic", "bbr"…; empty: the system's. What a connection starts with cannot be undone later, so
  // it is set here.
  std::string congestion_control = {};
  // What the kernel may hold for a TCP connection until it is received (it doubles this, for its
  // own overhead); 0: it sees for itself, up to net.ipv4.tcp_rmem.
  uint32_t receive_buffer_bytes = 0;
  // Of a TCP connection's output (unsent.h); senders of bodies raise it for who takes them quickly.
  uint32_t unsent_bytes_max = kUnsentUnlimited;
  uint32_t unix_mode = 0660;
  // The first shard to open an address claims it: opening fails where another process listens,
  // which SO_REUSEPORT alone would allow.
  bool claim = true;
  // Other shards accept from the same socket.
  bool shared = false;
  base::BindFunction bind = &::bind;
};

// The descriptor is non-blocking, and closed on exec. It is the handler's from here on.
using AcceptHandler = std::function<void(base::UniqueFd, const Address& peer)>;

struct Stopped {};

class Listener {
 public:
  // Binds, listens and accepts. Errors are sentences that name the address. A Unix socket that
  // nobody listens on any more is replaced. Blocks for about kClaimWaitMs where the address is
  // claimed and taken: for a start.
  static StatusOr<std::unique_ptr<Listener>> Open(io::Reactor& reactor,
                                                  const ListenOptions& options, NetMetrics& metrics,
                                                  AcceptHandler handler);
  // Accepts from a socket that listens already: a duplicate of another shard's (ShareSocket), or
  // one that the service manager handed over. Of `options`, what accepted connections inherit
  // counts, and `shared`. Who handed the socket over goes on listening when this listener is gone,
  // and what it did not accept waits there.
  static StatusOr<std::unique_ptr<Listener>> Adopt(io::Reactor& reactor, base::UniqueFd socket,
                                                   const ListenOptions& options,
                                                   NetMetrics& metrics, AcceptHandler handler);
  // REQUIRES: stopped. Removes the Unix socket's path that Open made.
  ~Listener();

  // No connection is accepted from now on; `done` is set when the kernel holds nothing of this
  // listener any more and its socket is closed.
  void StopAccepting(io::Completion<Stopped>& done);

  // Where it listens, with the port that was taken.
  const Address& bound() const { return bound_; }
  // Another descriptor of the same socket, for Adopt on another shard.
  StatusOr<base::UniqueFd> ShareSocket() const;

 private:
  Listener(io::Reactor& reactor, base::UniqueFd socket, Address bound, bool shared,
           NetMetrics& metrics, AcceptHandler handler);

  static StatusOr<std::unique_ptr<Listener>> Begin(io::Reactor& reactor, base::UniqueFd socket,
                                                   bool shared, NetMetrics& metrics,
                                                   AcceptHandler handler);
  void Accept();
  void OnReadable(int32_t result, uint32_t flags);
  void OnAccepted(int32_t result, uint32_t flags);
  void Pause();
  void FinishStop();

  io::Reactor& reactor_;
  base::UniqueFd socket_;
  const Address bound_;
  const bool shared_;
  NetMetrics& metrics_;
  const AcceptHandler handler_;
  bool owns_path_ = false;
  io::Completion<Stopped>* stopping_ = nullptr;
  io::OpFor<&Listener::OnAccepted> accept_op_{this};
  io::OpFor<&Listener::OnReadable> poll_op_{this};  // Where the socket is shared.
  io::TimerFor<&Listener::Accept> pause_timer_;
};

// Whether this machine has IPv6: ::1 is its own.
bool HasIpv6();

// Says `reply` (a greeting that refuses; empty for none), as far as the socket takes it at once,
// and closes. For connections beyond a limit, which get no stream.
void RefuseConnection(base::UniqueFd socket, std::string_view reply);

}  // namespace poplar::net
