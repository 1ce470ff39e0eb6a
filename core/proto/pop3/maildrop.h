// The maildrop as one session's TRANSACTION state has it: the view it opened, and which messages it
// has marked as deleted. Marks cost nothing until the first one.

#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "core/proto/pop3/maildrop_view.h"

namespace poplar::pop3 {

class Maildrop {
 public:
  // REQUIRES: `view` outlives this object's use.
  void Open(const MaildropView& view);

  const MaildropView& view() const { return *view_; }
  // Messages that are not marked, and their octets.
  uint32_t count() const { return count_; }
  uint64_t octets() const { return octets_; }

  bool IsDeleted(MessageIndex message) const {
    return marks_ != nullptr && (marks_[message.value() / 64] >> (message.value() % 64) & 1) != 0;
  }
  // REQUIRES: it is not marked yet.
  void Delete(MessageIndex message);
  // Takes all marks away (RSET).
  void Undelete();
  // The marked ones, in order.
  std::vector<MessageIndex> Deleted() const;

 private:
  const MaildropView* view_ = nullptr;
  std::unique_ptr<uint64_t[]> marks_;  // A bit a message; null while none is marked.
  uint32_t count_ = 0;
  uint64_t octets_ = 0;
};

}  // namespace poplar::pop3
