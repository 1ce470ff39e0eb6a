#include "core/app/transfer/held_messages.h"

#include <utility>

namespace poplar::app {

HeldMessages::HeldMessages(const std::vector<SourceMessage>& messages,
                           std::unordered_set<std::string> uidls)
    : uidls_(std::move(uidls)) {
  for (const SourceMessage& message : messages) {
    theirs_.insert(message.uidl);
    ++copies_[message.stable_name].in_mailbox;
  }
}

bool HeldMessages::MayHaveOtherUidl(const SourceMessage& message) {
  return message.fate == UidlFate::kKept && !message.stable_name.empty() &&
         message.stable_name != message.uidl;
}

std::string HeldMessages::Find(const SourceMessage& message) {
  if (uidls_.contains(message.uidl)) return message.uidl;
  if (!MayHaveOtherUidl(message)) return "";
  Copies& copies = copies_[message.stable_name];
  while (copies.looked_for < copies.in_mailbox) {
    std::string uidl = UidlOfName(message.stable_name, copies.looked_for++);
    if (uidls_.contains(uidl) && !theirs_.contains(uidl)) return uidl;
  }
  return "";
}

}  // namespace poplar::app
