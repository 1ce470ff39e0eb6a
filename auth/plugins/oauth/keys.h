// The issuer's keys, fetched when they are needed and again when they are old or a token names one
// that is not there. Any thread.

#pragma once

#include <chrono>
#include <memory>
#include <mutex>
#include <string>

#include "auth/plugins/common/deadline.h"
#include "auth/plugins/oauth/jwt.h"

namespace poplar::oauth {

// Old keys are fetched anew; while that fails they go on.
inline constexpr std::chrono::hours kKeysAge{1};
// However many tokens name strange keys, and whether the last attempt went well: not more often.
inline constexpr std::chrono::seconds kFetchPause{10};

class Keys {
 public:
  explicit Keys(const Settings& settings) : settings_(settings) {}

  // Null, and why: there are none now.
  std::shared_ptr<const KeySet> Get(plugins::Deadline deadline, std::string& fault);
  // Others than `seen`, if there are by now. Null: there are none; `fault` is empty if that is sure
  // (they were fetched just now).
  std::shared_ptr<const KeySet> GetNewer(const std::shared_ptr<const KeySet>& seen,
                                         plugins::Deadline deadline, std::string& fault);

 private:
  using Clock = plugins::Clock;

  // REQUIRES: mutex_ is held.
  void FetchNow(plugins::Deadline deadline);
  bool MayFetch() const { return !tried_ || Clock::now() - tried_at_ >= kFetchPause; }

  const Settings& settings_;
  std::timed_mutex mutex_;  // Held while they are fetched: whoever needs them waits.
  std::shared_ptr<const KeySet> keys_;
  std::string fault_;  // Of the last attempt.
  bool tried_ = false;
  Clock::time_point tried_at_;
  Clock::time_point fetched_at_;
};

}  // namespace poplar::oauth
