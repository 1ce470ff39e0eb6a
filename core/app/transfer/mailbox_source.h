// A mailbox that is to be imported: its messages in the order in which they are to stand, each with
// the UIDL that it had on the old server where that is known. Made by those who read Maildirs,
// mboxes and other servers. Blocking; one thread.

#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "core/app/transfer/byte_source.h"

namespace poplar::app {

// Whether a message keeps its UIDL, or why not.
enum class UidlFate : uint8_t {
  kKept,
  kUnknown,    // The old server's is written nowhere.
  kDuplicate,  // Another message of the mailbox has it, too.
  kTooLong,    // More than 70 octets (RFC 1939 §7).
  kBadOctets,  // Others than 0x21 to 0x7E.
};
inline constexpr size_t kUidlFates = 5;

// "kept", "unknown", …
std::string_view Name(UidlFate fate);
// Of an old server's UIDL by itself, empty where there is none: never kDuplicate.
UidlFate FateOf(std::string_view uidl);

struct SourceMessage {
  std::string name;  // For people: its file, or its number.
  std::string uidl;  // Sound, and of this message alone in its mailbox.
  UidlFate fate = UidlFate::kKept;
  // What it is named by as long as its UIDL is not known: a run before that was may have brought it
  // so. Empty where it is always known.
  std::string stable_name;
  int64_t received_us = 0;
  uint64_t bytes = 0;   // About.
  uint32_t number = 0;  // In a maildrop on another server.
};

class MailboxSource {
 public:
  virtual ~MailboxSource() = default;

  const std::vector<SourceMessage>& messages() const { return messages_; }
  // What was seen and left alone, in sentences.
  const std::vector<std::string>& notes() const { return notes_; }

  // Says before the first Open which messages will be opened, and in which order.
  // NOLINTNEXTLINE(performance-unnecessary-value-param): who overrides it keeps them.
  virtual void Expect(std::vector<size_t> /*messages*/) {}
  // The message's bytes; one at a time, each read to its end. It may learn `received_us`. Errors
  // are of this message alone; kUnavailable and kDeadlineExceeded of all that follow.
  virtual StatusOr<std::unique_ptr<ByteSource>> Open(size_t message) = 0;

 protected:
  std::vector<SourceMessage> messages_;
  std::vector<std::string> notes_;
};

// The UIDL that is made of a name; `copy` counts those of the same name from 0.
std::string UidlOfName(std::string_view stable_name, uint32_t copy);

// Gives the messages of one mailbox their UIDLs.
class UidlGiver {
 public:
  // `old_uidl` is the old server's, or empty; where it cannot be kept one is made of `stable_name`,
  // the same at every run.
  void Give(std::string_view old_uidl, std::string_view stable_name, SourceMessage& message);

 private:
  bool Claim(std::string uidl, SourceMessage& message);

  std::unordered_set<std::string> taken_;
  std::unordered_map<std::string, uint32_t> copies_;  // By stable name: the next to try.
};

}  // namespace poplar::app
