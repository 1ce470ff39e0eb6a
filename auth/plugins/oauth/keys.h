// The issuer's keys, fetched when they are needed and again when they are old or none of them is a
// token's. Any thread.

#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

#include "auth/plugins/common/deadline.h"
#include "auth/plugins/common/secret_text.h"
#include "auth/plugins/oauth/jwt.h"

namespace poplar::oauth {

struct KeyTimes {
  // Older ones are fetched anew; while that fails they go on.
  std::chrono::milliseconds age = std::chrono::hours(1);
  // However many tokens name strange keys, and whether the last attempt went well: not more often.
  std::chrono::milliseconds pause = std::chrono::seconds(10);
};

class Keys {
 public:
  // A JWK set, by the deadline; or nothing, and why.
  using Fetch = std::function<std::optional<plugins::SecretText>(plugins::Deadline deadline,
                                                                 std::string& fault)>;

  explicit Keys(Fetch fetch, KeyTimes times = {}) : fetch_(std::move(fetch)), times_(times) {}

  // Null, and why: there are none now. Who can have old ones never waits for another's fetch, and
  // for his own half of his time at most.
  std::shared_ptr<const KeySet> Get(plugins::Deadline deadline, std::string& fault);
  // Others than `seen`, if there are by now. Null: there are none; `fault` is empty if that is sure
  // (they were fetched just now).
  std::shared_ptr<const KeySet> GetNewer(const std::shared_ptr<const KeySet>& seen,
                                         plugins::Deadline deadline, std::string& fault);

 private:
  using Clock = plugins::Clock;

  struct State {
    std::shared_ptr<const KeySet> keys;
    Clock::time_point fetched_at;
    std::optional<Clock::time_point> tried_at;
    std::string fault;  // Of the last attempt.
  };

  State Now() const;
  // As it is after an attempt, if one is due. REQUIRES: turn_ is held.
  State FetchAfter(State before, plugins::Deadline deadline);
  bool AreOld(const State& state) const;

  const Fetch fetch_;
  const KeyTimes times_;
  std::timed_mutex turn_;     // Held while they are fetched.
  mutable std::mutex mutex_;  // For a moment.
  State state_;               // Guarded by mutex_; written by whoever has the turn.
};

}  // namespace poplar::oauth
