// Which maildrops stay in memory, though nobody needs them just now.

#include <utility>

#include "core/base/check.h"
#include "storage/index/maildrop_table.h"

namespace poplar::storage {
namespace {

constexpr size_t kMaildropOverheadBytes = sizeof(MaildropState) + 64;
constexpr int kEvictionStepsMax = 64;

}  // namespace

void MaildropTable::Charge(MaildropState& maildrop) {
  cached_bytes_ -= maildrop.charged_bytes;
  const size_t list_bytes = maildrop.list == nullptr ? 0 : maildrop.list->memory_bytes();
  maildrop.charged_bytes = maildrop.counted() ? list_bytes + kMaildropOverheadBytes : 0;
  cached_bytes_ += maildrop.charged_bytes;
}

void MaildropTable::Use(MaildropState& maildrop) {
  if (newest_ == &maildrop) return;
  Unlink(maildrop);
  maildrop.older = newest_;
  if (newest_ != nullptr) newest_->newer = &maildrop;
  newest_ = &maildrop;
  if (oldest_ == nullptr) oldest_ = &maildrop;
}

void MaildropTable::Unlink(MaildropState& maildrop) {
  if (maildrop.newer != nullptr) maildrop.newer->older = maildrop.older;
  if (maildrop.older != nullptr) maildrop.older->newer = maildrop.newer;
  if (newest_ == &maildrop) newest_ = maildrop.older;
  if (oldest_ == &maildrop) oldest_ = maildrop.newer;
  maildrop.newer = maildrop.older = nullptr;
}

bool MaildropTable::Idle(const MaildropState& maildrop) const {
  return maildrop.pins == 0 && maildrop.lease == nullptr && maildrop.readers.expired() &&
         !maildrop.dirty && !maildrop.flushing;
}

bool MaildropTable::Forgettable(const MaildropState& maildrop) const {
  return Idle(maildrop) && !maildrop.counted();
}

void MaildropTable::Evict() {
  MaildropState* next = oldest_;
  for (int step = 0; step < kEvictionStepsMax && next != nullptr; ++step) {
    if (cached_bytes_ <= cache_bytes_max_) return;
    MaildropState& maildrop = *std::exchange(next, next->newer);
    if (Idle(maildrop)) {
      Forget(maildrop);
    } else {
      Use(maildrop);  // Out of the way of the next search.
    }
  }
}

void MaildropTable::Unpin(MaildropState& maildrop) {
  POP_CHECK(maildrop.pins > 0);
  --maildrop.pins;
  if (maildrop.pins == 0 && !maildrop.flushing) maildrop.in_checkpoint = {};
  if (Forgettable(maildrop)) Forget(maildrop);
}

void MaildropTable::Forget(MaildropState& maildrop) {
  Unlink(maildrop);
  cached_bytes_ -= maildrop.charged_bytes;
  maildrops_.erase(std::string_view(maildrop.key));
}

}  // namespace poplar::storage
