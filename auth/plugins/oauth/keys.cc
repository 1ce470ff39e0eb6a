#include "auth/plugins/oauth/keys.h"

namespace poplar::oauth {
namespace {

constexpr const char* kBusy = "the issuer's keys are being fetched";
// For new ones that somebody else fetches: longer than a sound issuer takes. Strange tokens shall
// not hold up all that is asked about while it is frozen.
constexpr uint32_t kOthersFetchMsMax = 1'000;

}  // namespace

std::shared_ptr<const KeySet> Keys::Get(plugins::Deadline deadline, std::string& fault) {
  State now = Now();
  if (AreOld(now)) {
    std::unique_lock<std::timed_mutex> turn(turn_, std::defer_lock);
    if (now.keys != nullptr) {
      if (turn.try_lock()) now = FetchAfter(Now(), plugins::ShareOf(deadline, 2));
    } else if (turn.try_lock_until(deadline)) {
      now = FetchAfter(Now(), deadline);
    } else {
      now.fault = kBusy;
    }
  }
  if (now.keys == nullptr) fault = now.fault;
  return now.keys;
}

std::shared_ptr<const KeySet> Keys::GetNewer(const std::shared_ptr<const KeySet>& seen,
                                             plugins::Deadline deadline, std::string& fault) {
  State now = Now();
  if (now.keys == seen) {
    const std::unique_lock<std::timed_mutex> turn(turn_,
                                                  plugins::Within(kOthersFetchMsMax, deadline));
    if (!turn.owns_lock()) {
      fault = kBusy;
      return nullptr;
    }
    now = Now();
    if (now.keys == seen) now = FetchAfter(std::move(now), deadline);
  }
  if (now.keys != seen) return now.keys;
  fault = now.fault;
  return nullptr;
}

Keys::State Keys::Now() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return state_;
}

Keys::State Keys::FetchAfter(State before, plugins::Deadline deadline) {
  State after = std::move(before);
  if (after.tried_at && Clock::now() - *after.tried_at < times_.pause) return after;
  after.fault.clear();
  const std::optional<plugins::SecretText> text = fetch_(deadline, after.fault);
  std::shared_ptr<const KeySet> keys = text ? KeySet::Parse(*text, after.fault) : nullptr;
  after.tried_at = Clock::now();
  if (keys != nullptr) {
    after.keys = std::move(keys);
    after.fetched_at = *after.tried_at;
  }
  const std::lock_guard<std::mutex> lock(mutex_);
  return state_ = after;
}

bool Keys::AreOld(const State& state) const {
  return state.keys == nullptr || Clock::now() - state.fetched_at >= times_.age;
}

}  // namespace poplar::oauth
