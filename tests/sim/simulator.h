// One simulated life of a store, from one seed: it is made, used, cut off, killed, damaged, started
// again with another number of shards; then everything is healed and must work. The model is asked
// all along.

#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "tests/sim/clients.h"
#include "tests/sim/damage.h"
#include "tests/sim/model.h"
#include "tests/sim/snapshots.h"
#include "tests/sim/world.h"

namespace poplar::sim {

struct SimulatorOptions {
  uint64_t seed = 1;
  bool echo = false;  // Every step goes to standard output.
  bool leaps = true;  // Days pass at once now and then, and mail expires.
};

struct SimulatorResult {
  uint64_t trace_hash = 0;
  uint64_t steps = 0;
  uint64_t runs = 0;  // Of the store.
  uint64_t cuts = 0;
  uint64_t faults = 0;
  uint64_t damages = 0;
  uint64_t lost_indexes = 0;
  uint64_t damaged_lists = 0;
  uint64_t snapshots = 0;  // That were opened and compared.
  uint64_t incomplete_snapshots = 0;
  uint64_t expired = 0;  // Messages that went by their age,
  uint64_t purged = 0;   // or were not kept any longer.
  uint64_t scrub_finds = 0;
  ClientCounts clients;
};

class Simulator {
 public:
  explicit Simulator(const SimulatorOptions& options);
  ~Simulator();

  // Ends the process, with the seed and the last steps, when something is not as it must be.
  SimulatorResult Run();

 private:
  // How a run of the store ends.
  enum class End : uint8_t { kClose, kCut, kKill, kEndLater, kEndInClose };

  [[noreturn]] void Broken(const std::string& what) const;
  void Require(bool condition, const std::string& what) const;

  void ChooseOptions();
  void ChoosePolicies();
  void Create();
  void LoseIndexes();
  void DamageLists();
  void Damage();
  void OpenInTrouble();
  void OpenCalm();
  void Use();
  void Trouble();
  void EndSoon(uint64_t calls);
  void Drain();
  void EndRun();
  void Restart();
  void CheckAll(uint64_t delete_one_in);
  void DeliverToAll();
  void Verify();
  uint64_t CountBlobs() const;
  void PassTime();
  void EmptyFullDisk();
  void CheckScrub();
  void CheckLeases();
  void CloseWell();
  void LeapDays(uint64_t days);
  void Age();
  void LetScrubFind();
  void Heal();

  const SimulatorOptions options_;
  Dice dice_;
  Trace trace_;
  World world_;
  Model model_;
  Damager damager_;
  Snapshots snapshots_;
  storage::StoreOptions store_;
  PolicyBoard policies_;
  uint32_t partitions_ = 1;
  uint64_t capacity_bytes_ = UINT64_MAX;
  bool keeps_ = false;               // Some tenant keeps deleted mail.
  bool ages_ = false;                // Some policy's days come to their end.
  bool faulty_ = false;              // This run's disk fails now and then.
  uint32_t pool_queued_max_ = 1024;  // Where it is small, the store often has to refuse.
  uint32_t start_one_in_ = 20;
  std::unique_ptr<Clients> clients_;
  SimulatorResult result_;
  uint64_t blobs_kept_ = 0;  // By starts, that no record names.
};

}  // namespace poplar::sim
