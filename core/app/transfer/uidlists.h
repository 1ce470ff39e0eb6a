// The lists in which other servers keep the UIDLs of a Maildir. Pure readers of untrusted text:
// what is not understood is left out, never guessed. Any thread.

#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/app/transfer/uidl_format.h"
#include "core/base/status.h"

namespace poplar::app {

// No list is read beyond this: 300 octets for each of a million messages.
inline constexpr size_t kUidlistBytesMax = 300'000'000;

// `cur/1275660208.M1P2.host,S=1:2,S` is `1275660208.M1P2.host,S=1`: what names a message in a
// Maildir, whatever its flags and folder.
std::string_view MaildirBaseName(std::string_view path);

// `dovecot-uidlist`, versions 1 and 3.
struct DovecotUidlist {
  struct Entry {
    uint32_t uid = 0;
    std::string base_name;
    std::optional<std::string> pop3_uidl;  // Field P; empty: the base name is the UIDL.
    std::string guid;                      // Field G; empty: the base name is the GUID.
    uint32_t pop3_order = 0;               // Field O; 0: behind those that have one.
    std::string line;                      // As version 3 writes it.
  };
  uint32_t uid_validity = 0;
  uint32_t next_uid = 1;       // Above all of them.
  std::string other_fields;    // Of its head, each behind a space.
  std::vector<Entry> entries;  // As they stand there.
};

// kInvalidArgument: not such a list, or of an unknown version.
StatusOr<DovecotUidlist> ParseDovecotUidlist(std::string_view text);

// What Dovecot says to its clients.
std::string UidlOf(const DovecotUidlist::Entry& entry, uint32_t uid_validity,
                   const UidlFormat& format);

// `courierpop3dsizelist`, versions 1 to 3.
struct CourierList {
  struct Entry {
    std::string base_name;
    std::string uidl;  // As Courier says it: `UID12-1275660208`.
  };
  std::vector<Entry> entries;
};

// kInvalidArgument as above.
StatusOr<CourierList> ParseCourierList(std::string_view text);

// What Courier before such lists made of a base name: octets that it did not like are `+XX`.
std::string CourierUidlOfName(std::string_view base_name);

}  // namespace poplar::app
