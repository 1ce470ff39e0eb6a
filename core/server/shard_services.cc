#include "core/server/shard_services.h"

namespace poplar::server {

StatusOr<std::unique_ptr<Network>> Network::Make(io::Reactor& reactor,
                                                 const io::BufferRingOptions& options) {
  POP_ASSIGN_OR_RETURN(std::unique_ptr<io::BufferRing> buffers,
                       io::BufferRing::Create(reactor, options));
  return std::make_unique<Network>(reactor, std::move(buffers));
}

}  // namespace poplar::server
