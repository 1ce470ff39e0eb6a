// What a session sees of an open maildrop. The driver implements it over the store's snapshot.

#pragma once

#include <cstdint>
#include <string_view>

#include "core/base/strong.h"

namespace poplar::pop3 {

// A message's place in its maildrop, 0-based. Clients count from 1.
using MessageIndex = Strong<struct MessageIndexTag, uint32_t>;

// Fixed while the session lasts, on the session's shard. Calls are cheap: a listing makes one for
// every message.
class MaildropView {
 public:
  virtual ~MaildropView() = default;

  // How many messages there are, at most kMessagesPerMaildropMax.
  virtual uint32_t count() const = 0;
  // Of all messages together.
  virtual uint64_t total_octets() const = 0;
  // What RFC 1939 §11 counts. REQUIRES: message.value() < count(), as below.
  virtual uint64_t octets(MessageIndex message) const = 0;
  // 1 to kUidlBytesMax characters, 0x21 to 0x7E (RFC 1939 §7). Valid until the next call.
  virtual std::string_view uidl(MessageIndex message) const = 0;
  // Microseconds since 1970; negative for what is older.
  virtual int64_t received_us(MessageIndex message) const = 0;
};

}  // namespace poplar::pop3
