// The store's own numbers (FORMAT.md section 3). They stay below the door.

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "core/base/strong.h"
#include "storage/api/store.h"

namespace poplar::storage {

// Where a record or batch begins: segment number and offset. 0 is before everything.
class Lsn {
 public:
  constexpr Lsn() = default;
  constexpr explicit Lsn(uint64_t value) : value_(value) {}
  constexpr Lsn(uint32_t segment, uint64_t offset)
      : value_((static_cast<uint64_t>(segment) << 32) + offset) {}

  constexpr uint64_t value() const { return value_; }
  constexpr uint32_t segment() const { return static_cast<uint32_t>(value_ >> 32); }
  constexpr uint32_t offset() const { return static_cast<uint32_t>(value_); }
  friend constexpr auto operator<=>(Lsn, Lsn) = default;

 private:
  uint64_t value_ = 0;
};

// Behind every place of every log.
inline constexpr Lsn kLsnMax{UINT64_MAX};

// A message in its partition.
using MessageId = Strong<struct MessageIdTag, uint64_t>;

// One file of a blob; 0 is none.
using BlobId = Strong<struct BlobIdTag, uint64_t>;

inline constexpr uint32_t EpochOf(uint64_t id) { return static_cast<uint32_t>(id >> 32); }
inline constexpr uint64_t FirstIdOf(uint32_t epoch) {
  return (static_cast<uint64_t>(epoch) << 32) + 1;
}

inline constexpr uint32_t kUidlTagBytes = 7;
inline constexpr uint32_t kOwnUidlBytes = kUidlTagBytes + 2 + 13;

// The UIDL of a message that was not imported, unique in all stores. Writes kOwnUidlBytes.
void WriteUidl(std::string_view tag, uint32_t partition, MessageId id, char* into);

// The message of this store and partition whose UIDL is `uidl`, if it was given by WriteUidl.
std::optional<MessageId> ReadUidl(std::string_view tag, uint32_t partition, std::string_view uidl);

// As people read them, and as files are called: hexadecimal.
std::string PlaceText(Lsn at);
std::string IdText(uint64_t id);

// The tag of a store, drawn from its random id.
void WriteUidlTag(uint64_t random, char* into);

// Of the door's keys, those that a store can hold.
bool ValidKey(const MaildropKey& key);

// A maildrop as a key of the index and of maps: sorts by tenant, then account length and bytes.
// REQUIRES: valid.
std::string EncodeMaildropKey(const MaildropKey& key);
// Of the maildrop, for the key of its kept mail too. Empty account when `encoded` is no such key.
MaildropKey DecodeMaildropKey(std::string_view encoded);

// The mail of a maildrop that was deleted and is kept has a list of its own, under a key that
// differs in its first bit.
std::string KeptKeyOf(std::string_view encoded);
bool IsKeptKey(std::string_view encoded);

}  // namespace poplar::storage
