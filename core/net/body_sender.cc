#include "core/net/body_sender.h"

#include <poll.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "core/base/check.h"
#include "core/net/residency.h"
#include "core/net/unsent.h"

namespace poplar::net {

BodySender::BodySender(io::Reactor& reactor, Wire& wire, ChunkPool& chunks, NetMetrics& metrics,
                       void* owner, SendEndHandler on_end)
    : reactor_(reactor),
      wire_(wire),
      chunks_(chunks),
      metrics_(metrics),
      owner_(owner),
      on_end_(on_end) {}

void BodySender::Start(base::ByteBuffer& head, io::Body& body) {
  POP_CHECK(body_ == nullptr);
  head_ = &head;
  body_ = &body;
  abort_ = StreamEnd::kNone;
  total_ = body.wire_bytes();
  at_ = window_end_ = 0;
  sendfile_works_ = true;
  sendfile_used_ = copy_used_ = false;
  Step();
}

void BodySender::Fail(const StatusOr<size_t>& read) {
  metrics_.body_failures.Add();
  failure_ = read.ok() ? MakeStatus(StatusCode::kDataLoss, "it is shorter than it should be")
                       : read.status();
}

void BodySender::Abort(StreamEnd why) {
  if (body_ == nullptr) return;
  abort_ = why;
  // Whatever it waits for leads to a Step, except a chunk that may never come free.
  if (poll_op_.in_flight()) {
    reactor_.Cancel(poll_op_);
  } else if (chunks_.Forget(chunk_waiter_)) {
    Step();
  }
}

void BodySender::Step() {
  if (abort_ != StreamEnd::kNone) return End(abort_);
  if (!SendHead()) return;
  if (at_ == total_) return End(StreamEnd::kNone);
  if (at_ == window_end_) ChooseLane();
  lane_ == Lane::kSendfile ? StepSendfile() : StepCopy();
}

// False: it waits or has ended.
bool BodySender::SendHead() {
  if (head_->empty()) return true;
  size_t sent = 0;
  const WireStep step = wire_.Write(head_->view(), /*more=*/total_ != 0, sent);
  head_->Consume(sent);
  if (step == WireStep::kDone) return true;
  step == WireStep::kBlocked ? WaitWritable() : End(StreamEnd::kPeerReset);
  return false;
}

void BodySender::ChooseLane() {
  const std::optional<io::FileRange> file = body_->AsFileRange();
  if (file.has_value() && wire_.raw() && sendfile_works_) {
    // A small rest is worth no turn of its own.
    const uint64_t left = total_ - at_;
    const uint64_t window =
        left < kSendfileWindowBytes + kSendfileWindowBytes / 4 ? left : kSendfileWindowBytes;
    if (IsResident({file->fd, file->offset + at_, window}, copy_used_)) {
      lane_ = Lane::kSendfile;
      window_end_ = at_ + window;
      if (!std::exchange(sendfile_used_, true)) metrics_.sendfile.uses.Add();
      return;
    }
  }
  // One chunk only: the kernel reads ahead, so what follows may be resident when it is sent.
  lane_ = Lane::kCopy;
  window_end_ = at_ + std::min<uint64_t>(total_ - at_, kChunkBytes);
  if (!std::exchange(copy_used_, true)) metrics_.copy.uses.Add();
}

void BodySender::StepSendfile() {
  const io::FileRange file = *body_->AsFileRange();
  uint64_t sent = 0;
  const WireStep step = wire_.SendFile({file.fd, file.offset + at_, window_end_ - at_}, sent);
  at_ += sent;
  metrics_.sendfile.bytes.Add(sent);
  switch (step) {
    case WireStep::kDone:
      return at_ == total_ ? End(StreamEnd::kNone) : reactor_.Schedule(step_);
    case WireStep::kBlocked:
      return WaitWritable();
    case WireStep::kGone:
      return End(StreamEnd::kPeerReset);
    case WireStep::kUnsupported:
    case WireStep::kFileEnded:  // Reading finds out what is the matter.
      sendfile_works_ = false;
      window_end_ = at_;
      return reactor_.Schedule(step_);
  }
}

void BodySender::StepCopy() {
  if (!chunk_) chunk_ = chunks_.Acquire(chunk_waiter_);
  if (!chunk_) {
    metrics_.chunk_waits.Add();
    return;
  }
  body_->Read(at_, {chunk_.get(), static_cast<size_t>(window_end_ - at_)}, read_);
  read_.Notify(read_done_);
}

void BodySender::OnRead() {
  const StatusOr<size_t> read = read_.Take();
  if (abort_ != StreamEnd::kNone) return End(abort_);
  if (!read.ok() || *read == 0) {
    Fail(read);
    return End(StreamEnd::kBodyFailed);
  }
  size_t sent = 0;
  const bool last = at_ + *read == total_;
  const WireStep step = wire_.Write({chunk_.get(), *read}, /*more=*/!last, sent);
  at_ += sent;
  metrics_.copy.bytes.Add(sent);
  ReleaseChunk();
  if (step == WireStep::kBlocked) return WaitWritable();
  if (step == WireStep::kGone) return End(StreamEnd::kPeerReset);
  Step();
}

void BodySender::WaitWritable() {
  waits_since_us_ = reactor_.now_us();
  reactor_.Poll(poll_op_, wire_.fd(), POLLOUT);
}

void BodySender::OnWritable(int32_t, uint32_t) {
  JudgePace();
  Step();
}

void BodySender::JudgePace() {
  const bool quick = reactor_.now_us() - waits_since_us_ < kQuickWaitUs;
  if (std::exchange(quick_, quick) == quick) return;
  LimitUnsent(wire_.fd(), quick ? kUnsentUnlimited : kUnsentBytesMax);
}

void BodySender::ReleaseChunk() {
  if (chunk_) chunks_.Release(std::move(chunk_));
}

void BodySender::End(StreamEnd end) {
  // A chunk that was granted after the abort.
  if (!chunk_ && abort_ != StreamEnd::kNone && chunk_waiter_.granted()) {
    chunk_ = chunks_.Acquire(chunk_waiter_);
  }
  ReleaseChunk();
  body_ = nullptr;
  head_ = nullptr;
  on_end_(owner_, end);
}

}  // namespace poplar::net
