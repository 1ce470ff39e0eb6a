// Sends a buffer of replies: one ring operation for all of it where bytes go out raw, records of
// TLS where OpenSSL seals them.
//
// Lives on its stream's shard. One send at a time.

#pragma once

#include "core/base/byte_buffer.h"
#include "core/io/op.h"
#include "core/io/reactor.h"
#include "core/io/work.h"
#include "core/net/stream_end.h"
#include "core/net/wire.h"

namespace poplar::net {

// How senders tell their stream that a send is over.
using SendEndHandler = void (*)(void* owner, StreamEnd end);

class BufferSender {
 public:
  BufferSender(io::Reactor& reactor, Wire& wire, void* owner, SendEndHandler on_end)
      : reactor_(reactor), wire_(wire), owner_(owner), on_end_(on_end) {}

  // Sends and consumes all of `buffer`, which stays as it is until the end is told (maybe at once).
  // REQUIRES: not busy, and the buffer is not empty.
  void Start(base::ByteBuffer& buffer);
  // Ends the send under way early: the end told is `why`, once the kernel has let go of the buffer.
  void Abort(StreamEnd why);

 private:
  void Step();
  void StepRaw();
  void StepSealed();
  void OnSent(int32_t result, uint32_t flags);
  void OnWritable(int32_t result, uint32_t flags);
  void End(StreamEnd end);

  io::Reactor& reactor_;
  Wire& wire_;
  void* const owner_;
  const SendEndHandler on_end_;
  base::ByteBuffer* buffer_ = nullptr;
  StreamEnd abort_ = StreamEnd::kNone;
  io::OpFor<&BufferSender::OnSent> send_op_{this};
  io::OpFor<&BufferSender::OnWritable> poll_op_{this};
  io::WorkFor<&BufferSender::Step> next_turn_{this};
};

}  // namespace poplar::net
