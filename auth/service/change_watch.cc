#include "auth/service/change_watch.h"

#include <memory>
#include <utility>

#include "auth/service/fair_key.h"
#include "auth/service/shard_auth.h"

namespace poplar::auth {

ChangeWatch::ChangeWatch(AuthContext& context, ShardAuthImpl& here)
    : context_(context),
      here_(here),
      poll_(*this, here.shard().reactor()),
      timer_(&here.shard().reactor(), this) {}

void ChangeWatch::Begin() { Again(); }

void ChangeWatch::Stop() {
  stopped_ = true;
  timer_.Disarm();
}

void ChangeWatch::Again() {
  if (!stopped_) timer_.Arm(context_.options.changes_poll_ms);
}

void ChangeWatch::OnTime() {
  // A full queue does not matter: the next second will do.
  if (!poll_.Start(*context_.pools.lookup, kPollFairKey, /*deadline_ms=*/0)) Again();
}

void ChangeWatch::Poll::Ask() {
  faults.clear();
  for (const BackendSource& source : watch_.context_.chain) {
    if (source.backend == nullptr) continue;
    StatusOr<BackendChanges> taken = source.backend->TakeChanges();
    if (!taken.ok()) {
      faults.emplace_back(source.backend->name(), Annotate(taken.status(), source.backend->name()));
      continue;
    }
    changes.everything |= taken->everything;
    changes.standby |= taken->standby;
    for (std::string& login : taken->logins) changes.logins.push_back(std::move(login));
    changes.tenants.merge(taken->tenants);
  }
}

void ChangeWatch::OnPolled() {
  for (const auto& [backend, fault] : poll_.faults) {
    here_.metrics().backend_failures.Add();
    here_.faults().Note(backend, Message(fault), here_.now_us());
  }
  BackendChanges changes = std::exchange(poll_.changes, {});
  const size_t told = changes.logins.size() + changes.tenants.size();
  if (!changes.everything && told == 0) return Again();
  here_.metrics().changes.Add(changes.everything ? 1 : told);
  forgetting_
      .Add(std::make_unique<Forgetting>(context_, std::move(changes),
                                        [this](Forgetting& ended) {
                                          forgetting_.End(ended);
                                          Again();
                                        }))
      .Begin(here_.shard());
}

}  // namespace poplar::auth
