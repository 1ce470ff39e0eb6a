// A bounded map whose entries all live equally long: what was put in first goes first, by age or
// for want of room. Time comes from the caller. One thread.

#pragma once

#include <cstdint>
#include <deque>
#include <utility>

#include "absl/container/flat_hash_map.h"

namespace poplar::auth {

struct ExpiringMapOptions {
  uint64_t ttl_ms = 0;
  uint64_t entries_max = 1;
};

template <class Key, class Value>
class ExpiringMap {
 public:
  explicit ExpiringMap(const ExpiringMapOptions& options) : options_(options) {}

  // Null: not there, or too old. Ends with the next change.
  const Value* Find(const Key& key, uint64_t now_us) const {
    const auto found = slots_.find(key);
    return found == slots_.end() || found->second.expires_us <= now_us ? nullptr
                                                                       : &found->second.value;
  }

  // Takes the place of what was there.
  void Insert(const Key& key, Value value, uint64_t now_us) {
    if (options_.ttl_ms == 0 || options_.entries_max == 0) return;
    const uint64_t expires_us = now_us + options_.ttl_ms * 1000;
    slots_.insert_or_assign(key, Slot{std::move(value), expires_us, ++serial_});
    order_.push_back({key, expires_us, serial_});
    Trim(now_us);
    if (order_.size() > 2 * slots_.size() + kTicketsSpare) ForgetOldTickets();
  }

  void Erase(const Key& key) { slots_.erase(key); }
  // Looks at all.
  template <class Predicate>
  void EraseIf(Predicate matches) {
    absl::erase_if(slots_, [&](const auto& entry) { return matches(entry.second.value); });
  }
  void Clear() {
    slots_.clear();
    order_.clear();
  }
  // Frees what is too old.
  void Trim(uint64_t now_us) {
    while (!order_.empty() &&
           (order_.front().expires_us <= now_us || slots_.size() > options_.entries_max)) {
      const auto found = slots_.find(order_.front().key);
      // Not one that was put in again since, or was erased.
      if (found != slots_.end() && found->second.serial == order_.front().serial) {
        slots_.erase(found);
      }
      order_.pop_front();
    }
  }
  size_t size() const { return slots_.size(); }
  // Of the order in which they expire: what it takes beside the entries.
  size_t tickets() const { return order_.size(); }

 private:
  static constexpr size_t kTicketsSpare = 64;

  // Those of slots that were put in again or erased, however long they would live.
  void ForgetOldTickets() {
    std::erase_if(order_, [this](const auto& ticket) {
      const auto found = slots_.find(ticket.key);
      return found == slots_.end() || found->second.serial != ticket.serial;
    });
  }

  struct Slot {
    Value value;
    uint64_t expires_us = 0;
    uint64_t serial = 0;
  };
  struct Ticket {
    Key key;
    uint64_t expires_us = 0;
    uint64_t serial = 0;
  };

  const ExpiringMapOptions options_;
  absl::flat_hash_map<Key, Slot> slots_;
  std::deque<Ticket> order_;  // By age. One a slot, and those of slots that are gone.
  uint64_t serial_ = 0;
};

}  // namespace poplar::auth
