// The store's snapshot as a POP3 session sees it: all of it, or the messages that were received
// since a time. Lives with the session, on its shard.

#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "core/proto/pop3/maildrop_view.h"
#include "storage/api/store.h"

namespace poplar::server {

class SnapshotView : public pop3::MaildropView {
 public:
  // REQUIRES: the maildrop outlives the view.
  explicit SnapshotView(const storage::Maildrop& maildrop) : maildrop_(maildrop) {}
  SnapshotView(const storage::Maildrop& maildrop, int64_t since_us);

  uint32_t count() const override {
    return chosen_ ? static_cast<uint32_t>(chosen_->size()) : maildrop_.count();
  }
  uint64_t total_octets() const override { return chosen_ ? chosen_octets_ : maildrop_.octets(); }
  void CopyOctets(pop3::MessageIndex first, std::span<uint64_t> into) const override;
  void CopyUidls(pop3::MessageIndex first, std::span<UidlText> into) const override;
  int64_t received_us(pop3::MessageIndex message) const override {
    return maildrop_.Info(PositionOf(message)).received_us;
  }

  storage::MessagePosition PositionOf(pop3::MessageIndex message) const {
    return chosen_ ? (*chosen_)[message.value()] : storage::MessagePosition(message.value());
  }

 private:
  // Calls `copy(position, part)` for each run of messages that stand one behind the other.
  template <class T, class Copy>
  void CopyRuns(pop3::MessageIndex first, std::span<T> into, Copy copy) const;

  const storage::Maildrop& maildrop_;
  std::optional<std::vector<storage::MessagePosition>> chosen_;  // Nothing: all.
  uint64_t chosen_octets_ = 0;
};

}  // namespace poplar::server
