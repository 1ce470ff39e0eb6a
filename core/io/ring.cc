#include "core/io/ring.h"

#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <ctime>

#include "core/base/check.h"

namespace poplar::io {
namespace {

// Errors of submitting and waiting that leave everything in order: time is up, a signal came, the
// kernel is short of memory for now, or wants completions gathered first.
bool Harmless(int result) {
  return result >= 0 || result == -ETIME || result == -EINTR || result == -EAGAIN ||
         result == -EBUSY;
}

// Errno, negative.
int Restrict(io_uring& ring) {
  std::vector<io_uring_restriction> rules;
  for (const RingOperation& operation : kRingOperations) {
    io_uring_restriction rule{};
    rule.opcode = IORING_RESTRICTION_SQE_OP;
    rule.sqe_op = operation.code;
    rules.push_back(rule);
  }
  for (const uint8_t registering : {IORING_REGISTER_RING_FDS, IORING_UNREGISTER_RING_FDS,
                                    IORING_REGISTER_PBUF_RING, IORING_UNREGISTER_PBUF_RING}) {
    io_uring_restriction rule{};
    rule.opcode = IORING_RESTRICTION_REGISTER_OP;
    rule.register_op = registering;
    rules.push_back(rule);
  }
  io_uring_restriction flags{};
  flags.opcode = IORING_RESTRICTION_SQE_FLAGS_ALLOWED;
  flags.sqe_flags = IOSQE_BUFFER_SELECT | IOSQE_CQE_SKIP_SUCCESS;
  rules.push_back(flags);
  // Debian's liburing declares functions for these, but does not have them.
  const auto do_register = [&ring](unsigned what, void* argument, size_t count) {
    return ::syscall(SYS_io_uring_register, ring.ring_fd, what, argument, count) == 0 ? 0 : -errno;
  };
  const int error = do_register(IORING_REGISTER_RESTRICTIONS, rules.data(), rules.size());
  return error != 0 ? error : do_register(IORING_REGISTER_ENABLE_RINGS, nullptr, 0);
}

}  // namespace

std::pair<std::unique_ptr<Ring>, int> Ring::Create(const Entries& entries) {
  std::unique_ptr<Ring> ring(new Ring());
  io_uring_params params{};
  // SINGLE_ISSUER and DEFER_TASKRUN: completions are worked out only when this thread asks for
  // them, in batches. COOP_TASKRUN: it is never interrupted for them. SUBMIT_ALL: one bad entry
  // does not hold back those behind it. R_DISABLED: it works once it is restricted.
  params.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
                 IORING_SETUP_COOP_TASKRUN | IORING_SETUP_SUBMIT_ALL | IORING_SETUP_CQSIZE |
                 IORING_SETUP_R_DISABLED;
  // One multishot operation completes many times, so completions need more room.
  params.cq_entries = std::max(entries.completion, 4 * entries.submission);
  const int error = io_uring_queue_init_params(entries.submission, &ring->ring_, &params);
  if (error != 0) {
    ring->ring_.ring_fd = -1;
    return {nullptr, -error};
  }
  if (const int refused = Restrict(ring->ring_); refused != 0) return {nullptr, -refused};
  // Spares a look-up of the descriptor at each call. A kernel that cannot loses only that.
  io_uring_register_ring_fd(&ring->ring_);
  ring->completed_.reserve(256);
  return {std::move(ring), 0};
}

Ring::~Ring() {
  if (ring_.ring_fd >= 0) io_uring_queue_exit(&ring_);
}

io_uring_sqe& Ring::Next() {
  io_uring_sqe* entry = io_uring_get_sqe(&ring_);
  while (entry == nullptr) {
    Submit();
    entry = io_uring_get_sqe(&ring_);
  }
  return *entry;
}

void Ring::Submit() {
  POP_CHECK(Harmless(io_uring_submit_and_get_events(&ring_)));
  Gather();
}

void Ring::Wait(uint64_t wait_us) {
  if (wait_us == 0 || io_uring_cq_ready(&ring_) != 0) {
    Submit();
    return;
  }
  __kernel_timespec timeout{};
  timeout.tv_sec = static_cast<int64_t>(wait_us / 1'000'000);
  timeout.tv_nsec = static_cast<int64_t>(wait_us % 1'000'000 * 1'000);
  io_uring_cqe* first = nullptr;
  POP_CHECK(Harmless(io_uring_submit_and_wait_timeout(
      &ring_, &first, 1, wait_us == kForever ? nullptr : &timeout, nullptr)));
  Gather();
}

void Ring::Gather() {
  unsigned head = 0;
  unsigned count = 0;
  io_uring_cqe* entry = nullptr;
  io_uring_for_each_cqe(&ring_, head, entry) {
    completed_.push_back({entry->user_data, entry->res, entry->flags});
    ++count;
  }
  io_uring_cq_advance(&ring_, count);
}

}  // namespace poplar::io
