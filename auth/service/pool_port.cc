#include "auth/service/pool_port.h"

#include <algorithm>
#include <utility>

#include "auth/service/pool_call.h"

namespace poplar::auth {
namespace {

BackendAnswer AskBackend(Backend& backend, const BackendQuestion& question) {
  const std::string& from = question.client.address;
  switch (question.operation) {
    case Operation::kResolve:
      return backend.Resolve(question.login);
    case Operation::kResolveLogin:
      return backend.ResolveLogin(question.login, from);
    case Operation::kVerifyPassword: {
      BackendAnswer answer = backend.VerifyPassword(question.login, question.secret, from);
      // Its promise (backend.h).
      answer.computed = backend.computes_hashes() && answer.outcome != BackendOutcome::kUnknown &&
                        answer.stored_password.empty();
      return answer;
    }
    case Operation::kFetchVerifier:
      return backend.FetchVerifier(question.login, question.mechanism, from);
    case Operation::kVerifyToken:
      return backend.VerifyToken(question.login, question.secret);
  }
  return {};
}

}  // namespace

class PoolAsker::Job final : public PoolCall {
 public:
  Job(PoolAsker& asker, Question question, BackendCall& call, BackendMetrics* metrics)
      : PoolCall(asker.reactor_),
        asker_(asker),
        question_(std::move(question)),
        call_(&call),
        metrics_(metrics) {
    if (metrics_ != nullptr) metrics_->waiting.Add(1);
  }

  // Whom to tell; null: that was done.
  BackendCall* TakeCall(BackendOutcome outcome) {
    if (call_ != nullptr && metrics_ != nullptr) {
      metrics_->waiting.Add(-1);
      metrics_->of(outcome).Add();
    }
    return std::exchange(call_, nullptr);
  }

 private:
  void Ask() override { answer_ = question_(); }
  void OnDeadline() override {
    BackendAnswer late = Say(BackendOutcome::kTemporary, "the back end did not answer in time");
    late.late = true;
    if (metrics_ != nullptr) metrics_->late.Add();
    Give(std::move(late));
  }
  void OnEnd() override {
    answer_.asked_us = asked_us();
    if (metrics_ != nullptr && asked()) metrics_->answer_us.Observe(asked_us());
    PoolAsker& asker = asker_;
    BackendCall* const call = TakeCall(answer_.outcome);
    BackendAnswer answer = std::move(answer_);
    asker.under_way_.End(*this);
    if (call == nullptr) return;
    call->answer = std::move(answer);
    call->Answered();
  }
  void Give(BackendAnswer answer) {
    BackendCall* const call = TakeCall(answer.outcome);
    if (call == nullptr) return;
    call->answer = std::move(answer);
    call->Answered();
  }

  PoolAsker& asker_;
  Question question_;
  BackendCall* call_;
  BackendMetrics* const metrics_;  // Or null.
  BackendAnswer answer_;           // Written on the pool's thread.
};

PoolAsker::PoolAsker(io::Reactor& reactor) : reactor_(reactor) {}

PoolAsker::~PoolAsker() { POP_CHECK(idle()); }

void PoolAsker::Ask(io::OffloadPool& pool, uint64_t key, Question question, BackendCall& call,
                    BackendMetrics* metrics) {
  const uint64_t now_us = reactor_.now_us();
  // A deadline of 0 would be none.
  const uint64_t left_ms =
      std::max<uint64_t>((call.deadline_us - std::min(call.deadline_us, now_us)) / 1000, 1);
  Job& job = under_way_.Add(std::make_unique<Job>(*this, std::move(question), call, metrics));
  if (job.Start(pool, key, left_ms)) return;
  job.TakeCall(BackendOutcome::kTemporary);
  under_way_.End(job);
  call.answer = Say(BackendOutcome::kTemporary, "too many questions wait for the back ends");
  call.answer.queue_full = true;
  call.Answered();
}

void PoolPort::Ask(BackendCall& call) {
  io::OffloadPool& pool =
      call.question.operation == Operation::kVerifyPassword ? *pools_.hash : *pools_.lookup;
  asker_.Ask(
      pool, call.fair_key,
      [&backend = backend_, question = call.question.Copy()] {
        return AskBackend(backend, question);
      },
      call, &metrics_);
}

}  // namespace poplar::auth
