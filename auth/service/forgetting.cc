#include "auth/service/forgetting.h"

#include <utility>

#include "auth/service/shard_auth.h"

namespace poplar::auth {

Forgetting::Forgetting(AuthContext& context, BackendChanges changes, Ended ended)
    : context_(context), changes_(std::move(changes)), ended_(std::move(ended)) {
  for (uint32_t i = 0; i < context.on_shard.size(); ++i)
    requests_.emplace_back(*this, ShardIndex(i));
}

void Forgetting::Begin(io::Shard& here) {
  missing_ = static_cast<uint32_t>(requests_.size());
  for (OnOneShard& request : requests_) request.Ask(here);
}

void Forgetting::OnOneShard::Execute(io::Shard& target) {
  owner_.context_.on_shard[target.index().value()]->Forget(owner_.changes_);
  Reply();
}

void Forgetting::OnForgotten() {
  if (--missing_ != 0) return;
  Ended ended = std::move(ended_);  // It may destroy this.
  ended(*this);
}

}  // namespace poplar::auth
