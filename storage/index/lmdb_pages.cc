#include "storage/index/lmdb_pages.h"

#include <lmdb.h>

#include <algorithm>

#include "storage/format/bytes.h"

namespace poplar::storage {
namespace {

// Below is the format of its files.
static_assert(MDB_VERSION_MAJOR == 0 && MDB_VERSION_MINOR == 9);

// A page: its number, flags, the end of the offsets of its nodes, the beginning of these, offsets.
// One that continues has the number of pages in place of the ends.
constexpr size_t kFlagsAt = 10;
constexpr size_t kLowerAt = 12;
constexpr size_t kUpperAt = 14;
constexpr size_t kHeadBytes = 16;
constexpr uint16_t kBranch = 1;
constexpr uint16_t kLeaf = 2;
constexpr uint16_t kLarge = 4;

// A node: 32 bits of the value's length, flags, the key's length, key, value. On a branch page
// these 48 bits are the number of the page below.
constexpr size_t kNodeFlagsAt = 4;
constexpr size_t kKeyBytesAt = 6;
constexpr size_t kKeyAt = 8;
constexpr uint16_t kLargeValue = 1;
constexpr uint16_t kTreeValue = 2;

// A tree's record: an unused word, flags, depth, counts, the root.
constexpr size_t kRecordBytes = 48;
constexpr size_t kTreeFlagsAt = 4;
constexpr size_t kDepthAt = 6;
constexpr size_t kRootAt = 40;
constexpr uint16_t kDepthMax = 30;  // LMDB's cursors go no deeper than 32.
constexpr uint64_t kNoPage = ~uint64_t{0};

// The two heads of a file, each in a page.
constexpr uint32_t kMagic = 0xBEEFC0DE;
constexpr uint32_t kVersion = 1;
constexpr size_t kMagicAt = kHeadBytes;
constexpr size_t kVersionAt = kHeadBytes + 4;
constexpr size_t kFreeTreeAt = kHeadBytes + 24;  // Its unused word is the size of a page.
constexpr size_t kMainTreeAt = kFreeTreeAt + kRecordBytes;
constexpr size_t kTransactionAt = kMainTreeAt + kRecordBytes + 8;
constexpr uint64_t kFirstPage = 2;

constexpr std::string_view kNoPrefix;

}  // namespace

struct LmdbPages::Search {
  const LmdbTree& tree;
  uint64_t pages;
  std::string_view first;
  std::string_view prefix;
  Reach reach;
  LmdbPagesSeen& seen;
};

struct LmdbPages::Page {
  const char* at = nullptr;
  size_t nodes = 0;
  bool branch = false;

