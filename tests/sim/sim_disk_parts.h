// What a simulated disk is made of. Private to sim_disk.cc and sim_file.cc.

#pragma once

#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tests/sim/sim_disk.h"

namespace poplar::sim {

inline constexpr uint64_t kSectorBytes = 512;
inline constexpr uint64_t kBlockBytes = 4096;  // What space is given out in.

// Puts `bytes` into `content` at `offset`, which grows for it.
void Put(std::string& content, uint64_t offset, std::string_view bytes);
// What stands at `bytes` or behind goes.
void Cut(std::string& content, uint64_t bytes);

struct SimDisk::Inode {
  explicit Inode(bool is_directory) : directory(is_directory) {}

  const bool directory;
  // Of a directory: as calls see it, as the disk has it, and what happened in between, in order.
  std::map<std::string, InodePtr> entries;
  std::map<std::string, InodePtr> durable_entries;
  std::vector<Change> changes;
  // Of a file, the same.
  std::string bytes;
  std::string durable_bytes;
  std::vector<Write> writes;

  uint32_t links = 0;  // Names, as calls see them.
  uint32_t opens = 0;
  uint64_t charged_bytes = 0;
};

// One operation of a reactor.
struct SimDisk::Operation {
  Operation(SimDisk* on, DiskCall what, InodePtr of, const std::string& name, uint64_t from)
      : disk(on), call(what), inode(std::move(of)), path(name), offset(from) {}

  void Tell() {
    auto& ended = disk->ended_;
    const auto self = std::find_if(ended.begin(), ended.end(),
                                   [this](const auto& each) { return each.get() == this; });
    const std::unique_ptr<Operation> keep = std::move(*self);
    ended.erase(self);
    op->Finish(result);
  }

  SimDisk* const disk;
  const DiskCall call;
  const InodePtr inode;
  const std::string path;
  const uint64_t offset;
  std::span<char> into;
  std::span<const iovec> pieces;
  io::Reactor* reactor = nullptr;
  storage::DiskOp* op = nullptr;
  int32_t result = 0;
  io::WorkFor<&Operation::Tell> told{this};
};

}  // namespace poplar::sim
