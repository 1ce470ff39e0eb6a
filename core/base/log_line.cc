#include "core/base/log_line.h"

#include <chrono>
#include <cstdio>
#include <variant>

#include "core/base/utf8.h"

namespace poplar::base {
namespace {

constexpr uint32_t kReplacement = 0xfffd;

std::string_view Name(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return "debug";
    case LogLevel::kInfo:
      return "info";
    case LogLevel::kWarning:
      return "warning";
    case LogLevel::kError:
    case LogLevel::kNone:
      return "error";
  }
  return "error";
}

// RFC 3339, in UTC, to the millisecond.
void AppendTime(std::string& line, int64_t wall_us) {
  namespace chrono = std::chrono;
  const chrono::sys_time<chrono::microseconds> time{chrono::microseconds(wall_us)};
  const chrono::sys_days day = chrono::floor<chrono::days>(time);
  const chrono::year_month_day date{day};
  const chrono::hh_mm_ss clock{chrono::floor<chrono::milliseconds>(time - day)};
  char text[64];
  const int size = std::snprintf(
      text, sizeof(text), "%04d-%02u-%02uT%02ld:%02ld:%02ld.%03ldZ", static_cast<int>(date.year()),
      static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
      static_cast<long>(clock.hours().count()), static_cast<long>(clock.minutes().count()),
      static_cast<long>(clock.seconds().count()), static_cast<long>(clock.subseconds().count()));
  line.append(text, static_cast<size_t>(size));
}

void AppendHex(std::string& line, uint32_t number, int digits) {
  constexpr char kHex[] = "0123456789abcdef";
  for (int shift = 4 * (digits - 1); shift >= 0; shift -= 4) line += kHex[(number >> shift) & 15];
}

void AppendOctets(std::string& line, LogFormat format, std::string_view octets) {
  for (const char octet : octets) {
    line += format == LogFormat::kJson ? "\\ufffd" : "\\x";
    AppendHex(line, static_cast<unsigned char>(octet), 2);
  }
}

// Whether a terminal, or who reads lines, might do something else than show it.
bool Acts(uint32_t point) {
  return point < 0x20 || (point >= 0x7f && point < 0xa0) || (point >= 0x2028 && point <= 0x202e) ||
         (point >= 0x2066 && point <= 0x2069);
}

// `in_quotes`: quotes and backslashes are escaped too.
void AppendEscaped(std::string& line, LogFormat format, bool in_quotes, std::string_view value) {
  while (!value.empty()) {
    const Utf8Character character = FirstUtf8(value);
    const std::string_view octets = value.substr(0, character.bytes == 0 ? 1 : character.bytes);
    value.remove_prefix(octets.size());
    const bool taken = format == LogFormat::kJson && character.point == kReplacement;
    if (character.bytes == 0 || taken) {
      AppendOctets(line, format, octets);
    } else if (Acts(character.point)) {
      line += "\\u";
      AppendHex(line, character.point, 4);
    } else {
      if (in_quotes && (octets == "\"" || octets == "\\")) line += '\\';
      line += octets;
    }
  }
}

// Of visible ASCII: readers differ on which other characters part words.
bool IsBare(std::string_view value) {
  if (value.empty()) return false;
  for (const char c : value) {
    if (c <= ' ' || c > '~' || c == '"' || c == '\\' || c == '=') return false;
  }
  return true;
}

void AppendText(std::string& line, LogFormat format, std::string_view value) {
  value = Utf8Prefix(value, kLogValueBytesMax);
  if (format == LogFormat::kKeyValue && IsBare(value)) {
    line += value;
    return;
  }
  line += '"';
  AppendEscaped(line, format, true, value);
  line += '"';
}

void AppendValue(std::string& line, LogFormat format, const LogField& field) {
  if (const auto* text = std::get_if<std::string_view>(&field.value)) {
    AppendText(line, format, *text);
  } else if (const auto* flag = std::get_if<bool>(&field.value)) {
    line += *flag ? "true" : "false";
  } else if (const auto* number = std::get_if<int64_t>(&field.value)) {
    line += std::to_string(*number);
  } else {
    line += std::to_string(std::get<uint64_t>(field.value));
  }
}

}  // namespace

std::string FormatLogLine(LogFormat format, int64_t wall_us, LogLevel level, std::string_view event,
                          std::initializer_list<LogField> fields) {
  const bool json = format == LogFormat::kJson;
  std::string line;
  line.reserve(256);
  line += json ? "{\"time\":\"" : "";
  AppendTime(line, wall_us);
  line += json ? "\",\"level\":\"" : " ";
  line += Name(level);
  line += json ? "\",\"event\":\"" : " ";
  line += event;
  line += json ? "\"" : "";
  for (const LogField& field : fields) {
    line += json ? ",\"" : " ";
    line += field.key;
    line += json ? "\":" : "=";
    AppendValue(line, format, field);
  }
  line += json ? "}" : "";
  return line;
}

std::string Printable(std::string_view text) {
  std::string printable;
  AppendEscaped(printable, LogFormat::kKeyValue, false, text);
  return printable;
}

}  // namespace poplar::base
