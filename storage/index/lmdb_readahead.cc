#include "storage/index/lmdb_readahead.h"

#include <fcntl.h>
#include <lmdb.h>
#include <unistd.h>

#include <algorithm>
#include <string>

#include "core/base/units.h"
#include "storage/format/bytes.h"

namespace poplar::storage {
namespace {

// Below is the format of its files.
static_assert(MDB_VERSION_MAJOR == 0 && MDB_VERSION_MINOR == 9);

// A page: its number, flags, the end of the offsets of its nodes, those offsets.
constexpr size_t kFlagsAt = 10;
constexpr size_t kLowerAt = 12;
constexpr size_t kNodesAt = 16;
constexpr uint16_t kBranch = 1;

// A node of a branch page: the number of the page below in 16 + 16 + 16 bits, the length of the
// least key there, the key.
constexpr size_t kKeyBytesAt = 6;
constexpr size_t kKeyAt = 8;

// The kernel reads no more than this ahead for one call, if it was left as it is.
constexpr uint64_t kAskBytes = 128 * kKiB;
// What lies between two wanted pages is read with them where that is less work than to ask twice.
constexpr uint64_t kGapPages = 4;
// As much as the page cache is asked to make room for at once; a list of 650,000 messages.
constexpr size_t kPagesMax = 1 << 14;

struct Node {
  uint64_t page;
  std::string_view key;
};

// Nothing where `page` is not the branch page of that number.
std::vector<Node> BranchNodes(std::string_view page, uint64_t number) {
  std::vector<Node> nodes;
  if (LoadLe<uint64_t>(page.data()) != number) return nodes;
  if ((LoadLe<uint16_t>(page.data() + kFlagsAt) & kBranch) == 0) return nodes;
  const size_t offsets_end =
      std::min<size_t>(LoadLe<uint16_t>(page.data() + kLowerAt), page.size() - 1);
  for (size_t at = kNodesAt; at + sizeof(uint16_t) <= offsets_end; at += sizeof(uint16_t)) {
    const size_t node_at = LoadLe<uint16_t>(page.data() + at);
    if (node_at + kKeyAt > page.size()) return {};
    const std::string_view node = page.substr(node_at);
    const auto low = LoadLe<uint16_t>(node.data());
    const auto middle = LoadLe<uint16_t>(node.data() + sizeof(uint16_t));
    const auto high = LoadLe<uint16_t>(node.data() + 2 * sizeof(uint16_t));
    nodes.push_back({low | uint64_t{middle} << 16U | uint64_t{high} << 32U,
                     node.substr(kKeyAt, LoadLe<uint16_t>(node.data() + kKeyBytesAt))});
  }
  return nodes;
}

class Reader {
 public:
  Reader(int file, size_t page_bytes) : file_(file), page_(page_bytes, '\0') {}

  void Ask(std::vector<uint64_t> pages) const {
    std::sort(pages.begin(), pages.end());
    const uint64_t run_pages_max = std::max<uint64_t>(1, kAskBytes / page_.size());
    for (size_t i = 0; i < pages.size();) {
      const uint64_t first = pages[i];
      uint64_t last = first;
      for (; i < pages.size() && pages[i] < first + run_pages_max && pages[i] <= last + kGapPages;
           ++i) {
        last = pages[i];
      }
      ::posix_fadvise(file_, static_cast<off_t>(first * page_.size()),
                      static_cast<off_t>((last + 1 - first) * page_.size()), POSIX_FADV_WILLNEED);
    }
  }

  // The pages below `above` that may hold keys with the prefix.
  std::vector<uint64_t> Below(const std::vector<uint64_t>& above, std::string_view prefix) {
    std::vector<uint64_t> below;
    for (const uint64_t number : above) {
      const ssize_t got =
          ::pread(file_, page_.data(), page_.size(), static_cast<off_t>(number * page_.size()));
      if (got != static_cast<ssize_t>(page_.size())) return {};
      const std::vector<Node> nodes = BranchNodes(page_, number);
      for (size_t i = 0; i < nodes.size(); ++i) {
        // The first node stands for everything below the second, whatever its key.
        if (i > 0 && nodes[i].key.substr(0, prefix.size()) > prefix) break;
        if (i + 1 < nodes.size() && nodes[i + 1].key <= prefix) continue;
        if (below.size() == kPagesMax) return below;
        below.push_back(nodes[i].page);
      }
    }
    return below;
  }

 private:
  const int file_;
  std::string page_;
};

}  // namespace

std::vector<uint64_t> ReadAhead(int file, size_t page_bytes, const LmdbTree& tree,
                                std::string_view prefix) {
  if (tree.depth == 0) return {};
  Reader reader(file, page_bytes);
  std::vector<uint64_t> pages = {tree.root};
  for (uint16_t level = 1; level < tree.depth; ++level) {
    pages = reader.Below(pages, prefix);
    reader.Ask(pages);
  }
  return pages;
}

}  // namespace poplar::storage
