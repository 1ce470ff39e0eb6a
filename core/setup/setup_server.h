// The HTTP listener for mail programs that set themselves up: setup_pages.h over libmicrohttpd, on
// addresses and threads of its own, since it faces the public. A bounded number of connections,
// each for a bounded time and with a bounded memory; it never touches a reactor. Speaks HTTP: the
// TLS that Outlook insists on is the web server's in front.

#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "core/base/bind.h"
#include "core/base/mail_policy.h"
#include "core/base/metrics.h"
#include "core/base/status.h"
#include "core/setup/mail_settings.h"
#include "core/setup/setup_pages.h"
#include "core/tenant/listen_address.h"

struct MHD_Daemon;

namespace poplar::setup {

class SetupServer {
 public:
  // Listens and serves from now on. `bind_for` is asked meanwhile. REQUIRES: `board` outlives the
  // server.
  static StatusOr<std::unique_ptr<SetupServer>> Start(
      const std::vector<tenant::ListenAddress>& addresses, SetupFacts facts,
      const PolicyBoard& board, const base::BindFunction& bind_for = &::bind);
  // Closes what is open.
  ~SetupServer();
  SetupServer(const SetupServer&) = delete;
  SetupServer& operator=(const SetupServer&) = delete;

  // What is answered from now on.
  void SetFacts(SetupFacts facts);
  void Register(base::MetricRegistry& registry) const;
  // Where it listens; with the ports that the kernel chose, where 0 was asked for.
  std::vector<tenant::ListenAddress> listening() const;

 private:
  friend struct SetupHandler;

  // One address, one thread, which alone counts here.
  struct Door {
    SetupServer* server = nullptr;
    tenant::ListenAddress address;
    MHD_Daemon* daemon = nullptr;
    std::array<base::Counter, kSetupPages> answered;
    std::array<base::Counter, kSetupPages> refused;
  };

  explicit SetupServer(const PolicyBoard& board) : board_(board) {}
  Status Open(const tenant::ListenAddress& address, const base::BindFunction& bind_for);
  std::shared_ptr<const SetupFacts> facts() const;

  const PolicyBoard& board_;
  mutable std::mutex mutex_;
  std::shared_ptr<const SetupFacts> facts_;
  std::vector<std::unique_ptr<Door>> doors_;
};

}  // namespace poplar::setup
