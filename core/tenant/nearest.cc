#include "core/tenant/nearest.h"

#include <algorithm>
#include <cstddef>
#include <numeric>
#include <vector>

namespace poplar::tenant {
namespace {

// Levenshtein's distance, one row of the table at a time.
size_t Distance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t replaced = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({replaced, row[j] + 1, row[j - 1] + 1});
    }
  }
  return row[b.size()];
}

}  // namespace

std::string_view Nearest(std::string_view word, std::span<const std::string_view> known) {
  constexpr size_t kWordBytesMax = 64;  // Bounds the work; no known word is longer.
  if (word.empty() || word.size() > kWordBytesMax) return {};

  std::string_view nearest;
  size_t nearest_distance = std::max<size_t>(1, word.size() / 3) + 1;
  for (const std::string_view candidate : known) {
    // "idle_timeout" for idle_timeout_s: a word cut short or grown is close, however long its tail.
    const bool is_part = word.size() >= 3 && (candidate.find(word) != std::string_view::npos ||
                                              word.find(candidate) != std::string_view::npos);
    const size_t distance = is_part ? 1 : Distance(word, candidate);
    if (distance >= nearest_distance) continue;
    nearest = candidate;
    nearest_distance = distance;
  }
  return nearest;
}

}  // namespace poplar::tenant
