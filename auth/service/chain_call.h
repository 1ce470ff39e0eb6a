// One question to the chain and its one answer, for the operations without a cache of log-ins:
// resolve, fetch a verifier, verify a token.

#pragma once

#include <string>
#include <utility>

#include "absl/functional/any_invocable.h"
#include "auth/service/chain.h"
#include "auth/service/pool_call.h"

namespace poplar::auth {

template <class Result>
class ChainCall : public PoolCall {
 public:
  using Question = absl::AnyInvocable<Result(Chain&)>;      // On a pool thread.
  using Answer = absl::AnyInvocable<void(Result, bool)>;    // Once; true: it came in time.
  using Ended = absl::AnyInvocable<void(ChainCall&)>;       // Last; may destroy the call.

  struct Steps {
    Question question;
    Answer answer;
    Ended ended;
  };

  ChainCall(io::Reactor& reactor, Chain& chain, Steps steps)
      : PoolCall(reactor), chain_(chain), steps_(std::move(steps)) {}

 protected:
  void Ask() override { result_ = steps_.question(chain_); }
  void OnDeadline() override {
    answered_ = true;
    Result late;
    late.reason = "the back end did not answer in time";
    steps_.answer(std::move(late), false);
  }
  void OnEnd() override {
    if (!answered_) steps_.answer(std::move(result_), true);
    steps_.ended(*this);
  }

 private:
  Chain& chain_;
  Steps steps_;
  Result result_;
  bool answered_ = false;
};

}  // namespace poplar::auth
