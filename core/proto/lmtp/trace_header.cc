#include "core/proto/lmtp/trace_header.h"

#include <array>
#include <chrono>
#include <cstdio>

namespace poplar::lmtp {
namespace {

void AppendSafe(std::string& line, std::string_view text) {
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    line += byte < 0x20 || byte == 0x7f ? '?' : c;
  }
}

}  // namespace

std::string TraceHeader(const Trace& trace) {
  std::string header = "Return-Path: <";
  AppendSafe(header, trace.sender);
  header += ">\r\nReceived: from ";
  AppendSafe(header, trace.client_name);
  header += " (";
  AppendSafe(header, trace.peer);
  header += ")\r\n\tby ";
  AppendSafe(header, trace.hostname);
  // RFC 3848, RFC 6531 §4.3.
  header += trace.smtputf8 ? " (Poplar) with UTF8LMTP id " : " (Poplar) with LMTP id ";
  AppendSafe(header, trace.id);
  header += ";\r\n\t";
  header += MailDate(trace.wall_us);
  header += "\r\n";
  return header;
}

std::string MailDate(int64_t wall_us) {
  using namespace std::chrono;
  constexpr std::array<const char*, 7> kDays = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  constexpr std::array<const char*, 12> kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                   "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const sys_time<microseconds> time{microseconds(wall_us)};
  const sys_days day = floor<days>(time);
  const year_month_day date{day};
  const hh_mm_ss clock{floor<seconds>(time - day)};
  char text[64];
  const int size = std::snprintf(
      text, sizeof(text), "%s, %02u %s %04d %02ld:%02ld:%02ld +0000",
      kDays[weekday(day).c_encoding()], static_cast<unsigned>(date.day()),
      kMonths[static_cast<unsigned>(date.month()) - 1], static_cast<int>(date.year()),
      static_cast<long>(clock.hours().count()), static_cast<long>(clock.minutes().count()),
      static_cast<long>(clock.seconds().count()));
  return {text, static_cast<size_t>(size)};
}

}  // namespace poplar::lmtp
