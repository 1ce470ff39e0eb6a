// The reactor's operations: each fills one entry of the submission queue.

#include <liburing.h>

#include <algorithm>

#include "core/base/check.h"
#include "core/io/buffer_ring.h"
#include "core/io/reactor.h"
#include "core/io/ring.h"

namespace poplar::io {
namespace {

// An entry's length has 32 bits, results 31. What is longer completes short.
uint32_t OperationBytes(size_t bytes) {
  return static_cast<uint32_t>(std::min(bytes, size_t{1} << 30));
}

}  // namespace

io_uring& Reactor::raw_ring() { return ring_->raw(); }

io_uring_sqe& Reactor::Begin(Op& op) {
  POP_DCHECK(Current() == this);
  POP_CHECK(!op.in_flight_ && ring_ != nullptr);
  op.in_flight_ = true;
  ++in_flight_;
  return ring_->Next();
}

void Reactor::AcceptMultishot(Op& op, int fd) {
  io_uring_sqe& entry = Begin(op);
  io_uring_prep_multishot_accept(&entry, fd, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
  io_uring_sqe_set_data(&entry, &op);
}

void Reactor::Receive(Op& op, int fd, BufferRing& ring) {
  io_uring_sqe& entry = Begin(op);
  io_uring_prep_recv(&entry, fd, nullptr, 0, 0);
  entry.flags |= IOSQE_BUFFER_SELECT;
  entry.buf_group = ring.group();
  io_uring_sqe_set_data(&entry, &op);
}

void Reactor::ReceiveMultishot(Op& op, int fd, BufferRing& ring) {
  io_uring_sqe& entry = Begin(op);
  io_uring_prep_recv_multishot(&entry, fd, nullptr, 0, 0);
  entry.flags |= IOSQE_BUFFER_SELECT;
  entry.buf_group = ring.group();
  io_uring_sqe_set_data(&entry, &op);
}

void Reactor::Send(Op& op, int fd, std::span<const char> bytes, int send_flags) {
  io_uring_sqe& entry = Begin(op);
  io_uring_prep_send(&entry, fd, bytes.data(), OperationBytes(bytes.size()),
                     send_flags | MSG_NOSIGNAL);
  io_uring_sqe_set_data(&entry, &op);
}

void Reactor::Poll(Op& op, int fd, uint32_t events) {
  io_uring_sqe& entry = Begin(op);
  io_uring_prep_poll_add(&entry, fd, events);
  io_uring_sqe_set_data(&entry, &op);
}

void Reactor::PollMultishot(Op& op, int fd, uint32_t events) {
  io_uring_sqe& entry = Begin(op);
  io_uring_prep_poll_multishot(&entry, fd, events);
  io_uring_sqe_set_data(&entry, &op);
}

void Reactor::Shutdown(Op& op, int fd, int how) {
  io_uring_sqe& entry = Begin(op);
  io_uring_prep_shutdown(&entry, fd, how);
  io_uring_sqe_set_data(&entry, &op);
}

void Reactor::Read(Op& op, int fd, std::span<char> into, uint64_t offset) {
  io_uring_sqe& entry = Begin(op);
  io_uring_prep_read(&entry, fd, into.data(), OperationBytes(into.size()), offset);
  io_uring_sqe_set_data(&entry, &op);
}

void Reactor::WriteVector(Op& op, int fd, std::span<const iovec> pieces, uint64_t offset) {
  io_uring_sqe& entry = Begin(op);
  io_uring_prep_writev(&entry, fd, pieces.data(), static_cast<uint32_t>(pieces.size()), offset);
  io_uring_sqe_set_data(&entry, &op);
}

void Reactor::SyncData(Op& op, int fd) {
  io_uring_sqe& entry = Begin(op);
  io_uring_prep_fsync(&entry, fd, IORING_FSYNC_DATASYNC);
  io_uring_sqe_set_data(&entry, &op);
}

}  // namespace poplar::io
