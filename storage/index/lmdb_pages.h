// The pages of an LMDB file, looked at before LMDB goes by them. LMDB believes what it reads: a
// damaged page can lead it to write beyond its own memory, or to nodes that are none. So whoever
// asks LMDB for a key lets the pages on the way there be looked at first. What is looked at is what
// was committed; pages that a transaction changed are LMDB's own work.
//
// All of it reads the map of the file, which may fault, and neither allots nor holds anything: it
// is to be called by RunGuarded. Any thread.

#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace poplar::storage {

// A B+ tree: one of LMDB's databases.
struct LmdbTree {
  uint64_t root = 0;
  uint16_t depth = 0;         // 0: empty.
  bool integer_keys = false;  // Of 8 octets, in order of their numbers.
  bool names_others = false;  // The unnamed database: its values are trees.
};

// Which pages a transaction looked at already, as far as is remembered: what was committed before
// it does not change while it goes on.
class LmdbPagesSeen {
 public:
  bool Has(uint64_t page) const { return pages_[page % kPages] == page; }
  void Add(uint64_t page) { pages_[page % kPages] = page; }

 private:
  static constexpr size_t kPages = 256;
  std::array<uint64_t, kPages> pages_{};  // 0 is a page that is never looked at.
};

class LmdbPages {
 public:
  // What is wrong, or null. A static text.
  using Fault = const char*;

  LmdbPages() = default;
  // `base` is where the file is mapped.
  LmdbPages(const char* base, size_t page_bytes) : base_(base), page_bytes_(page_bytes) {}

  size_t page_bytes() const { return page_bytes_; }
  const char* base() const { return base_; }

  // How far a call of LMDB may stray from the way to its keys.
  enum class Reach : uint8_t {
    kWay,         // No step.
    kNeighbours,  // To the pages beside the way, and to the least and greatest keys below those.
  };

  // Whether LMDB may look for keys from `first` on that begin with `prefix` (or for `first` alone,
  // which is then the prefix). `pages`: so many the file has. `seen`: of this transaction.
  Fault CheckKeys(const LmdbTree& tree, uint64_t pages, std::string_view first,
                  std::string_view prefix, Reach reach, LmdbPagesSeen& seen) const;
  // Whether the transaction `number`, the last, may be followed by one that changes something: the
  // pages that are free, and the list of the named databases.
  Fault CheckChange(uint64_t number, uint64_t pages) const;

  // The tree that a value of the unnamed database, or a part of a file's head, describes. Null: it
  // is no such thing.
  static Fault DecodeTree(std::string_view record, uint16_t flags, LmdbTree& tree);

 private:
  struct Search;
  struct Page;

  // `seen`: null, or where it was looked at before nothing is looked at again.
  Fault PageAt(const LmdbTree& tree, uint64_t number, uint64_t pages, bool branch,
               const LmdbPagesSeen* seen, Page& page) const;
  Fault CheckNode(const LmdbTree& tree, uint64_t pages, const Page& page, size_t index) const;
  Fault CheckLarge(uint64_t number, size_t value_bytes, uint64_t pages) const;
  Fault CheckBelow(const Search& search, uint64_t number, uint16_t levels) const;
  // The way to the least key below a page, or to the greatest.
  Fault CheckEdge(const Search& search, uint64_t number, uint16_t levels, bool greatest) const;
  Fault CheckFree(const LmdbTree& tree, uint64_t pages) const;
  Fault CheckFreeBelow(const LmdbTree& tree, uint64_t number, uint16_t levels,
                       uint64_t pages) const;

  const char* base_ = nullptr;
  size_t page_bytes_ = 0;
};

// Whether a file with this beginning may be opened: null, or what is wrong. `head` is what there is
// of its first 128 KiB.
LmdbPages::Fault CheckLmdbHead(std::string_view head);

}  // namespace poplar::storage
