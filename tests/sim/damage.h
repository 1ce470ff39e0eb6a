// Damages what a store keeps, and tells the model exactly what that can have cost.

#pragma once

#include <cstdint>
#include <set>
#include <string>

#include "tests/sim/model.h"
#include "tests/sim/sim_disk.h"
#include "tests/sim/sim_index.h"

namespace poplar::sim {

class Damager {
 public:
  Damager(std::string store, SimDisk* disk, SimIndexEngine* index_engine, Model* model, Dice* dice,
          Trace* trace);

  // Between runs: a few octets of a segment or a blob, or a whole segment, of one partition. False:
  // there was nothing to damage.
  bool DamageSomething(uint32_t partition);
  // Every copy of a message's octets in segments, be it alive or not. How many there were.
  uint64_t DamageWherever(const std::string& wire);
  // The partition's index goes, or is unsound; that costs nothing.
  bool LoseIndex(uint32_t partition);
  // One list in it is damaged.
  bool DamageList(uint32_t partition);

  // What a delivery's number is in its record.
  static uint64_t NumberOf(int64_t received_us);
  static int64_t ReceivedUs(uint64_t number);

 private:
  bool DamageSegment(const std::string& path);
  bool DamageBlob(const std::string& directory);
  // What the octets [begin, end) of a segment may cost.
  void RelaxWhatStandsIn(const std::string& path, uint64_t begin, uint64_t end);

  const std::string store_;
  SimDisk& disk_;
  SimIndexEngine& index_engine_;
  Model& model_;
  Dice& dice_;
  Trace& trace_;
  std::set<std::string> damaged_;  // Segments.
};

}  // namespace poplar::sim
