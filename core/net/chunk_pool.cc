#include "core/net/chunk_pool.h"

#include <utility>

#include "core/base/check.h"

namespace poplar::net {

ChunkPool::~ChunkPool() { POP_CHECK(in_use() == 0 && first_ == nullptr); }

std::unique_ptr<char[]> ChunkPool::Acquire(Waiter& waiter) {
  if (waiter.chunk_) return std::move(waiter.chunk_);
  POP_CHECK(!waiter.waiting_);
  if (in_use() == chunks_max_) {
    waiter.waiting_ = true;
    waiter.next_ = nullptr;
    (first_ == nullptr ? first_ : last_->next_) = &waiter;
    last_ = &waiter;
    return nullptr;
  }
  in_use_.Add(1);
  if (spares_.empty()) return std::make_unique_for_overwrite<char[]>(kChunkBytes);
  std::unique_ptr<char[]> chunk = std::move(spares_.back());
  spares_.pop_back();
  return chunk;
}

void ChunkPool::Release(std::unique_ptr<char[]> chunk) {
  POP_CHECK(chunk != nullptr && in_use() > 0);
  if (first_ != nullptr) {
    Waiter& waiter = *first_;
    first_ = waiter.next_;
    waiter.waiting_ = false;
    waiter.chunk_ = std::move(chunk);
    reactor_.Schedule(waiter.on_grant_);
    return;
  }
  in_use_.Add(-1);
  if (spares_.size() < kSparesMax) spares_.push_back(std::move(chunk));
}

bool ChunkPool::Forget(Waiter& waiter) {
  if (!waiter.waiting_) return false;
  Waiter* before = nullptr;
  Waiter* at = first_;
  while (at != &waiter) {
    before = at;
    at = at->next_;
  }
  (before == nullptr ? first_ : before->next_) = waiter.next_;
  if (last_ == &waiter) last_ = before;
  waiter.waiting_ = false;
  return true;
}

void ChunkPool::Register(base::MetricRegistry& registry, const base::MetricLabels& labels) const {
  registry.Add(in_use_, "poplar_chunks_in_use", "Buffers of 64 KiB through which bodies are read.",
               labels);
  registry.AddComputed(
      base::MetricRegistry::Kind::kGauge, [this] { return static_cast<double>(chunks_max_); },
      "poplar_chunks_max", "How many there may be; reads beyond wait.", labels);
}

}  // namespace poplar::net
