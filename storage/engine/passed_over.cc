#include "storage/engine/passed_over.h"

#include <algorithm>

namespace poplar::storage {
namespace {

constexpr uint64_t kPassOverUs = 10'000'000;
constexpr uint32_t kPassOverDoublings = 6;  // Up to about ten minutes.
constexpr uint64_t kPassOverDamagedListUs = 3'600'000'000;

}  // namespace

void PassedOver::Add(uint32_t number, Why why, uint64_t now_us) {
  Victim& victim = victims_[number];
  if (victim.why != why) victim = {.why = why};
  switch (why) {
    case Why::kDamaged:
      victim.again_us = UINT64_MAX;
      break;
    case Why::kDamagedList:
      victim.again_us = now_us + kPassOverDamagedListUs;
      break;
    case Why::kUnreadable:
    case Why::kNoRoom:
      victim.again_us = now_us + (kPassOverUs << std::min(victim.failures, kPassOverDoublings));
      break;
  }
  ++victim.failures;
}

bool PassedOver::contains(uint32_t number, uint64_t now_us) const {
  const auto found = victims_.find(number);
  return found != victims_.end() && now_us < found->second.again_us;
}

void PassedOver::RoomCame() {
  std::erase_if(victims_, [](const auto& each) { return each.second.why == Why::kNoRoom; });
}

void PassedOver::ForgetSound() {
  std::erase_if(victims_, [](const auto& each) { return each.second.why != Why::kDamaged; });
}

size_t PassedOver::kept() const {
  return static_cast<size_t>(std::ranges::count_if(victims_, [](const auto& each) {
    return each.second.why == Why::kDamaged || each.second.why == Why::kUnreadable;
  }));
}

}  // namespace poplar::storage
