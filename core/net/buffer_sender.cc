#include "core/net/buffer_sender.h"

#include <poll.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "core/base/check.h"

namespace poplar::net {
namespace {

// What one connection may seal before others get their turn.
constexpr size_t kSealedBytesPerTurn = 256 * 1024;

}  // namespace

void BufferSender::Start(base::ByteBuffer& buffer) {
  POP_CHECK(buffer_ == nullptr && !buffer.empty());
  buffer_ = &buffer;
  abort_ = StreamEnd::kNone;
  Step();
}

void BufferSender::Abort(StreamEnd why) {
  if (buffer_ == nullptr) return;
  abort_ = why;
  reactor_.Cancel(send_op_);
  reactor_.Cancel(poll_op_);
}

void BufferSender::Step() {
  if (abort_ != StreamEnd::kNone) return End(abort_);
  wire_.raw() ? StepRaw() : StepSealed();
}

void BufferSender::StepRaw() { reactor_.Send(send_op_, wire_.fd(), buffer_->view()); }

void BufferSender::StepSealed() {
  size_t sent = 0;
  const WireStep step =
      wire_.Write(buffer_->view().substr(0, kSealedBytesPerTurn), /*more=*/false, sent);
  buffer_->Consume(sent);
  if (step == WireStep::kBlocked) return reactor_.Poll(poll_op_, wire_.fd(), POLLOUT);
  if (step == WireStep::kGone) return End(StreamEnd::kPeerReset);
  if (buffer_->empty()) return End(StreamEnd::kNone);
  reactor_.Schedule(next_turn_);
}

void BufferSender::OnSent(int32_t result, uint32_t) {
  if (result > 0) {
    wire_.Count(static_cast<uint64_t>(result));
    buffer_->Consume(static_cast<size_t>(result));
    if (buffer_->empty()) return End(StreamEnd::kNone);
  } else if (abort_ == StreamEnd::kNone && result != -EAGAIN && result != -EINTR) {
    return End(result == -ETIMEDOUT ? StreamEnd::kPeerLost : StreamEnd::kPeerReset);
  }
  Step();
}

void BufferSender::OnWritable(int32_t, uint32_t) { Step(); }

void BufferSender::End(StreamEnd end) {
  buffer_ = nullptr;
  on_end_(owner_, end);
}

}  // namespace poplar::net
