// A Maildir as a mailbox to be imported. Its messages are those of `cur` and `new`; subfolders
// (Maildir++) are counted and left alone, for POP3 knows the inbox only.

#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "core/app/transfer/mailbox_source.h"
#include "core/app/transfer/uidl_format.h"

namespace poplar::app {

// Where UIDLs come from.
enum class UidlSource : uint8_t {
  kAuto,      // Dovecot's or Courier's list, if there is one; else nothing is known.
  kDovecot,   // `dovecot-uidlist`: its P fields, else the format.
  kCourier,   // `courierpop3dsizelist`; without one the base names, as old versions did.
  kFilename,  // The base name.
};

struct MaildirOptions {
  UidlSource uidls = UidlSource::kAuto;
  bool header_first = false;  // An X-UIDL header counts more than the format does.
  UidlFormat format;          // Dovecot's.
};

// Reads the folder and its list. kNotFound and others: it cannot be read, or is no Maildir. Links
// are followed as source_folder.h says.
StatusOr<std::unique_ptr<MailboxSource>> OpenMaildir(const std::string& path,
                                                     const MaildirOptions& options,
                                                     size_t found_from = std::string::npos);

// When the file says that the message arrived: what its name begins with (seconds, and `M` with
// microseconds), or its modification time, whichever is earlier. A copy of a mailbox often has
// lost the one, a message that was moved between mailboxes never had the other.
int64_t ReceivedUsOf(std::string_view base_name, int64_t modified_us);

// The value of a field in the header that `text` begins with; empty if it has none.
std::string_view HeaderField(std::string_view text, std::string_view name);

}  // namespace poplar::app
