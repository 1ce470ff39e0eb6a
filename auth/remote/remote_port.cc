#include "auth/remote/remote_port.h"

#include <utility>

#include "auth/users/address.h"
#include "core/base/check.h"
#include "core/base/limits.h"

namespace poplar::auth {
namespace {

uint32_t OperationBit(Operation operation) {
  switch (operation) {
    case Operation::kResolve:
    case Operation::kResolveLogin:
      return POPLAR_RESOLVE;
    case Operation::kVerifyPassword:
      return POPLAR_VERIFY_PASSWORD;
    case Operation::kFetchVerifier:
      return POPLAR_FETCH_VERIFIER;
    case Operation::kVerifyToken:
      return POPLAR_VERIFY_TOKEN;
  }
  return 0;
}

BackendOutcome OutcomeOf(uint32_t outcome) {
  switch (outcome) {
    case POPLAR_OK:
      return BackendOutcome::kOk;
    case POPLAR_UNKNOWN:
      return BackendOutcome::kUnknown;
    case POPLAR_REFUSED:
      return BackendOutcome::kRefused;
    case POPLAR_DISABLED:
      return BackendOutcome::kDisabled;
    case POPLAR_UNSUPPORTED:
      return BackendOutcome::kUnsupported;
    default:
      return BackendOutcome::kTemporary;
  }
}

QuestionFrame FrameOf(const BackendQuestion& question) {
  QuestionFrame frame;
  frame.operation = OperationBit(question.operation);
  frame.login = question.login;
  frame.secret = question.secret.Copy();
  frame.mechanism = question.mechanism;
  frame.client_address = question.client.address;
  return frame;
}

bool IsOf(const TenantPolicies& tenants, TenantId tenant, std::string_view address) {
  const TenantPolicies::Domain* const owner = tenants.OfDomain(DomainOf(LookupKey(address)));
  return owner != nullptr && owner->tenant == tenant;
}

// A host shares its process with a plug-in: what it says is looked at like what strangers say.
BackendAnswer AnswerOf(AnswerFrame& frame, const BackendQuestion& question,
                       const TenantPolicies& tenants, const TenantPolicies::Domain& tenant) {
  BackendAnswer answer = Say(OutcomeOf(frame.outcome), frame.reason);
  if (answer.outcome != BackendOutcome::kOk && answer.outcome != BackendOutcome::kDisabled) {
    return answer;
  }
  // A good token may be of somebody whose account others know (VerifyToken asks them).
  const bool needs_account = question.operation != Operation::kVerifyToken;
  const bool lacks_account =
      answer.outcome == BackendOutcome::kOk && frame.account.empty() && needs_account;
  if (lacks_account || frame.account.size() > kAccountIdBytesMax ||
      frame.address.size() > kAddressBytesMax) {
    return Say(BackendOutcome::kTemporary, "the back end's answer breaks its rules");
  }
  // Also of who is switched off: that is told after the right password only.
  if (question.operation == Operation::kVerifyPassword) {
    answer.stored_password = std::move(frame.stored_password);
  } else if (question.operation == Operation::kFetchVerifier) {
    answer.stored_verifier = std::move(frame.verifier);
  }
  if (answer.outcome == BackendOutcome::kOk && !tenant.enabled) {
    answer.outcome = BackendOutcome::kDisabled;
    answer.reason = "tenant disabled";
  }
  // By another tenant's address its log, its listings and its commands would find him.
  if (!IsOf(tenants, tenant.tenant, frame.address)) frame.address = question.login;
  // Also of who is disabled: his sessions may have to end.
  answer.principal = {
      .tenant = tenant.tenant,
      .account = std::move(frame.account),
      .address = std::move(frame.address),
      .tenant_name = tenant.name,
      .quota = {.octets = frame.quota_octets.value_or(tenant.maildrop_quota.octets),
                .messages = frame.quota_messages.value_or(tenant.maildrop_quota.messages)}};
  return answer;
}

}  // namespace

RemotePort::RemotePort(const RemoteBackendInfo& info, HostLink& link, const PolicyBoard& tenants,
                       io::Reactor& reactor, RemoteMetrics& metrics)
    : info_(info),
      link_(link),
      tenants_(&tenants),
      reactor_(reactor),
      metrics_(metrics),
      breakers_(info.breaker),
      lane_(link.AddLane(info.instance, metrics)) {}

void RemotePort::Ask(BackendCall& call) {
  const TenantPolicies& tenants = tenants_.Current();
  const TenantPolicies::Domain* const tenant = tenants.OfDomain(DomainOf(call.question.login));
  if (tenant == nullptr) {
    call.answer = Say(BackendOutcome::kUnknown, "unknown domain");
    return call.Answered();
  }
  if (!breakers_.Allow(tenant->tenant, reactor_.now_us())) {
    metrics_.refused_open.Add();
    call.answer = Say(BackendOutcome::kTemporary, info_.name + " failed too often just now");
    return call.Answered();
  }
  ++under_way_;
  lane_.has_tenants = tenants.by_tenant.size() > 1;
  link_.Ask(lane_, tenant->tenant, FrameOf(call.question), call.deadline_us,
            [this, &call, tenant = *tenant](AnswerFrame* answer, const NoAnswer& why) {
              OnTold(call, tenant, answer, why);
            });
}

void RemotePort::OnTold(BackendCall& call, const TenantPolicies::Domain& tenant,
                        AnswerFrame* answer, const NoAnswer& why) {
  --under_way_;
  CountOutcome(tenant.tenant, answer, why);
  if (answer == nullptr) {
    call.answer = Say(BackendOutcome::kTemporary, info_.name + ": " + std::string(why.reason));
    call.answer.late = reactor_.now_us() >= call.deadline_us;
  } else {
    call.answer = AnswerOf(*answer, call.question, tenants_.Current(), tenant);
    call.answer.weak_schemes = info_.weak_schemes;
    call.answer.remember_ms_max = info_.remember_ms_max;
    if (call.answer.outcome == BackendOutcome::kTemporary) {
      // The log's reader has to know whose failure it is, also of a plug-in that says no more.
      const std::string& reason = call.answer.reason;
      call.answer.reason = info_.name + ": " + (reason.empty() ? "it gives no reason" : reason);
    }
  }
  metrics_.of(call.answer.outcome).Add();
  call.Answered();
}

// An answer proves that the back end lives, whatever it says of whomever.
void RemotePort::CountOutcome(TenantId tenant, const AnswerFrame* answer, const NoAnswer& why) {
  const uint64_t now_us = reactor_.now_us();
  const bool unreached = answer == nullptr ? why.unreached : answer->outcome == POPLAR_UNREACHABLE;
  if (unreached) {
    metrics_.unreached.Add();
    random_ = random_ * 1'664'525 + 1'013'904'223 + static_cast<uint32_t>(now_us);
    breakers_.Unreached(tenant, now_us, random_ >> 8);
  } else if (answer != nullptr) {
    breakers_.Answered(tenant);
  } else {
    breakers_.NotAsked(tenant);
  }
  ShowBreakers();
}

void RemotePort::ShowBreakers() {
  metrics_.tenants_left_alone.Set(static_cast<int64_t>(breakers_.tenants_left_alone()));
  switch (breakers_.state(reactor_.now_us())) {
    case Breaker::State::kClosed:
      return metrics_.breaker.Set(0);
    case Breaker::State::kHalfOpen:
      return metrics_.breaker.Set(1);
    case Breaker::State::kOpen:
      return metrics_.breaker.Set(2);
  }
}

}  // namespace poplar::auth
