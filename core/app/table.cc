#include "core/app/table.h"

#include <time.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>

#include "core/base/check.h"
#include "core/base/units.h"

namespace poplar::app {
namespace {

// Characters of UTF-8 text: every byte but the continuations.
size_t Width(const std::string& text) {
  return static_cast<size_t>(std::ranges::count_if(
      text, [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

std::string Printable(std::string text) {
  std::ranges::replace_if(
      text, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; }, '?');
  return text;
}

}  // namespace

void Table::Add(std::vector<std::string> row) {
  POP_CHECK(row.size() == rows_.front().size());
  for (std::string& cell : row) cell = Printable(std::move(cell));
  rows_.push_back(std::move(row));
}

void Table::Print(std::ostream& out) const {
  std::vector<size_t> widths(rows_.front().size());
  for (const auto& row : rows_)
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], Width(row[i]));
  for (const auto& row : rows_) {
    std::string line;
    for (size_t i = 0; i < row.size(); ++i) {
      line += row[i];
      if (i + 1 < row.size()) line.append(widths[i] - Width(row[i]) + 2, ' ');
    }
    out << line << '\n';
  }
}

std::string DurationText(uint64_t seconds) {
  constexpr uint64_t kMinute = 60, kHour = 60 * kMinute, kDay = 24 * kHour;
  if (seconds < 2 * kMinute) return std::to_string(seconds) + " s";
  if (seconds < 2 * kHour) return std::to_string(seconds / kMinute) + " min";
  if (seconds < 2 * kDay) return std::to_string(seconds / kHour) + " h";
  return std::to_string(seconds / kDay) + " d";
}

std::string SizeText(uint64_t octets) {
  // Where tenths of a KiB would round it.
  if (octets != 0 && octets < kKiB) return std::to_string(octets) + " B";
  char text[32];
  const char* const units[] = {"KiB", "MiB", "GiB", "TiB"};
  double amount = static_cast<double>(octets) / kKiB;
  size_t unit = 0;
  for (; amount >= kKiB && unit + 1 < std::size(units); ++unit) amount /= kKiB;
  std::snprintf(text, sizeof text, amount < 10 ? "%.1f %s" : "%.0f %s", amount, units[unit]);
  return text;
}

std::string TimeText(int64_t seconds_since_1970) {
  const time_t seconds = seconds_since_1970;
  tm parts{};
  gmtime_r(&seconds, &parts);
  std::array<char, 64> text{};
  const size_t length = strftime(text.data(), text.size(), "%Y-%m-%d %H:%M UTC", &parts);
  return {text.data(), length};
}

}  // namespace poplar::app
