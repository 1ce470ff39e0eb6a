// Rows in aligned columns, for people. Scripts take --json. One thread.

#pragma once

#include <cstdint>
#include <ostream>
#include <string>
#include <vector>

namespace poplar::app {

class Table {
 public:
  explicit Table(std::vector<std::string> head) : rows_{std::move(head)} {}

  // REQUIRES: as many cells as the head has.
  void Add(std::vector<std::string> row);
  // Control characters in cells are shown as '?', so that nothing in a name moves the cursor.
  void Print(std::ostream& out) const;

 private:
  std::vector<std::vector<std::string>> rows_;
};

// "5 s", "12 min", "3 h", "4 d": the largest unit that fits.
std::string DurationText(uint64_t seconds);
// "1.4 KiB", "37 MiB".
std::string SizeText(uint64_t octets);
// "2026-11-23 09:17 UTC".
std::string TimeText(int64_t seconds_since_1970);

}  // namespace poplar::app
