// Which messages of a mailbox the maildrop holds: under their UIDLs, or under what was made of
// their names by a run that did not know their UIDLs yet. Pure; one thread.

#pragma once

#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "core/app/transfer/mailbox_source.h"

namespace poplar::app {

class HeldMessages {
 public:
  // `messages` outlive this; `uidls` are those of the maildrop.
  HeldMessages(const std::vector<SourceMessage>& messages, std::unordered_set<std::string> uidls);

  // Whether a run before may have brought it under another UIDL than it has now.
  static bool MayHaveOtherUidl(const SourceMessage& message);

  // The UIDL that the message has in the maildrop; empty if it is not there. Once for each message.
  std::string Find(const SourceMessage& message);

 private:
  struct Copies {  // Of one name.
    uint32_t in_mailbox = 0;
    uint32_t looked_for = 0;
  };

  const std::unordered_set<std::string> uidls_;
  std::unordered_set<std::string_view> theirs_;  // UIDLs of `messages`.
  std::unordered_map<std::string_view, Copies> copies_;
};

}  // namespace poplar::app
