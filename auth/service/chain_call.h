// One question to the chain and its one answer, for the operations without a cache of log-ins:
// resolve, fetch a verifier, verify a token.

#pragma once

#include <string_view>
#include <utility>

#include "absl/functional/any_invocable.h"
#include "auth/service/chain.h"
#include "auth/service/pool_call.h"

namespace poplar::auth {

template <class Result>
class ChainCall : public PoolCall {
 public:
  using Question = absl::AnyInvocable<Result(Chain&)>;    // On a pool thread.
  using Answer = absl::AnyInvocable<void(Result, bool)>;  // Once; true: it came in time.
  using Ended = absl::AnyInvocable<void(ChainCall&)>;     // Last; may destroy the call.

  ChainCall(io::Reactor& reactor, Chain& chain, Question question, Answer answer, Ended ended)
      : PoolCall(reactor),
        chain_(chain),
        question_(std::move(question)),
        answer_(std::move(answer)),
        ended_(std::move(ended)) {}

  // Answers instead of the chain: it is not asked. REQUIRES: Start failed.
  void Refuse(std::string_view reason) {
    Result refusal;  // Temporary, unless told otherwise.
    refusal.reason = reason;
    answered_ = true;
    answer_(std::move(refusal), true);
  }

 protected:
  void Ask() override { result_ = question_(chain_); }
  void OnDeadline() override {
    Result late;
    late.reason = "the back end did not answer in time";
    answered_ = true;
    answer_(std::move(late), false);
  }
  void OnEnd() override {
    if (!answered_) answer_(std::move(result_), true);
    Ended ended = std::move(ended_);  // It may destroy this.
    ended(*this);
  }

 private:
  Chain& chain_;
  Question question_;
  Answer answer_;
  Ended ended_;
  Result result_;  // Written on the pool's thread.
  bool answered_ = false;
};

}  // namespace poplar::auth
