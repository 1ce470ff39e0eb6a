// Snapshots of the store while it is used; each is opened as a store of its own when the run has
// ended, and compared with what the model knew when it was made.

#pragma once

#include <optional>
#include <string>
#include <vector>

#include "tests/sim/model.h"
#include "tests/sim/world.h"

namespace poplar::sim {

class Snapshots {
 public:
  Snapshots(World* world, Model* model) : world_(*world), model_(*model) {}

  // REQUIRES: the store is open, and no snapshot waits for its check.
  void Take();
  // With the store closed, and a disk that is well. Does nothing if none was made.
  void CheckAndDrop(storage::StoreOptions options);
  uint64_t checked() const { return checked_; }
  uint64_t incomplete() const { return incomplete_; }  // Made of a store that had lost files.

 private:
  void Check(const storage::StoreOptions& options);
  void CheckMaildrop(const Model::Opening& opening);

  World& world_;
  Model& model_;
  std::optional<Model::Picture> picture_;
  uint64_t checked_ = 0;
  uint64_t incomplete_ = 0;
};

}  // namespace poplar::sim
