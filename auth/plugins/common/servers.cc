#include "auth/plugins/common/servers.h"

#include <utility>

namespace poplar::plugins {
namespace {

constexpr auto kPause = std::chrono::seconds(5);

}  // namespace

Servers::Servers(std::vector<std::string> names, Order order, const poplar_host& host)
    : names_(std::move(names)), order_(order), host_(host), states_(names_.size()) {}

std::vector<size_t> Servers::Candidates() {
  const std::lock_guard<std::mutex> lock(mutex_);
  const Deadline now = Clock::now();
  const size_t n = states_.size();
  const size_t first = order_ == Order::kSpread ? turn_++ : 0;
  std::vector<size_t> all;
  std::vector<size_t> candidates;
  for (size_t i = 0; i < n; ++i) {
    const size_t server = (first + i) % n;
    all.push_back(server);
    State& state = states_[server];
    if (now < state.paused_until) continue;
    candidates.push_back(server);
    // Its pause is over, and this question tries it; the others need not wait for what comes out.
    if (state.failing) state.paused_until = now + kPause;
  }
  return candidates.empty() ? all : candidates;
}

void Servers::Works(size_t server) {
  const std::lock_guard<std::mutex> lock(mutex_);
  State& state = states_[server];
  state.paused_until = {};
  if (!state.failing) return;
  state.failing = false;
  Log(POPLAR_INFO, names_[server] + " is used again");
}

void Servers::Failed(size_t server, const std::string& why) {
  const std::lock_guard<std::mutex> lock(mutex_);
  State& state = states_[server];
  state.paused_until = Clock::now() + kPause;
  ++state.failures;
  // Once, until it works: what is wrong meanwhile the answers say.
  if (!state.failing) Log(POPLAR_WARNING, names_[server] + ": " + why);
  state.failing = true;
}

uint64_t Servers::failures(size_t server) const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return states_[server].failures;
}

}  // namespace poplar::plugins
