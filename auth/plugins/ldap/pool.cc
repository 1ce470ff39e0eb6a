#include "auth/plugins/ldap/pool.h"

#include <algorithm>
#include <chrono>

namespace poplar::ldap {
namespace {

using std::chrono::milliseconds;

constexpr auto kPause = std::chrono::seconds(5);
// A server that was given less has not failed: the question came late.
constexpr auto kFairTry = std::chrono::seconds(1);
// Below what servers and firewalls usually allow.
constexpr auto kIdleMax = std::chrono::seconds(60);

// Neither yes nor no, and another server may do better.
bool IsWorthless(const Reply& reply) {
  return !reply.answered() || reply.code == LDAP_BUSY || reply.code == LDAP_UNAVAILABLE;
}

Reply NoConnection(std::string why) {
  Reply reply;
  reply.code = LDAP_CONNECT_ERROR;
  reply.text = std::move(why);
  return reply;
}

}  // namespace

Pool::Pool(const Settings& settings, Log log)
    : settings_(settings), log_(std::move(log)), servers_(settings.servers.size()) {}

Reply Pool::Run(Use use, Deadline deadline, const Operation& operation) {
  Reply reply;
  for (const bool again : {false, true}) {
    const Deadline now = Clock::now();
    // Half of the time is the second try's.
    const Deadline try_until = again ? deadline : now + (deadline - now) / 2;
    std::string fault;
    Held held = Take(use, again, try_until, fault);
    if (held.connection == nullptr) {
      reply = NoConnection(fault);
      continue;
    }
    reply = operation(*held.connection,
                      std::min(try_until, Clock::now() + milliseconds(settings_.timeout_ms)));
    const bool worthless = IsWorthless(reply);
    // That a connection ended while it was idle says little of its server.
    const bool ended_idle = !held.fresh && reply.code == LDAP_SERVER_DOWN;
    if (!worthless) {
      Works(held.server);
    } else if (!ended_idle && try_until - now >= kFairTry) {
      Failed(held.server, reply.text);
    }
    if (!reply.answered()) {
      reply.text = settings_.servers[held.server].uri + ": " + reply.text;
    }
    GiveBack(use, std::move(held));
    if (!worthless) break;
  }
  return reply;
}

Pool::Held Pool::Take(Use use, bool fresh, Deadline deadline, std::string& fault) {
  std::unique_lock<std::mutex> lock(mutex_);
  if (!WaitForTurn(lock, use, deadline)) {
    fault = "all connections are in use";
    return {};
  }
  for (const size_t server : Candidates()) {
    Held held{.connection = nullptr, .server = server, .fresh = false};
    if (!fresh) held = TakeIdle(use, server);
    if (held.connection != nullptr) return held;
    const auto left = deadline - Clock::now();
    if (left <= left.zero()) break;
    lock.unlock();
    std::string why;
    held.connection = Open(use, server, deadline, why);
    held.fresh = true;
    if (held.connection != nullptr) return held;
    if (left >= kFairTry) Failed(server, why);
    fault += (fault.empty() ? "" : "; ") + settings_.servers[server].uri + ": " + why;
    lock.lock();
  }
  if (fault.empty()) fault = "no time was left";
  --in_use_[static_cast<size_t>(use)];
  turn_.notify_all();
  return {};
}

// A turn is the right to one connection.
bool Pool::WaitForTurn(std::unique_lock<std::mutex>& lock, Use use, Deadline deadline) {
  uint32_t& in_use = in_use_[static_cast<size_t>(use)];
  if (!turn_.wait_until(lock, deadline, [&] { return in_use < settings_.connections; })) {
    return false;
  }
  ++in_use;
  return true;
}

// The servers to try, in order: those that are not left alone, or else all of them. REQUIRES: the
// lock is held.
std::vector<size_t> Pool::Candidates() {
  const Deadline now = Clock::now();
  std::vector<size_t> candidates;
  for (size_t i = 0; i < servers_.size(); ++i) {
    State& state = servers_[i];
    if (now < state.paused_until) continue;
    candidates.push_back(i);
    // Its pause is over, and this question tries it; the others need not wait for what comes out.
    if (state.failing) state.paused_until = now + kPause;
  }
  if (candidates.empty()) {
    for (size_t i = 0; i < servers_.size(); ++i) candidates.push_back(i);
  }
  return candidates;
}

// REQUIRES: the lock is held.
Pool::Held Pool::TakeIdle(Use use, size_t server) {
  std::vector<Idle>& idle = idle_[static_cast<size_t>(use)];
  const Deadline now = Clock::now();
  std::erase_if(idle, [now](const Idle& one) {
    return now - one.since > kIdleMax || !one.connection->Usable();
  });
  const auto found = std::find_if(idle.rbegin(), idle.rend(),
                                  [server](const Idle& one) { return one.server == server; });
  Held held{.connection = nullptr, .server = server, .fresh = false};
  if (found != idle.rend()) {
    held.connection = std::move(found->connection);
    idle.erase(std::next(found).base());
  }
  return held;
}

std::unique_ptr<Connection> Pool::Open(Use use, size_t server, Deadline deadline,
                                       std::string& fault) {
  const Deadline connected_by =
      std::min(deadline, Clock::now() + milliseconds(settings_.connect_timeout_ms));
  std::unique_ptr<Connection> connection =
      Connection::Open(settings_, settings_.servers[server], connected_by, fault);
  if (connection == nullptr || use == Use::kBind || settings_.bind_dn.empty()) return connection;
  const Reply bound =
      connection->Bind(settings_.bind_dn, settings_.bind_password,
                       std::min(deadline, Clock::now() + milliseconds(settings_.timeout_ms)));
  if (bound.code == LDAP_SUCCESS) return connection;
  fault = "no bind as bind_dn: " + bound.text;
  return nullptr;
}

void Pool::GiveBack(Use use, Held held) {
  const bool usable = held.connection->Usable();
  const std::lock_guard<std::mutex> lock(mutex_);
  if (usable) {
    idle_[static_cast<size_t>(use)].push_back(
        {.connection = std::move(held.connection), .server = held.server, .since = Clock::now()});
  }
  --in_use_[static_cast<size_t>(use)];
  turn_.notify_all();
}

void Pool::Works(size_t server) {
  const std::lock_guard<std::mutex> lock(mutex_);
  State& state = servers_[server];
  state.paused_until = {};
  if (!state.failing) return;
  state.failing = false;
  log_(POPLAR_INFO, settings_.servers[server].uri + " is used again");
}

void Pool::Failed(size_t server, const std::string& why) {
  const std::lock_guard<std::mutex> lock(mutex_);
  State& state = servers_[server];
  state.paused_until = Clock::now() + kPause;
  // Once, until it works: what is wrong meanwhile the answers say.
  if (!state.failing) log_(POPLAR_WARNING, settings_.servers[server].uri + ": " + why);
  state.failing = true;
  // The idle ones of a server that does not answer would cost the next questions their time.
  for (std::vector<Idle>& idle : idle_) {
    std::erase_if(idle, [server](const Idle& one) { return one.server == server; });
  }
}

}  // namespace poplar::ldap
