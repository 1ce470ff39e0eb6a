#include "core/server/lease_probe.h"

namespace poplar::server {

void LeaseProbe::Execute(io::Shard& target) {
  state_ = services_by_shard_[target.index().value()]->registry.LookAtHolder(holder_.session);
  Reply();
}

}  // namespace poplar::server