  size_t NodeAt(size_t index) const {
    return LoadLe<uint16_t>(at + kHeadBytes + index * sizeof(uint16_t));
  }
  const char* Node(size_t index) const { return at + NodeAt(index); }
  std::string_view KeyOf(size_t index) const {
    return {Node(index) + kKeyAt, LoadLe<uint16_t>(Node(index) + kKeyBytesAt)};
  }
  uint64_t Below(size_t index) const { return LoadLe<uint64_t>(Node(index)) & 0xffffffffffff; }
  uint32_t ValueBytes(size_t index) const { return LoadLe<uint32_t>(Node(index)); }
  uint16_t NodeFlags(size_t index) const { return LoadLe<uint16_t>(Node(index) + kNodeFlagsAt); }
  const char* Value(size_t index) const { return Node(index) + kKeyAt + KeyOf(index).size(); }
  // Within the page.
  size_t NodeBytes(size_t index) const {
    const size_t bytes = kKeyAt + KeyOf(index).size();
    if (branch) return bytes;
    return bytes + ((NodeFlags(index) & kLargeValue) != 0 ? sizeof(uint64_t) : ValueBytes(index));
  }
};

LmdbPages::Fault LmdbPages::DecodeTree(std::string_view record, uint16_t flags, LmdbTree& tree) {
  if (record.size() != kRecordBytes) return "a database is none";
  tree.root = LoadLe<uint64_t>(record.data() + kRootAt);
  tree.depth = LoadLe<uint16_t>(record.data() + kDepthAt);
  if (LoadLe<uint16_t>(record.data() + kTreeFlagsAt) != flags || tree.depth > kDepthMax ||
      (tree.depth == 0) != (tree.root == kNoPage)) {
    return "a database is none";
  }
  return nullptr;
}

// A page with nodes, all of which lie within it.
LmdbPages::Fault LmdbPages::PageAt(const LmdbTree& tree, uint64_t number, uint64_t pages,
                                   bool branch, const LmdbPagesSeen* seen, Page& page) const {
  if (number < kFirstPage || number >= pages) return "a page is not in the file";
  const char* const at = base_ + number * page_bytes_;
  if (LoadLe<uint64_t>(at) != number ||
      LoadLe<uint16_t>(at + kFlagsAt) != (branch ? kBranch : kLeaf)) {
    return "a page is another";
  }
  const size_t lower = LoadLe<uint16_t>(at + kLowerAt);
  const size_t upper = LoadLe<uint16_t>(at + kUpperAt);
  if (lower <= kHeadBytes || lower > upper || upper > page_bytes_ || lower % 2 != 0) {
    return "a page's head is damaged";
  }
  page = {at, (lower - kHeadBytes) / sizeof(uint16_t), branch};
  if (seen != nullptr && seen->Has(number)) return nullptr;
  size_t taken = 0;
  for (size_t i = 0; i < page.nodes; ++i) {
    const size_t node = page.NodeAt(i);
    if (node < upper || node % 2 != 0 || node + kKeyAt > page_bytes_) return "a node is none";
    const size_t bytes = page.NodeBytes(i);
    if (bytes > page_bytes_ - node) return "a node is too long";
    taken += bytes + bytes % 2;
    // The first key of a branch page stands for everything below the second.
    if (i > (branch ? 1U : 0U) && !tree.integer_keys && page.KeyOf(i - 1) >= page.KeyOf(i)) {
      return "keys are out of order";
    }
  }
  // LMDB leaves no gaps, and moves what stands before a node that goes.
  return taken == page_bytes_ - upper ? nullptr : "a page's nodes are not all of it";
}

LmdbPages::Fault LmdbPages::CheckNode(const LmdbTree& tree, uint64_t pages, const Page& page,
                                      size_t index) const {
  const uint16_t flags = page.NodeFlags(index);
  if (tree.names_others) return flags == kTreeValue ? nullptr : "a database is none";
  if (tree.integer_keys && page.KeyOf(index).size() != sizeof(uint64_t)) return "a node is none";
  if (flags == 0) return nullptr;
  if (flags != kLargeValue) return "a node is none";
  return CheckLarge(LoadLe<uint64_t>(page.Value(index)), page.ValueBytes(index), pages);
}

// A value that has pages of its own.
LmdbPages::Fault LmdbPages::CheckLarge(uint64_t number, size_t value_bytes, uint64_t pages) const {
  if (number < kFirstPage || number >= pages) return "a value is not in the file";
  const char* const at = base_ + number * page_bytes_;
  const uint64_t count = LoadLe<uint32_t>(at + kLowerAt);
  if (LoadLe<uint64_t>(at) != number || LoadLe<uint16_t>(at + kFlagsAt) != kLarge ||
      count > pages - number || value_bytes > count * page_bytes_ - kHeadBytes) {
    return "a value is another";
  }
  return nullptr;
}

LmdbPages::Fault LmdbPages::CheckKeys(const LmdbTree& tree, uint64_t pages, std::string_view first,
                                      std::string_view prefix, Reach reach,
                                      LmdbPagesSeen& seen) const {
  if (tree.depth == 0) return nullptr;
  return CheckBelow({tree, pages, first, prefix, reach, seen}, tree.root, tree.depth);
}

LmdbPages::Fault LmdbPages::CheckBelow(const Search& search, uint64_t number,
                                       uint16_t levels) const {
  Page page;
  if (const Fault fault =
          PageAt(search.tree, number, search.pages, levels > 1, &search.seen, page)) {
    return fault;
  }
  const bool seen = search.seen.Has(number);
  for (size_t i = 0; !page.branch && !seen && i < page.nodes; ++i) {
    if (const Fault fault = CheckNode(search.tree, search.pages, page, i)) return fault;
  }
  search.seen.Add(number);
  if (!page.branch) return nullptr;
  // Which children may hold the keys: those from `begin` to the one before `end`.
  size_t begin = 0;
  while (begin + 1 < page.nodes && page.KeyOf(begin + 1) <= search.first) ++begin;
  size_t end = begin + 1;
  while (end < page.nodes && page.KeyOf(end).substr(0, search.prefix.size()) <= search.prefix) {
    ++end;
  }
  for (size_t i = begin; i < end; ++i) {
    if (const Fault fault = CheckBelow(search, page.Below(i), levels - 1)) return fault;
  }
  if (search.reach == Reach::kWay) return nullptr;
  const uint16_t below = levels - 1;
  for (const size_t i : {size_t{0}, begin - (begin > 0 ? 1 : 0), std::min(end, page.nodes - 1)}) {
    for (const bool greatest : {false, true}) {
      if (const Fault fault = CheckEdge(search, page.Below(i), below, greatest)) return fault;
    }
  }
  return nullptr;
}

LmdbPages::Fault LmdbPages::CheckEdge(const Search& search, uint64_t number, uint16_t levels,
                                      bool greatest) const {
  for (; levels > 0; --levels) {
    Page page;
    if (const Fault fault =
            PageAt(search.tree, number, search.pages, levels > 1, &search.seen, page)) {
      return fault;
    }
    const size_t edge = greatest ? page.nodes - 1 : 0;
    if (page.branch) {
      number = page.Below(edge);
    } else if (const Fault fault = CheckNode(search.tree, search.pages, page, edge)) {
      return fault;
    }
  }
  return nullptr;
}

LmdbPages::Fault LmdbPages::CheckChange(uint64_t number, uint64_t pages) const {
  const char* const head = base_ + number % 2 * page_bytes_;
  if (LoadLe<uint32_t>(head + kMagicAt) != kMagic ||
      LoadLe<uint64_t>(head + kTransactionAt) != number) {
    return "its head is damaged";
  }
  LmdbTree free, main;
  free.integer_keys = true;
  main.names_others = true;
  if (const Fault fault = DecodeTree({head + kFreeTreeAt, kRecordBytes}, MDB_INTEGERKEY, free)) {
    return fault;
  }
  if (const Fault fault = DecodeTree({head + kMainTreeAt, kRecordBytes}, 0, main)) return fault;
  LmdbPagesSeen seen;
  if (const Fault fault = CheckKeys(main, pages, kNoPrefix, kNoPrefix, Reach::kWay, seen)) {
    return fault;
  }
  return CheckFree(free, pages);
}

LmdbPages::Fault LmdbPages::CheckFree(const LmdbTree& tree, uint64_t pages) const {
  if (tree.depth == 0) return nullptr;
  return CheckFreeBelow(tree, tree.root, tree.depth, pages);
}

// Lists of numbers of pages, each with its length in front, descending.
LmdbPages::Fault LmdbPages::CheckFreeBelow(const LmdbTree& tree, uint64_t number, uint16_t levels,
                                           uint64_t pages) const {
  Page page;
  if (const Fault fault = PageAt(tree, number, pages, levels > 1, nullptr, page)) return fault;
  for (size_t i = 0; i < page.nodes; ++i) {
    if (page.branch) {
      if (const Fault fault = CheckFreeBelow(tree, page.Below(i), levels - 1, pages)) return fault;
      continue;
    }
    if (const Fault fault = CheckNode(tree, pages, page, i)) return fault;
    const char* list = page.Value(i);
    if (page.NodeFlags(i) == kLargeValue) {
      list = base_ + LoadLe<uint64_t>(list) * page_bytes_ + kHeadBytes;
    }
    const size_t room = page.ValueBytes(i) / sizeof(uint64_t);
    if (room == 0 || LoadLe<uint64_t>(list) >= room) return "a list of free pages is none";
    uint64_t before = pages;
    for (uint64_t left = LoadLe<uint64_t>(list); left > 0; --left) {
      list += sizeof(uint64_t);
      const auto free = LoadLe<uint64_t>(list);
      if (free < kFirstPage || free >= before) return "a list of free pages is none";
      before = free;
    }
  }
  return nullptr;
}

LmdbPages::Fault CheckLmdbHead(std::string_view head) {
  constexpr size_t kPageBytesMin = 512;
  constexpr size_t kPageBytesMax = 65536;
  const auto sound = [head](size_t at, uint32_t& page_bytes) {
    if (head.size() < at || head.size() - at < kTransactionAt + sizeof(uint64_t)) return false;
    const char* const page = head.data() + at;
    page_bytes = LoadLe<uint32_t>(page + kFreeTreeAt);
    return LoadLe<uint32_t>(page + kMagicAt) == kMagic &&
           LoadLe<uint32_t>(page + kVersionAt) == kVersion;
  };
  uint32_t page_bytes = 0, second = 0;
  if (!sound(0, page_bytes)) return "not a file of LMDB";
  if (page_bytes < kPageBytesMin || page_bytes > kPageBytesMax ||
      (page_bytes & (page_bytes - 1)) != 0 || !sound(page_bytes, second) || second != page_bytes) {
    return "its head is damaged";
  }
  return nullptr;
}

}  // namespace poplar::storage
