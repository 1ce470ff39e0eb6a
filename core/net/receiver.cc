#include "core/net/receiver.h"

#include <linux/io_uring.h>
#include <poll.h>
#include <sys/socket.h>

#include <cerrno>

#include "core/base/check.h"

namespace poplar::net {
namespace {

// A burst may have made the list long; an idle connection does not keep that.
constexpr size_t kChunkListKept = 4;

StreamEnd EndOfError(int error_number) {
  switch (error_number) {
    case ETIMEDOUT:
    case EHOSTUNREACH:
    case ENETUNREACH:
      return StreamEnd::kPeerLost;
    default:
      return StreamEnd::kPeerReset;
  }
}

}  // namespace

Receiver::Receiver(io::Reactor& reactor, io::BufferRing& buffers, NetMetrics& metrics, int fd,
                   InputKind kind, void* owner, NewsHandler news)
    : reactor_(reactor),
      buffers_(buffers),
      metrics_(metrics),
      fd_(fd),
      kind_(kind),
      owner_(owner),
      news_(news) {}

Receiver::~Receiver() { POP_CHECK(quiet() && chunks_.empty()); }

std::string_view Receiver::input() const {
  if (!backlog_.empty()) return backlog_.view();
  if (chunks_.empty()) return {};
  return chunks_[first_chunk_].bytes;
}

void Receiver::Consume(size_t bytes) {
  if (bytes == 0) return;
  if (!backlog_.empty()) {
    backlog_.Consume(bytes);
    if (backlog_.empty()) backlog_.Release();
    return;
  }
  POP_CHECK(!chunks_.empty());
  Chunk& chunk = chunks_[first_chunk_];
  POP_CHECK(bytes <= chunk.bytes.size());
  chunk.bytes.remove_prefix(bytes);
  if (!chunk.bytes.empty()) return;
  buffers_.Give(chunk.flags);
  if (++first_chunk_ == chunks_.size()) {
    first_chunk_ = 0;
    chunks_.clear();
  }
}

void Receiver::Want() {
  if (end_ != StreamEnd::kNone || stopping_) return;
  wanted_ = true;
  if (receive_op_.in_flight()) return;
  if (kind_ == InputKind::kBulk) {
    reactor_.Receive(receive_op_, fd_, buffers_);
  } else {
    reactor_.ReceiveMultishot(receive_op_, fd_, buffers_);
  }
}

void Receiver::Stop() {
  if (stopping_) return;
  stopping_ = true;
  wanted_ = false;
  DropChunks();
  backlog_.Release();
  reactor_.Cancel(receive_op_);
}

void Receiver::LookForEnd() {
  if (end_ != StreamEnd::kNone || stopping_) return;
  char byte;
  const ssize_t waiting = recv(fd_, &byte, sizeof(byte), MSG_PEEK | MSG_DONTWAIT);
  if (waiting > 0 || (waiting < 0 && (errno == EAGAIN || errno == EINTR))) return;
  end_ = waiting == 0 ? StreamEnd::kPeerClosed : EndOfError(errno);
  news_(owner_);
}

StreamEnd Receiver::LookAhead() const {
  if (end_ != StreamEnd::kNone) return end_;
  pollfd asked{.fd = fd_, .events = POLLRDHUP, .revents = 0};
  if (poll(&asked, 1, 0) <= 0) return StreamEnd::kNone;
  if ((asked.revents & POLLERR) == 0) return StreamEnd::kPeerClosed;
  int error = 0;
  socklen_t bytes = sizeof(error);
  (void)getsockopt(fd_, SOL_SOCKET, SO_ERROR, &error, &bytes);
  return EndOfError(error);
}

void Receiver::Discard() {
  DropChunks();
  backlog_.Release();
  // The kernel hands received bytes to the ring only between turns, so this sees all there is. The
  // bound is for a peer that sends faster than we discard.
  char scratch[4096];
  for (int i = 0; i < 256; ++i)
    if (recv(fd_, scratch, sizeof(scratch), MSG_DONTWAIT) <= 0) break;
}

void Receiver::OnReceived(int32_t result, uint32_t flags) {
  if (result > 0) {
    metrics_.bytes_in.Add(static_cast<uint64_t>(result));
    received_bytes_ += static_cast<uint64_t>(result);
    chunks_.push_back({buffers_.Take(result, flags), flags});
    if (stopping_) {
      DropChunks();
    } else {
      reactor_.AtTurnEnd(turn_end_);
    }
  } else if (result == 0) {
    end_ = StreamEnd::kPeerClosed;
  } else if (result == -ENOBUFS) {
    buffers_.exhausted().Add();
    metrics_.receive_exhausted.Add();
  } else if (result != -ECANCELED && result != -EINTR && result != -EAGAIN) {
    end_ = EndOfError(-result);
  }
  // Whatever ended the receive, it goes on while it is wanted; at the turn's end, when its buffers
  // are back.
  if (!(flags & IORING_CQE_F_MORE) && wanted_) reactor_.AtTurnEnd(turn_end_);
  news_(owner_);
}

void Receiver::OnTurnEnd() {
  Gather();
  if (stopping_) return news_(owner_);
  if (backlog_.size() >= kBacklogBytesMax && wanted_) {
    wanted_ = false;
    metrics_.receive_pauses.Add();
    reactor_.Cancel(receive_op_);
  } else if (wanted_) {
    Want();
  }
}

void Receiver::Gather() {
  for (size_t i = first_chunk_; i < chunks_.size(); ++i) {
    backlog_.Append(chunks_[i].bytes);
    buffers_.Give(chunks_[i].flags);
  }
  first_chunk_ = 0;
  chunks_.clear();
  if (chunks_.capacity() > kChunkListKept) std::vector<Chunk>().swap(chunks_);
}

void Receiver::DropChunks() {
  for (size_t i = first_chunk_; i < chunks_.size(); ++i) buffers_.Give(chunks_[i].flags);
  first_chunk_ = 0;
  chunks_.clear();
}

}  // namespace poplar::net
