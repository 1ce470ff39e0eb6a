// Segments that compaction passes over, as one of them could not be emptied: others are tried
// meanwhile, so none that always fails holds up the rest.
//
// Lives on its partition's shard, a field of the compactor.

#pragma once

#include <cstddef>
#include <cstdint>
#include <map>

namespace poplar::storage {

class PassedOver {
 public:
  enum class Why : uint8_t {
    kDamaged,      // It stays as it is.
    kDamagedList,  // Sound, with records of a maildrop whose list is damaged: as long as that is
                   // so, all of those count as living.
    // Each time that one of these fails it rests longer.
    kUnreadable,  // The disk did not give it.
    kNoRoom,      // What of it goes on found no room.
  };

  void Add(uint32_t number, Why why, uint64_t now_us);
  bool contains(uint32_t number, uint64_t now_us) const;
  // It was emptied, or is gone.
  void Forget(uint32_t number) { victims_.erase(number); }
  // Those that found none may be tried now.
  void RoomCame();
  // All but those that are damaged may be tried now.
  void ForgetSound();
  // Those that stay as they are, as they are damaged or could not be read.
  size_t kept() const;

 private:
  struct Victim {
    Why why = Why::kDamaged;
    uint32_t failures = 0;
    uint64_t again_us = 0;
  };

  std::map<uint32_t, Victim> victims_;
};

}  // namespace poplar::storage
