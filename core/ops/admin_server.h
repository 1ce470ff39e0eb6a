// The admin socket: how the poplar command speaks to a running server. A Unix socket of mode 0600;
// whoever connects must be root or the server's own user, by the kernel's word (SO_PEERCRED), and
// is otherwise told so and closed. A connection carries one request and one reply; requests are
// answered one at a time, on a thread of the server's own, never on a reactor.
//
// Handlers are given at the start and run on that thread. One that asks the shards waits for them
// there, with a deadline of its own.

#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <thread>

#include "core/base/fd.h"
#include "core/base/metrics.h"
#include "core/base/status.h"

namespace poplar::ops {

// Takes the request's arguments, an object. An argument that is missing or of the wrong type may be
// left to the JSON library's exceptions: the server answers them with kInvalidArgument.
using AdminHandler = std::function<StatusOr<nlohmann::json>(const nlohmann::json& arguments)>;

// Handlers by their command: "session.list".
using AdminHandlers = std::map<std::string, AdminHandler, std::less<>>;

// One writer: the admin socket's thread.
struct AdminMetrics {
  base::Counter answered;
  base::Counter failed;   // Answered with an error.
  base::Counter refused;  // Not root, not the server's user.
  base::Counter broken;   // No request came, or its reply could not be delivered.

  void Register(base::MetricRegistry& registry) const;
};

struct AdminServerOptions {
  std::string socket_path;
  uint32_t io_timeout_ms = 5000;  // To send the request; to take the reply.
};

class AdminServer {
 public:
  // Listens and answers from now on. A socket file that nobody listens on (of a server that died)
  // is replaced. Errors: kFailedPrecondition if somebody listens there or the path is no socket;
  // otherwise what bind says.
  // REQUIRES: the caller holds the store's lock, so that two servers never start here at once.
  static StatusOr<std::unique_ptr<AdminServer>> Start(AdminServerOptions options,
                                                      AdminHandlers handlers);
  // Waits for the request under way; removes the socket file.
  ~AdminServer();
  AdminServer(const AdminServer&) = delete;
  AdminServer& operator=(const AdminServer&) = delete;

  const AdminMetrics& metrics() const { return metrics_; }

 private:
  AdminServer(AdminServerOptions options, AdminHandlers handlers)
      : options_(std::move(options)), handlers_(std::move(handlers)) {}

  Status Listen();
  void Run();
  void Serve(int fd);
  StatusOr<nlohmann::json> Answer(std::string_view line);
  uint64_t Deadline() const;

  const AdminServerOptions options_;
  const AdminHandlers handlers_;
  AdminMetrics metrics_;
  base::UniqueFd listener_;
  base::UniqueFd stop_;  // An eventfd: readable means end.
  dev_t socket_device_ = 0;
  ino_t socket_inode_ = 0;
  std::thread thread_;
};

}  // namespace poplar::ops
