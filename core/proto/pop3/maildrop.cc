#include "core/proto/pop3/maildrop.h"

#include "core/base/check.h"

namespace poplar::pop3 {

void Maildrop::Open(const MaildropView& view) {
  view_ = &view;
  Undelete();
}

void Maildrop::Delete(MessageIndex message) {
  POP_CHECK(message.value() < view_->count() && !IsDeleted(message));
  if (marks_ == nullptr) marks_ = std::make_unique<uint64_t[]>((view_->count() + 63) / 64);
  marks_[message.value() / 64] |= uint64_t{1} << (message.value() % 64);
  count_ -= 1;
  octets_ -= view_->octets(message);
}

void Maildrop::Undelete() {
  marks_.reset();
  count_ = view_->count();
  octets_ = view_->total_octets();
}

std::vector<MessageIndex> Maildrop::Deleted() const {
  std::vector<MessageIndex> deleted;
  if (marks_ == nullptr) return deleted;
  deleted.reserve(view_->count() - count_);
  for (uint32_t word = 0; word < (view_->count() + 63) / 64; ++word) {
    for (uint64_t bits = marks_[word]; bits != 0; bits &= bits - 1) {
      deleted.emplace_back(word * 64 + static_cast<uint32_t>(__builtin_ctzll(bits)));
    }
  }
  return deleted;
}

}  // namespace poplar::pop3
