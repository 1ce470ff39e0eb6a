#include "core/server/lease_probe.h"

namespace poplar::server {

void LeaseProbe::Execute(io::Shard& target) {
  state_ = (*asking_.by_shard)[target.index().value()]->registry.LookAtHolder(holder_.session);
  Reply();
}

}  // namespace poplar::server
