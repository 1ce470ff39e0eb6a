// An io_uring as the reactor and the start-up probe set it up: one submitter, completions gathered
// only when it asks. Submissions beyond the queue are flushed; completions are copied out, so that
// the kernel's queue is free before the first of them is handled.
//
// Lives on the thread that made it. Private to core/io.

#pragma once

#include <liburing.h>

#include <array>
#include <cstdint>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

namespace poplar::io {

// What a reactor has a ring do. A ring takes nothing else, whoever asks: an operation is no call to
// the kernel, so no seccomp filter sees it.
struct RingOperation {
  uint8_t code;
  std::string_view name;
};
inline constexpr auto kRingOperations = std::to_array<RingOperation>({
    {IORING_OP_ACCEPT, "ACCEPT"},
    {IORING_OP_RECV, "RECV"},
    {IORING_OP_SEND, "SEND"},
    {IORING_OP_POLL_ADD, "POLL_ADD"},
    {IORING_OP_SHUTDOWN, "SHUTDOWN"},
    {IORING_OP_READ, "READ"},
    {IORING_OP_WRITEV, "WRITEV"},
    {IORING_OP_FSYNC, "FSYNC"},
    {IORING_OP_ASYNC_CANCEL, "ASYNC_CANCEL"},
    {IORING_OP_MSG_RING, "MSG_RING"},
});

struct Completed {
  uint64_t user_data = 0;
  int32_t result = 0;
  uint32_t flags = 0;
};

class Ring {
 public:
  struct Entries {
    uint32_t submission = 1024;
    uint32_t completion = 4096;
  };

  // Null and the errno when the kernel refuses.
  static std::pair<std::unique_ptr<Ring>, int> Create(const Entries& entries);
  Ring(const Ring&) = delete;
  Ring& operator=(const Ring&) = delete;
  ~Ring();

  // A cleared entry to fill; it is submitted with the next Submit or Wait at the latest.
  io_uring_sqe& Next();

  // Submits without waiting, and gathers what has completed.
  void Submit();
  // Submits, and gathers; waits at most `wait_us` (kForever: without end) for the first completion.
  void Wait(uint64_t wait_us);
  static constexpr uint64_t kForever = UINT64_MAX;

  // What was gathered and not yet removed, oldest first. Next() may add to it.
  std::vector<Completed>& completed() { return completed_; }

  int fd() const { return ring_.ring_fd; }
  io_uring& raw() { return ring_; }

 private:
  Ring() = default;
  void Gather();

  io_uring ring_{};
  std::vector<Completed> completed_;
};

}  // namespace poplar::io
