#include "storage/engine/imported_uidls.h"

#include <xxhash.h>

#include <algorithm>
#include <utility>

#include "core/base/check.h"

namespace poplar::storage {
namespace {

constexpr uint64_t kIdleUs = 10'000'000;
// About 40 octets each; of one partition.
constexpr size_t kUidlsMax = 1'000'000;
constexpr size_t kSetsMax = 256;

}  // namespace

// 128 bits: two UIDLs are never taken for one another.
ImportedUidls::Hash ImportedUidls::HashOf(std::string_view uidl) const {
  const XXH128_hash_t hash =
      XXH3_128bits_withSeed(uidl.data(), uidl.size(), superblock_.placement_seed);
  return {hash.low64, hash.high64};
}

ImportedUidls::Set& ImportedUidls::SetOf(std::string_view maildrop, const MessageList& list) {
  const auto found = sets_.find(std::string(maildrop));
  if (found != sets_.end()) return *found->second;
  MakeRoom();
  auto made = std::make_unique<Set>();
  uint32_t hint = 0;
  for (uint32_t i = 0; i < list.count(); ++i) {
    const MessageEntry& entry = list.At(i, hint);
    if ((entry.flags & kEntryImported) == 0) continue;
    made->held[HashOf(list.ImportedUidl(i, hint))] = entry.id;
  }
  Set& set = *made;
  sets_.emplace(std::string(maildrop), std::move(made));
  return set;
}

ImportedUidls::Answer ImportedUidls::Ask(std::string_view maildrop, const MessageList& list,
                                         std::string_view uidl, Claim& claim, uint64_t now_us) {
  // A UIDL of our own: the message came from here and may still be there.
  if (const auto own = ReadUidl(superblock_.tag(), partition_, uidl); own.has_value()) {
    const MessageEntry* const entry = list.Find(*own);
    if (entry != nullptr && (entry->flags & kEntryImported) == 0) return Answer::kHeld;
  }
  Set& set = SetOf(maildrop, list);
  set.asked_us = now_us;
  const Hash hash = HashOf(uidl);
  if (const auto held = set.held.find(hash); held != set.held.end()) {
    if (list.Find(held->second) != nullptr) return Answer::kHeld;
    set.held.erase(held);  // Deleted meanwhile.
  }
  const auto [arriving, is_first] = set.arriving.try_emplace(hash);
  if (is_first) return Answer::kFree;
  arriving->second.push_back(&claim);
  return Answer::kArriving;
}

void ImportedUidls::Settle(std::string_view maildrop, std::string_view uidl,
                           std::optional<MessageId> stored) {
  const auto found = sets_.find(std::string(maildrop));
  POP_CHECK(found != sets_.end());  // A set with claims is never dropped.
  Set& set = *found->second;
  const Hash hash = HashOf(uidl);
  if (stored.has_value()) set.held[hash] = *stored;
  const auto arriving = set.arriving.find(hash);
  POP_CHECK(arriving != set.arriving.end());
  const std::vector<Claim*> waiting = std::move(arriving->second);
  set.arriving.erase(arriving);
  for (Claim* claim : waiting) claim->Decided(stored.has_value());
}

void ImportedUidls::DropIdle(uint64_t now_us) {
  absl::erase_if(sets_, [now_us](const auto& each) {
    const Set& set = *each.second;
    return set.arriving.empty() && now_us - set.asked_us >= kIdleUs;
  });
}

// The longest unasked ones go.
void ImportedUidls::MakeRoom() {
  while (!sets_.empty()) {
    size_t uidls = 0;
    auto oldest = sets_.end();
    for (auto each = sets_.begin(); each != sets_.end(); ++each) {
      uidls += each->second->held.size();
      if (!each->second->arriving.empty()) continue;
      if (oldest == sets_.end() || each->second->asked_us < oldest->second->asked_us) oldest = each;
    }
    if ((uidls < kUidlsMax && sets_.size() < kSetsMax) || oldest == sets_.end()) return;
    sets_.erase(oldest);
  }
}

}  // namespace poplar::storage
