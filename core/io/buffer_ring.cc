#include "core/io/buffer_ring.h"

#include <liburing.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>

#include "core/base/check.h"
#include "core/io/probe.h"
#include "core/io/reactor.h"

namespace poplar::io {
namespace {

constexpr uint32_t kBuffersMax = 32'768;  // The kernel's.

uint16_t BufferOf(uint32_t flags) {
  return static_cast<uint16_t>(flags >> IORING_CQE_BUFFER_SHIFT);
}

}  // namespace

StatusOr<std::unique_ptr<BufferRing>> BufferRing::Create(Reactor& reactor,
                                                         const BufferRingOptions& options) {
  POP_CHECK(std::has_single_bit(options.buffers) && options.buffers <= kBuffersMax);
  POP_CHECK(options.buffer_bytes > 0);
  std::unique_ptr<BufferRing> ring(new BufferRing(reactor, options));
  POP_RETURN_IF_ERROR(ring->MapAndRegister());
  return ring;
}

BufferRing::BufferRing(Reactor& reactor, const BufferRingOptions& options)
    : reactor_(reactor), options_(options), taken_(options.buffers) {}

Status BufferRing::MapAndRegister() {
  const auto page_bytes = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  ring_bytes_ = options_.buffers * sizeof(io_uring_buf);
  ring_bytes_ = (ring_bytes_ + page_bytes - 1) / page_bytes * page_bytes;
  mapped_bytes_ = ring_bytes_ + size_t{options_.buffers} * options_.buffer_bytes;
  void* const mapped =
      mmap(nullptr, mapped_bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (mapped == MAP_FAILED) return ErrnoStatus(errno, "receive buffers");
  mapped_ = static_cast<char*>(mapped);

  io_uring_buf_reg registration{};
  registration.ring_addr = reinterpret_cast<uintptr_t>(mapped_);
  registration.ring_entries = options_.buffers;
  registration.bgid = options_.group;
  const int error = io_uring_register_buf_ring(&reactor_.raw_ring(), &registration, 0);
  if (error != 0) return Annotate(ExplainRingFailure(-error), "receive buffers");
  registered_ = true;
  for (uint32_t buffer = 0; buffer < options_.buffers; ++buffer) {
    Offer(static_cast<uint16_t>(buffer));
  }
  return OkStatus();
}

BufferRing::~BufferRing() {
  if (registered_) io_uring_unregister_buf_ring(&reactor_.raw_ring(), options_.group);
  if (mapped_ != nullptr) munmap(mapped_, mapped_bytes_);
}

std::string_view BufferRing::Take(int32_t result, uint32_t flags) {
  if ((flags & IORING_CQE_F_BUFFER) == 0) return {};
  const uint16_t buffer = BufferOf(flags);
  taken_[buffer] = true;
  return {mapped_ + ring_bytes_ + size_t{buffer} * options_.buffer_bytes,
          static_cast<size_t>(std::max(result, 0))};
}

void BufferRing::Give(uint32_t flags) {
  if ((flags & IORING_CQE_F_BUFFER) == 0) return;
  const uint16_t buffer = BufferOf(flags);
  POP_CHECK(taken_[buffer]);
  taken_[buffer] = false;
  Offer(buffer);
}

void BufferRing::Offer(uint16_t buffer) {
  auto* const ring = reinterpret_cast<io_uring_buf_ring*>(mapped_);
  io_uring_buf_ring_add(ring, mapped_ + ring_bytes_ + size_t{buffer} * options_.buffer_bytes,
                        options_.buffer_bytes, buffer, io_uring_buf_ring_mask(options_.buffers), 0);
  io_uring_buf_ring_advance(ring, 1);
}

}  // namespace poplar::io
