// The HTTP listener for operators and machines that watch: /status, /metrics, /healthz, /readyz.
// Runs on one thread of its own (libmicrohttpd's, which holds a bounded number of connections, each
// for a bounded time), so that it answers while every reactor is busy, and never touches one. No
// passwords, no TLS: it belongs on an inner address.

#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "core/base/bind.h"
#include "core/base/fd.h"
#include "core/base/metrics.h"
#include "core/base/status.h"
#include "core/ops/readiness.h"
#include "core/tenant/listen_address.h"

struct MHD_Daemon;

namespace poplar::ops {

class HttpServer {
 public:
  // Listens and serves from now on. An address that cannot be listened on (in use, not ours, not
  // allowed) is told with its address. `inherited` listens already, in place of the address.
  // REQUIRES: `registry` and `readiness` outlive the server.
  static StatusOr<std::unique_ptr<HttpServer>> Start(const tenant::ListenAddress& address,
                                                     const base::MetricRegistry& registry,
                                                     const Readiness& readiness,
                                                     const base::BindFunction& bind_for = &::bind,
                                                     base::UniqueFd inherited = {});
  // Closes what is open.
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  void Register(base::MetricRegistry& registry) const;

  // Where it listens; with the port that the kernel chose, if 0 was asked for.
  uint16_t port() const { return bound_.port; }
  std::string address() const { return bound_.ToString(); }

 private:
  HttpServer(const base::MetricRegistry& registry, const Readiness& readiness)
      : registry_(registry), readiness_(readiness) {}

  friend struct HttpHandler;

  const base::MetricRegistry& registry_;
  const Readiness& readiness_;
  MHD_Daemon* daemon_ = nullptr;
  tenant::ListenAddress bound_;
};

}  // namespace poplar::ops
