// An mbox file as a mailbox to be imported: messages behind `From ` lines, quoted as mboxrd or
// mboxo do. The file is read piece by piece, once to find the messages and then each for itself.
//
// UIDLs are those of servers that keep their numbers in the file: X-UID fields with the validity of
// X-IMAPbase or X-IMAP (Dovecot, UW IMAP, in Dovecot's format), or X-UIDL fields (qpopper and
// others), of which the first counts, as it does there. In a file that an export of ours wrote it
// is the export's own field that counts, and the message is given without it.

#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "core/app/transfer/mailbox_source.h"
#include "core/app/transfer/uidl_format.h"

namespace poplar::app {

// By this an export marks that it put an X-UIDL field in front of the message, as its first line.
inline constexpr std::string_view kExportedFrom = "From poplar-export ";

struct MboxOptions {
  bool header_first = false;  // X-UIDL counts more than X-UID.
  bool mboxo = false;         // Only `>From ` loses its `>`, not `>>From `.
  UidlFormat format;          // Dovecot's.
};

// Links are followed as source_folder.h says. kInvalidArgument: it is no mbox, or no file.
StatusOr<std::unique_ptr<MailboxSource>> OpenMbox(const std::string& path,
                                                  const MboxOptions& options,
                                                  size_t found_from = std::string::npos);

// Takes one `>` off the front of lines that begin with `>From `, or with more of them (mboxrd).
class FromUnquoter {
 public:
  explicit FromUnquoter(bool mboxo) : mboxo_(mboxo) {}
  // Appends to `out` what `bytes` becomes, but for what the next ones must decide.
  void Feed(std::string_view bytes, std::string& out);
  void Finish(std::string& out);

 private:
  void Release(std::string& out);

  const bool mboxo_;
  bool at_line_start_ = true;
  std::string held_;  // `>` and a beginning of `From `: perhaps a quoted line.
};

}  // namespace poplar::app
