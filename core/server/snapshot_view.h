// The store's snapshot as a POP3 session sees it. Lives with the session, on its shard.

#pragma once

#include <span>

#include "core/proto/pop3/maildrop_view.h"
#include "storage/api/store.h"

namespace poplar::server {

class SnapshotView : public pop3::MaildropView {
 public:
  // REQUIRES: the maildrop outlives the view.
  explicit SnapshotView(const storage::Maildrop& maildrop) : maildrop_(maildrop) {}

  uint32_t count() const override { return maildrop_.count(); }
  uint64_t total_octets() const override { return maildrop_.octets(); }
  void CopyOctets(pop3::MessageIndex first, std::span<uint64_t> into) const override {
    maildrop_.CopyOctets(storage::MessagePosition(first.value()), into);
  }
  void CopyUidls(pop3::MessageIndex first, std::span<UidlText> into) const override {
    maildrop_.CopyUidls(storage::MessagePosition(first.value()), into);
  }
  int64_t received_us(pop3::MessageIndex message) const override {
    return maildrop_.Info(storage::MessagePosition(message.value())).received_us;
  }

 private:
  const storage::Maildrop& maildrop_;
};

}  // namespace poplar::server
