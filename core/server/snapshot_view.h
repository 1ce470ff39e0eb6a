// The store's snapshot as a POP3 session sees it. Lives with the session, on its shard.

#pragma once

#include <array>

#include "core/base/limits.h"
#include "core/proto/pop3/maildrop_view.h"
#include "storage/api/store.h"

namespace poplar::server {

class SnapshotView : public pop3::MaildropView {
 public:
  // REQUIRES: the maildrop outlives the view.
  explicit SnapshotView(const storage::Maildrop& maildrop) : maildrop_(maildrop) {}

  uint32_t count() const override { return maildrop_.count(); }
  uint64_t total_octets() const override { return maildrop_.octets(); }
  uint64_t octets(pop3::MessageIndex message) const override {
    return maildrop_.MessageOctets(storage::MessagePosition(message.value()));
  }
  std::string_view uidl(pop3::MessageIndex message) const override {
    const uint32_t bytes = maildrop_.CopyUidl(storage::MessagePosition(message.value()), uidl_);
    return {uidl_.data(), bytes};
  }
  int64_t received_us(pop3::MessageIndex message) const override {
    return maildrop_.Info(storage::MessagePosition(message.value())).received_us;
  }

 private:
  const storage::Maildrop& maildrop_;
  mutable std::array<char, kUidlBytesMax> uidl_;
};

}  // namespace poplar::server
