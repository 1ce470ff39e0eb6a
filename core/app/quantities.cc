#include "core/app/quantities.h"

#include <charconv>
#include <chrono>
#include <limits>
#include <optional>
#include <span>
#include <string>

#include "auth/users/user_database.h"
#include "core/base/units.h"

namespace poplar::app {
namespace {

Status Wrong(std::string_view text, std::string_view expected) {
  return MakeStatus(StatusCode::kInvalidArgument,
                    "\"" + std::string(text) + "\" is not understood: " + std::string(expected));
}

// The number at the front, taken off.
std::optional<uint64_t> TakeNumber(std::string_view& text) {
  uint64_t number = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), number);
  if (parsed.ec != std::errc()) return std::nullopt;
  text.remove_prefix(static_cast<size_t>(parsed.ptr - text.data()));
  return number;
}

constexpr uint64_t kDaySeconds = 86'400;
constexpr uint64_t kWeekSeconds = 7 * kDaySeconds;

struct Unit {
  std::string_view name;
  uint64_t amount;
};

std::optional<uint64_t> AmountOf(std::string_view name, std::span<const Unit> units) {
  for (const Unit& unit : units) {
    if (unit.name == name) return unit.amount;
  }
  return std::nullopt;
}

// Exactly `digits` of them and then `end`, taken off.
std::optional<uint32_t> TakeField(std::string_view& text, size_t digits, std::string_view end) {
  if (text.size() < digits + end.size() || text.substr(digits, end.size()) != end) {
    return std::nullopt;
  }
  uint32_t number = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + digits, number);
  if (parsed.ec != std::errc() || parsed.ptr != text.data() + digits) return std::nullopt;
  text.remove_prefix(digits + end.size());
  return number;
}

std::optional<int64_t> ParseDate(std::string_view& text) {
  const auto year = TakeField(text, 4, "-");
  const auto month = year ? TakeField(text, 2, "-") : std::nullopt;
  const auto day = month ? TakeField(text, 2, "") : std::nullopt;
  if (!day) return std::nullopt;
  const std::chrono::year_month_day date(std::chrono::year(static_cast<int>(*year)),
                                         std::chrono::month(*month), std::chrono::day(*day));
  if (!date.ok()) return std::nullopt;
  const std::chrono::sys_seconds second = std::chrono::sys_days(date);
  return second.time_since_epoch().count();
}

// "T10:00", "T10:00:30", each with or without Z: seconds of the day.
std::optional<int64_t> ParseTimeOfDay(std::string_view text) {
  if (text.ends_with('Z')) text.remove_suffix(1);
  if (!text.starts_with('T')) return std::nullopt;
  text.remove_prefix(1);
  const auto hour = TakeField(text, 2, ":");
  const auto minute = hour ? TakeField(text, 2, "") : std::nullopt;
  std::optional<uint32_t> second = 0;
  if (minute && text.starts_with(':')) {
    text.remove_prefix(1);
    second = TakeField(text, 2, "");
  }
  if (!minute || !second || !text.empty()) return std::nullopt;
  if (*hour > 23 || *minute > 59 || *second > 59) return std::nullopt;
  return int64_t{*hour} * 3600 + int64_t{*minute} * 60 + *second;
}

// "3d", in seconds.
std::optional<int64_t> ParseAgo(std::string_view text, std::span<const Unit> units) {
  constexpr uint64_t kAgoMax = auth::kPolicyDaysMax * kDaySeconds;
  const std::optional<uint64_t> number = TakeNumber(text);
  const std::optional<uint64_t> unit = AmountOf(text, units);
  if (!number || !unit || *number > kAgoMax / *unit) return std::nullopt;
  return static_cast<int64_t>(*number * *unit);
}

// Days since 1970 of such a text and nothing more.
std::optional<uint32_t> DayOf(std::string_view text) {
  const std::optional<int64_t> second = ParseDate(text);
  if (!second || !text.empty() || *second < 0) return std::nullopt;
  return static_cast<uint32_t>(static_cast<uint64_t>(*second) / kDaySeconds);
}

}  // namespace

StatusOr<uint64_t> ParseSize(std::string_view text) {
  static constexpr Unit kUnits[] = {{"", 1},
                                    {"B", 1},
                                    {"kB", 1'000},
                                    {"KB", 1'000},
                                    {"MB", 1'000'000},
                                    {"GB", 1'000'000'000},
                                    {"TB", 1'000'000'000'000},
                                    {"KiB", kKiB},
                                    {"MiB", kMiB},
                                    {"GiB", kGiB},
                                    {"TiB", 1024 * kGiB}};
  std::string_view rest = text;
  const std::optional<uint64_t> number = TakeNumber(rest);
  const std::optional<uint64_t> unit = AmountOf(rest, kUnits);
  if (!number || !unit) return Wrong(text, "write a size like 2GiB, 500MB or 1500000");
  if (*number > auth::kQuotaMax / *unit) return Wrong(text, "it is more than can be counted");
  return *number * *unit;
}

StatusOr<uint64_t> ParseCount(std::string_view text) {
  std::string_view rest = text;
  const std::optional<uint64_t> number = TakeNumber(rest);
  if (!number || !rest.empty() || *number > auth::kQuotaMax) {
    return Wrong(text, "write a number like 50000");
  }
  return *number;
}

StatusOr<uint32_t> ParseDays(std::string_view text) {
  std::string_view rest = text;
  const std::optional<uint64_t> number = TakeNumber(rest);
  if (!number || !(rest.empty() || rest == "d") || *number > auth::kPolicyDaysMax) {
    return Wrong(text, "write a number of days, at most " + std::to_string(auth::kPolicyDaysMax));
  }
  return static_cast<uint32_t>(*number);
}

StatusOr<int64_t> ParseSince(std::string_view text, int64_t now_s) {
  static constexpr Unit kUnits[] = {
      {"m", 60}, {"h", 3600}, {"d", kDaySeconds}, {"w", kWeekSeconds}};
  if (const std::optional<int64_t> ago = ParseAgo(text, kUnits)) return now_s - *ago;
  std::string_view rest = text;
  const std::optional<int64_t> day = ParseDate(rest);
  const std::optional<int64_t> second = rest.empty() ? 0 : ParseTimeOfDay(rest);
  if (!day || !second) {
    return Wrong(text, "write a time like 2026-11-24, 2026-11-24T10:00Z (UTC), or 2h or 3d ago");
  }
  return *day + *second;
}

StatusOr<uint32_t> ParseDay(std::string_view text) {
  const std::optional<uint32_t> day = DayOf(text);
  return day ? StatusOr<uint32_t>(*day) : Wrong(text, "write a day like 2026-11-24");
}

StatusOr<uint32_t> ParseDaySince(std::string_view text, int64_t now_s) {
  static constexpr Unit kUnits[] = {{"d", kDaySeconds}, {"w", kWeekSeconds}};
  const std::optional<int64_t> ago = ParseAgo(text, kUnits);
  if (ago && *ago <= now_s) return static_cast<uint32_t>((now_s - *ago) / int64_t{kDaySeconds});
  const std::optional<uint32_t> day = DayOf(text);
  return day ? StatusOr<uint32_t>(*day)
             : Wrong(text, "write a day like 2026-11-24, or 3d or 2w for so long ago");
}

}  // namespace poplar::app
