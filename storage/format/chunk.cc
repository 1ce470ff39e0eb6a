#include "storage/format/chunk.h"

#include <algorithm>

#include "core/base/check.h"
#include "core/base/limits.h"
#include "storage/format/bytes.h"
#include "storage/format/checksum.h"
#include "storage/format/index_format.h"

namespace poplar::storage {
namespace {

constexpr size_t kHeadBytes = 16;

bool EntriesAgree(const Chunk& chunk) {
  uint64_t text_bytes = 0;
  MessageId before{0};
  for (const MessageEntry& entry : chunk.entries) {
    const bool imported = (entry.flags & kEntryImported) != 0;
    const bool in_blob = (entry.flags & kEntryInBlob) != 0;
    if (entry.id <= before || imported != (entry.uidl_bytes != 0) ||
        entry.uidl_bytes > kUidlBytesMax || in_blob != (entry.blob.value() != 0) ||
        entry.header_bytes > entry.wire_bytes) {
      return false;
    }
    before = entry.id;
    if ((entry.flags & kEntryKeptInRecord) != 0 && !entry.kept()) return false;
    text_bytes += entry.text_bytes();
  }
  return text_bytes == chunk.texts.size();
}

}  // namespace

std::string EncodeKeptInfo(const KeptInfo& info) {
  std::string bytes(kKeptInfoBytes, '\0');
  StoreLe<int64_t>(bytes.data(), info.deleted_us);
  StoreLe<uint64_t>(bytes.data() + 8, info.session);
  return bytes;
}

KeptInfo DecodeKeptInfo(std::string_view bytes) {
  POP_CHECK(bytes.size() >= kKeptInfoBytes);
  return {LoadLe<int64_t>(bytes.data()), LoadLe<uint64_t>(bytes.data() + 8)};
}

uint16_t DayOf(int64_t time_us) {
  constexpr int64_t kDayUs = 86'400'000'000;
  return static_cast<uint16_t>(std::clamp<int64_t>(time_us / kDayUs, 0, UINT16_MAX));
}

uint16_t MessageEntry::age_day() const {
  const bool was_read = (flags & (kEntryRead | kEntryKept)) == kEntryRead;
  return was_read && (flags & kEntryImported) == 0 ? DayOf(received_us) : day;
}

std::string_view Chunk::Text(size_t index) const {
  size_t at = 0;
  for (size_t i = 0; i < index; ++i) at += entries[i].text_bytes();
  return std::string_view(texts).substr(at, entries[index].text_bytes());
}

std::string EncodeChunk(std::string_view key, const Chunk& chunk) {
  POP_CHECK(!chunk.entries.empty() && chunk.entries.size() <= kChunkEntriesMax);
  const size_t entry_bytes = chunk.entries.size() * sizeof(MessageEntry);
  std::string value(kHeadBytes + entry_bytes + chunk.texts.size(), '\0');
  char* at = value.data();
  StoreLe<uint16_t>(at + 8, static_cast<uint16_t>(chunk.entries.size()));
  StoreLe<uint16_t>(at + 10, static_cast<uint16_t>(chunk.texts.size()));
  std::memcpy(at + kHeadBytes, chunk.entries.data(), entry_bytes);
  std::memcpy(at + kHeadBytes + entry_bytes, chunk.texts.data(), chunk.texts.size());
  StoreLe<uint64_t>(at, Checksum(std::string_view(value).substr(8), KeySeed(key)));
  return value;
}

StatusOr<Chunk> DecodeChunk(std::string_view key, std::string_view value) {
  const auto damaged = [] { return MakeStatus(StatusCode::kDataLoss, "index chunk: not sound"); };
  if (value.size() < kHeadBytes) return damaged();
  const char* at = value.data();
  const size_t count = LoadLe<uint16_t>(at + 8);
  const size_t text_bytes = LoadLe<uint16_t>(at + 10);
  const size_t entry_bytes = count * sizeof(MessageEntry);
  if (count == 0 || count > kChunkEntriesMax ||
      value.size() != kHeadBytes + entry_bytes + text_bytes ||
      LoadLe<uint64_t>(at) != Checksum(value.substr(8), KeySeed(key))) {
    return damaged();
  }
  Chunk chunk;
  chunk.entries.resize(count);
  // Ids are plain 64-bit numbers in a class of their own.
  std::memcpy(static_cast<void*>(chunk.entries.data()), at + kHeadBytes, entry_bytes);
  chunk.texts.assign(at + kHeadBytes + entry_bytes, text_bytes);
  if (!EntriesAgree(chunk)) return damaged();
  return chunk;
}

}  // namespace poplar::storage
