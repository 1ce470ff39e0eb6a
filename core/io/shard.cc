#include "core/io/shard.h"

#include <algorithm>
#include <string>

#include "core/base/check.h"

namespace poplar::io {
namespace {

thread_local Shard* current_shard = nullptr;

}  // namespace

void ShardMetrics::Register(base::MetricRegistry& registry,
                            const base::MetricLabels& labels) const {
  registry.Add(requests, "poplar_shard_requests_total", "Requests sent to shards.", labels);
  registry.Add(credit_waits, "poplar_shard_credit_waits_total",
               "Requests that waited at their source for a credit.", labels);
  registry.Add(credit_expired, "poplar_shard_credit_expired_total",
               "Requests that no credit came free for before their deadline.", labels);
  registry.Add(waiting, "poplar_shard_requests_waiting",
               "Requests that wait at their source for a credit now.", labels);
}

ShardRequest::~ShardRequest() { POP_CHECK(!under_way_); }

void ShardRequest::Reply() {
  Shard* const here = Shard::Current();
  POP_CHECK(here != nullptr && here->index() == target_ && !replied_);
  replied_ = true;
  here->Dispatch(source_, *this);
}

Shard::Shard(ShardSet& shards, ShardIndex index, uint32_t count)
    : index_(index), shards_(&shards), peers_(count) {
  batched_.reserve(count);
}

Shard::~Shard() { POP_CHECK(reactor_ == nullptr && mailbox_.empty()); }

Shard* Shard::Current() { return current_shard; }

Status Shard::StartReactor(const ReactorOptions& options) {
  POP_ASSIGN_OR_RETURN(reactor_, Reactor::Create(options));
  deadline_timer_ = std::make_unique<TimerFor<&Shard::OnDeadline>>(reactor_.get(), this);
  current_shard = this;
  return OkStatus();
}

void Shard::StartByHand(const base::Clock& clock) {
  reactor_ = Reactor::ByHand(clock);
  deadline_timer_ = std::make_unique<TimerFor<&Shard::OnDeadline>>(reactor_.get(), this);
}

void Shard::EnterByHand() {
  POP_CHECK(current_shard == nullptr && Reactor::Current() == nullptr);
  current_shard = this;
  Reactor::SetCurrent(reactor_.get());
}

void Shard::LeaveByHand() {
  current_shard = nullptr;
  Reactor::SetCurrent(nullptr);
}

void Shard::FinishReactor() {
  for (const Peer& peer : peers_) {
    POP_CHECK(peer.credits == kCreditsPerPair && peer.waiting.oldest == nullptr);
  }
  deadline_timer_.reset();
  reactor_.reset();
  current_shard = nullptr;
}

void Shard::Send(ShardIndex target, ShardRequest& request, uint64_t deadline_ms) {
  POP_CHECK(current_shard == this && !request.under_way_);
  Peer& peer = peers_[target.value()];
  request.under_way_ = true;
  request.replied_ = false;
  request.source_ = index_;
  request.target_ = target;
  metrics_.requests.Add();
  if (peer.credits > 0 && peer.waiting.oldest == nullptr) {
    --peer.credits;
    Dispatch(target, request);
    return;
  }
  metrics_.credit_waits.Add();
  metrics_.waiting.Add(1);
  request.deadline_us_ = reactor_->now_us() + deadline_ms * 1'000;
  request.next_ = nullptr;
  if (peer.waiting.oldest == nullptr) {
    peer.waiting.oldest = &request;
  } else {
    peer.waiting.newest->next_ = &request;
  }
  peer.waiting.newest = &request;
  ArmDeadline(request.deadline_us_);
}

void Shard::Dispatch(ShardIndex to, ShardRequest& request) {
  Peer& peer = peers_[to.value()];
  if (peer.outgoing_newest == nullptr) {
    peer.outgoing_oldest = &request;
    batched_.push_back(to);
  }
  request.next_ = peer.outgoing_newest;
  peer.outgoing_newest = &request;
  reactor_->AtTurnEnd(deliver_);
}

void Shard::DeliverBatches() {
  for (const ShardIndex to : batched_) {
    Peer& peer = peers_[to.value()];
    Shard& target = shards_->shard(to);
    ShardRequest& newest = *std::exchange(peer.outgoing_newest, nullptr);
    target.mailbox_.PushChain(newest, *peer.outgoing_oldest);
    target.reactor_->Post(target.empty_mailbox_);
  }
  batched_.clear();
}

void Shard::EmptyMailbox() {
  ShardRequest* request = mailbox_.TakeAll();
  while (request != nullptr) {
    ShardRequest* const next = request->next_;
    if (request->replied_) {
      Finish(*request);
    } else {
      request->Execute(*this);
    }
    request = next;
  }
}

void Shard::Finish(ShardRequest& request) {
  Peer& peer = peers_[request.target_.value()];
  ++peer.credits;
  SendWaiting(peer);
  request.under_way_ = false;
  request.Completed();
}

void Shard::SendWaiting(Peer& peer) {
  while (peer.credits > 0 && peer.waiting.oldest != nullptr) {
    ShardRequest& request = *peer.waiting.oldest;
    peer.waiting.oldest = request.next_;
    metrics_.waiting.Add(-1);
    --peer.credits;
    Dispatch(request.target_, request);
  }
}

void Shard::ArmDeadline(uint64_t deadline_us) {
  if (deadline_us_ != 0 && deadline_us_ <= deadline_us) return;
  deadline_us_ = deadline_us;
  const uint64_t now_us = reactor_->now_us();
  deadline_timer_->Arm(deadline_us > now_us ? (deadline_us - now_us + 999) / 1'000 : 0);
}

void Shard::OnDeadline() {
  const uint64_t now_us = reactor_->now_us();
  deadline_us_ = 0;
  ShardRequest* expired = nullptr;
  ShardRequest** expired_end = &expired;
  uint64_t earliest_us = UINT64_MAX;
  for (Peer& peer : peers_) {
    ShardRequest** link = &peer.waiting.oldest;
    peer.waiting.newest = nullptr;
    while (*link != nullptr) {
      ShardRequest& request = **link;
      if (request.deadline_us_ > now_us) {
        earliest_us = std::min(earliest_us, request.deadline_us_);
        peer.waiting.newest = &request;
        link = &request.next_;
        continue;
      }
      *link = request.next_;
      request.next_ = nullptr;
      *expired_end = &request;
      expired_end = &request.next_;
    }
  }
  if (earliest_us != UINT64_MAX) ArmDeadline(earliest_us);
  // Only now, with the lists in order: these may send again.
  while (expired != nullptr) {
    ShardRequest& request = *expired;
    expired = request.next_;
    metrics_.credit_expired.Add();
    metrics_.waiting.Add(-1);
    request.under_way_ = false;
    request.Expired();
  }
}

}  // namespace poplar::io
