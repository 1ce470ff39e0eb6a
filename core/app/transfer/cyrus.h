// A mailbox folder of Cyrus' spool as a mailbox to be imported: `cyrus.index` and a file `12.` for
// the message of UID 12.
//
// Read is the index of Cyrus 1.6 to 3.8 (minor versions 1 to 19), of which these fields stand in
// the same places: validity, whether the mailbox has UIDLs of the new form, up to which date POP3
// does not show it, and of each message UID, date and whether it is expunged or archived. Later
// indexes are refused. What they do not say is taken from the configuration of the old server: its
// `uidl_format`.
//
// Links are followed: nobody but Cyrus writes into its spool, and an operator whose files lie in
// several places makes a folder of links to all of them.

#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/app/transfer/mailbox_source.h"
#include "core/app/transfer/uidl_format.h"

namespace poplar::app {

struct CyrusIndex {
  struct Entry {
    uint32_t uid = 0;
    int64_t received_us = 0;
    bool archived = false;  // Its file may be on another partition.
  };
  uint32_t uid_validity = 0;
  bool new_uidls = false;  // Else a UIDL is the UID alone.
  // What POP3 does not show (the annotation pop3showafter) is counted only.
  uint64_t hidden = 0;
  std::vector<Entry> entries;
};

// kInvalidArgument: not such an index, or of an unknown version. Any thread.
StatusOr<CyrusIndex> ParseCyrusIndex(std::string_view bytes);

// `format` is what the server's uidl_format means: %v.%u for cyrus, %u for uidonly, %v-%u for
// courier, %08Xu%08Xv for dovecot.
StatusOr<std::unique_ptr<MailboxSource>> OpenCyrus(const std::string& path,
                                                   const UidlFormat& format);

}  // namespace poplar::app
