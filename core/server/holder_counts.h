// How many of something each of many holders has, in the whole process: all shards count in one
// place, without a lock. Any thread.
//
// Memory is fixed. A holder is found by a 64-bit hash with a random seed: its line of 8 words, 64
// bytes, and in that the word that bears 40 bits of it; so nobody is taken for another. Where 8
// others have a line, who comes is let in and not counted: nobody is refused for what others have.
// When several of one holder come to different shards within the same moment, a few more than
// allowed may get in.

#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace poplar::server {

class HolderCounts {
 public:
  // `lines`: a power of two.
  explicit HolderCounts(size_t lines);

  // False, and nothing counted, where the holder has `held_max` already.
  bool Enter(uint64_t hash, uint32_t held_max);
  // REQUIRES: Enter let it in.
  void Leave(uint64_t hash);

 private:
  // The upper 40 bits are the holder's, the lower 24 tell how many it has. 0: free.
  using Word = std::atomic<uint64_t>;
  struct alignas(64) Line {
    std::array<Word, 8> words{};
  };

  Line& LineOf(uint64_t hash) { return lines_[hash % lines_.size()]; }

  std::vector<Line> lines_;
};

}  // namespace poplar::server
