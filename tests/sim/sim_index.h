// A model of what LMDB promises the index: a commit is whole or nothing, and durable when it has
// answered; one that failed may be found at once, at the next opening, or not at all; readers see
// what was committed when they began; after some failures nothing works until it is opened again.
//
// What it holds belongs to the file data.mdb on the simulated disk: it moves, goes and is damaged
// with that file, takes its space, and its calls fail as calls on that file do.
//
// One thread.

#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "storage/index/key_value.h"
#include "tests/sim/sim_disk.h"

namespace poplar::sim {

class SimIndexEngine final : public storage::KeyValueEngine {
 public:
  SimIndexEngine(SimDisk* disk, Dice* dice) : disk_(*disk), dice_(*dice) {}

  StatusOr<std::unique_ptr<storage::KeyValueStore>> Open(const std::string& directory,
                                                         uint64_t map_bytes) override;

  StatusOr<std::unique_ptr<storage::KeyValueStore>> OpenToRead(const std::string& directory,
                                                               uint64_t map_bytes) override;

  // Between runs: damages a value of the maildrop lists in the index that lies in `directory`; the
  // encoded key of the maildrop. Empty: there is none.
  std::string DamageList(const std::string& directory);

  // Times that a commit failed so that only opening again helps.
  uint64_t panics() const { return panics_; }

 private:
  class Store;
  class Transaction;
  using Pairs = std::map<std::string, std::string, std::less<>>;
  using Content = std::array<Pairs, storage::kDatabases>;
  // One file's.
  struct State {
    std::shared_ptr<const Content> committed = std::make_shared<Content>();
    std::shared_ptr<const Content> doubtful;  // Of a commit that failed.
  };

  StatusOr<uint64_t> MakeAnew(storage::File& file);
  StatusOr<std::unique_ptr<storage::KeyValueStore>> OpenState(uint64_t number,
                                                              std::unique_ptr<storage::File> file);
  StatusOr<uint64_t> ReadNumber(const storage::File& file, const std::string& path) const;
  // The number in a file's content; 0: it is not an index.
  uint64_t NumberIn(std::string_view content) const;

  SimDisk& disk_;
  Dice& dice_;
  std::map<uint64_t, State> states_;  // By what the file says.
  uint64_t next_file_ = 1;
  uint64_t panics_ = 0;
};

}  // namespace poplar::sim
