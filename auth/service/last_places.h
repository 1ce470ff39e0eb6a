// From where the last failed log-in of a name came, for whoever asks why it waits. A fixed table:
// of names that meet in it the last one counts. In memory only. Any thread; it is asked seldom, and
// written when something failed, so a lock is enough.

#pragma once

#include <array>
#include <cstdint>
#include <mutex>
#include <optional>

namespace poplar::auth {

// Where a client is: equal numbers are one. Addresses that cannot be read (Unix sockets have none)
// are all one.
struct ClientPlace {
  uint64_t address = UINT64_MAX;  // IPv4 /32, IPv6 /64.
  uint64_t network = 0;           // IPv6 /48; 0: none.
};

class LastPlaces {
 public:
  void Set(uint64_t user, const ClientPlace& place) {
    const std::lock_guard<std::mutex> lock(mutex_);
    entries_[user % kEntries] = {user, place};
  }
  std::optional<ClientPlace> Of(uint64_t user) const {
    const std::lock_guard<std::mutex> lock(mutex_);
    const Entry& entry = entries_[user % kEntries];
    if (entry.user != user) return std::nullopt;
    return entry.place;
  }

 private:
  static constexpr uint64_t kEntries = 8 * 1024;

  struct Entry {
    uint64_t user = 0;  // A keyed hash, as in the throttle.
    ClientPlace place;
  };

  mutable std::mutex mutex_;
  std::array<Entry, kEntries> entries_;
};

}  // namespace poplar::auth
