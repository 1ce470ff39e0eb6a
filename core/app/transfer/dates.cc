#include "core/app/transfer/dates.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdio>
#include <ctime>
#include <string>
#include <vector>

namespace poplar::app {
namespace {

constexpr std::array<std::string_view, 7> kDays = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
constexpr std::array<std::string_view, 12> kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                      "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

std::vector<std::string_view> Words(std::string_view text) {
  std::vector<std::string_view> words;
  while (!text.empty()) {
    const std::string_view word = text.substr(0, text.find(' '));
    if (!word.empty()) words.push_back(word);
    text.remove_prefix(std::min(word.size() + 1, text.size()));
  }
  return words;
}

// Digits of which the number is at most `max`.
bool Number(std::string_view text, int max, int& number) {
  const char* const end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data(), end, number);
  return !text.empty() && parsed.ec == std::errc() && parsed.ptr == end && number >= 0 &&
         number <= max;
}

// hh:mm or hh:mm:ss.
bool Time(std::string_view text, std::tm& time) {
  if (text.size() != 5 && text.size() != 8) return false;
  if (text[2] != ':' || !Number(text.substr(0, 2), 23, time.tm_hour)) return false;
  if (!Number(text.substr(3, 2), 59, time.tm_min)) return false;
  if (text.size() == 5) return true;
  return text[5] == ':' && Number(text.substr(6, 2), 60, time.tm_sec);
}

// Folded lines in one, without the field's name; empty where the header has no such field.
std::string FieldText(std::string_view header, std::string_view name) {
  const auto equal = [](char a, char b) { return (a | 0x20) == (b | 0x20); };
  std::string text;
  bool found = false;
  while (!header.empty()) {
    std::string_view line = header.substr(0, header.find('\n'));
    header.remove_prefix(std::min(line.size() + 1, header.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.empty()) break;
    const bool is_folded = line[0] == ' ' || line[0] == '\t';
    if (found && !is_folded) break;
    if (!found && line.size() > name.size() && line[name.size()] == ':') {
      found = std::equal(name.begin(), name.end(), line.begin(), equal);
      if (found) line.remove_prefix(name.size() + 1);
    }
    if (found) text.append(line);
  }
  std::replace(text.begin(), text.end(), '\t', ' ');
  return text;
}

// +0130; other zones are taken for UTC.
int64_t ZoneSeconds(std::string_view zone) {
  if (zone.size() != 5 || (zone[0] != '+' && zone[0] != '-')) return 0;
  int hours = 0;
  int minutes = 0;
  if (!Number(zone.substr(1, 2), 23, hours) || !Number(zone.substr(3, 2), 59, minutes)) return 0;
  return (zone[0] == '-' ? -1 : 1) * (int64_t{hours} * 3600 + int64_t{minutes} * 60);
}

bool IsYear(std::string_view word, std::tm& time) {
  int year = 0;
  if (word.size() != 4 || !Number(word, 9999, year)) return false;
  time.tm_year = year - 1900;
  return true;
}

// Weekday, month, day, time, and a year with a zone before or behind it.
std::optional<int64_t> DateAt(const std::vector<std::string_view>& words, size_t at) {
  if (words.size() < at + 5) return std::nullopt;
  std::tm time{};
  if (std::find(kDays.begin(), kDays.end(), words[at]) == kDays.end()) return std::nullopt;
  const auto month = std::find(kMonths.begin(), kMonths.end(), words[at + 1]);
  if (month == kMonths.end()) return std::nullopt;
  time.tm_mon = static_cast<int>(month - kMonths.begin());
  if (!Number(words[at + 2], 31, time.tm_mday) || !Time(words[at + 3], time)) return std::nullopt;
  std::string_view zone;
  if (IsYear(words[at + 4], time)) {
    if (words.size() > at + 5) zone = words[at + 5];
  } else if (words.size() > at + 5 && IsYear(words[at + 5], time)) {
    zone = words[at + 4];
  } else {
    return std::nullopt;
  }
  return int64_t{timegm(&time)} - ZoneSeconds(zone);
}

}  // namespace

std::optional<int64_t> ParseFromLine(std::string_view line) {
  if (!line.starts_with("From ")) return std::nullopt;
  const std::vector<std::string_view> words = Words(line.substr(5));
  for (size_t at = 0; at < words.size(); ++at) {
    const std::optional<int64_t> second = DateAt(words, at);
    if (second.has_value()) return second;
  }
  return std::nullopt;
}

std::optional<int64_t> ParseMailDate(std::string_view text) {
  std::vector<std::string_view> words = Words(text);
  if (!words.empty() && words.front().ends_with(',')) words.erase(words.begin());
  if (words.size() < 4) return std::nullopt;
  std::tm time{};
  const auto month = std::find(kMonths.begin(), kMonths.end(), words[1]);
  if (month == kMonths.end() || !Number(words[0], 31, time.tm_mday)) return std::nullopt;
  time.tm_mon = static_cast<int>(month - kMonths.begin());
  if (!IsYear(words[2], time) || !Time(words[3], time)) return std::nullopt;
  return int64_t{timegm(&time)} - (words.size() > 4 ? ZoneSeconds(words[4]) : 0);
}

std::optional<int64_t> ReceivedByHeader(std::string_view header) {
  const std::string received = FieldText(header, "Received");
  const size_t semicolon = received.rfind(';');
  if (semicolon != std::string::npos) {
    const auto second = ParseMailDate(std::string_view(received).substr(semicolon + 1));
    if (second.has_value()) return second;
  }
  return ParseMailDate(FieldText(header, "Date"));
}

void AppendFromDate(int64_t second, std::string& out) {
  const time_t when = second;
  std::tm time{};
  if (gmtime_r(&when, &time) == nullptr) time = {};
  char text[32];
  std::snprintf(text, sizeof text, "%s %s %2d %02d:%02d:%02d %04d",
                kDays[static_cast<size_t>(time.tm_wday)].data(),
                kMonths[static_cast<size_t>(time.tm_mon)].data(), time.tm_mday, time.tm_hour,
                time.tm_min, time.tm_sec, std::clamp(time.tm_year + 1900, 0, 9999));
  out += text;
}

}  // namespace poplar::app
