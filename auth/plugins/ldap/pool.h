// Connections to a directory's servers, of which the first that works is used. One that failed is
// left alone for a while; then one question tries it, while the others go on with the next.
//
// Any thread. No call waits longer than its deadline.

#pragma once

#include <array>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "auth/plugins/ldap/connection.h"
#include "auth/plugins/ldap/settings.h"

namespace poplar::ldap {

class Pool {
 public:
  // Apart, as each bind changes who a connection speaks for: those to search are the service
  // account's.
  enum class Use : uint8_t { kSearch, kBind };
  using Log = std::function<void(poplar_level level, const std::string& sentence)>;
  using Operation = std::function<Reply(Connection& connection, Deadline deadline)>;

  // `settings` outlives this.
  Pool(const Settings& settings, Log log);
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  // Runs `operation` on a connection, and once more on a fresh one, of another server where there
  // is one, when the first time said nothing of worth: no answer, or that the server is busy or
  // not available. A negative code: no connection came about, or no answer.
  Reply Run(Use use, Deadline deadline, const Operation& operation);

 private:
  struct Held {
    std::unique_ptr<Connection> connection;
    size_t server = 0;
    bool fresh = false;
  };
  struct Idle {
    std::unique_ptr<Connection> connection;
    size_t server = 0;
    Deadline since;
  };
  struct State {
    Deadline paused_until;
    bool failing = false;
  };

  Held Take(Use use, bool fresh, Deadline deadline, std::string& fault);
  bool WaitForTurn(std::unique_lock<std::mutex>& lock, Use use, Deadline deadline);
  std::vector<size_t> Candidates();
  Held TakeIdle(Use use, size_t server);
  std::unique_ptr<Connection> Open(Use use, size_t server, Deadline deadline, std::string& fault);
  void GiveBack(Use use, Held held);
  void Works(size_t server);
  void Failed(size_t server, const std::string& why);

  const Settings& settings_;
  const Log log_;
  std::mutex mutex_;
  std::condition_variable turn_;
  // All below are guarded by mutex_.
  std::vector<State> servers_;
  std::array<std::vector<Idle>, 2> idle_;  // By use; the one used last is at the back.
  std::array<uint32_t, 2> in_use_{};
};

}  // namespace poplar::ldap
