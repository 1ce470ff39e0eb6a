// What a session sees of an open maildrop. The driver implements it over the store's snapshot.

#pragma once

#include <cstdint>
#include <span>

#include "core/base/strong.h"
#include "core/base/uidl_text.h"

namespace poplar::pop3 {

// A message's place in its maildrop, 0-based. Clients count from 1.
using MessageIndex = Strong<struct MessageIndexTag, uint32_t>;

// Fixed while the session lasts, on the session's shard. Calls are cheap: a listing makes one for
// every few dozen messages.
class MaildropView {
 public:
  virtual ~MaildropView() = default;

  // How many messages there are, at most kMessagesPerMaildropMax.
  virtual uint32_t count() const = 0;
  // Of all messages together.
  virtual uint64_t total_octets() const = 0;
  // Of as many messages as `into` holds, from `first` on: what RFC 1939 §11 counts, and UIDLs.
  // REQUIRES: there are so many.
  virtual void CopyOctets(MessageIndex first, std::span<uint64_t> into) const = 0;
  virtual void CopyUidls(MessageIndex first, std::span<UidlText> into) const = 0;
  // Microseconds since 1970; negative for what is older. REQUIRES: message.value() < count().
  virtual int64_t received_us(MessageIndex message) const = 0;

  // Of one.
  uint64_t octets(MessageIndex message) const {
    uint64_t octets = 0;
    CopyOctets(message, {&octets, 1});
    return octets;
  }
  UidlText uidl(MessageIndex message) const {
    UidlText uidl;
    CopyUidls(message, {&uidl, 1});
    return uidl;
  }
};

}  // namespace poplar::pop3
