// Which UIDLs a maildrop holds while mail is imported into it, answered at once however many
// messages there are; and which are on their way in, so that a message that is imported twice at
// the same time is stored once. Belongs to its partition, on its shard.
//
// A maildrop's set is made from its list with the first message that is imported, and dropped when
// none came for a while, or when others need the room. What it says is checked against the list:
// deletions need not be told here.

#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "storage/format/superblock.h"
#include "storage/index/message_list.h"

namespace poplar::storage {

class ImportedUidls {
 public:
  // A message that is to be stored under its UIDL: a part of a call.
  class Claim {
   public:
    virtual ~Claim() = default;

   protected:
    friend class ImportedUidls;
    // After kArriving: the message before this one was stored, or was not.
    virtual void Decided(bool stored) = 0;
  };

  enum class Answer : uint8_t {
    kFree,      // The claim's: Settle follows.
    kHeld,      // A message of the maildrop has it.
    kArriving,  // Another claim's, which is not settled yet: Decided follows.
  };

  ImportedUidls(const Superblock& superblock, uint32_t partition)
      : superblock_(superblock), partition_(partition) {}

  // `list` is the maildrop's, as it is now.
  Answer Ask(std::string_view maildrop, const MessageList& list, std::string_view uidl,
             Claim& claim, uint64_t now_us);
  // What became of the message that was told kFree: its id, or nothing if it is not stored.
  void Settle(std::string_view maildrop, std::string_view uidl, std::optional<MessageId> stored);

  // Drops the sets that were not asked for a while.
  void DropIdle(uint64_t now_us);
  size_t sets() const { return sets_.size(); }

 private:
  using Hash = std::array<uint64_t, 2>;
  struct Set {
    absl::flat_hash_map<Hash, MessageId> held;
    absl::flat_hash_map<Hash, std::vector<Claim*>> arriving;  // With those that wait.
    uint64_t asked_us = 0;
  };

  Hash HashOf(std::string_view uidl) const;
  Set& SetOf(std::string_view maildrop, const MessageList& list);
  void MakeRoom();

  const Superblock superblock_;
  const uint32_t partition_;
  absl::flat_hash_map<std::string, std::unique_ptr<Set>> sets_;
};

}  // namespace poplar::storage
