// The log: one event, one line. A line is `time level event key=value …`, or the same as one JSON
// object (log_line.h). Values are escaped, so no input can forge a line. Writing never blocks:
// lines go to a bounded queue that a thread of its own empties to standard error, a few
// milliseconds' worth at once; when the queue is full the oldest lines are lost and counted.
//
// Never log a secret, nor anything a client sent before it was cut to a sane length (values are cut
// at 256 octets).
//
//   Log(LogLevel::kInfo, "login", {{"session", id.value()}, {"user", address}, {"tls", true}});
//
// Any thread.

#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <variant>

namespace poplar::base {

// kNone is for LogOptions: nothing is written.
enum class LogLevel : uint8_t { kDebug, kInfo, kWarning, kError, kNone };
enum class LogFormat : uint8_t { kKeyValue, kJson };

struct LogField {
  std::string_view key;
  std::variant<std::string_view, int64_t, uint64_t, bool> value;

  LogField(std::string_view k, std::string_view v) : key(k), value(v) {}
  LogField(std::string_view k, const char* v) : key(k), value(std::string_view(v)) {}
  LogField(std::string_view k, const std::string& v) : key(k), value(std::string_view(v)) {}
  LogField(std::string_view k, bool v) : key(k), value(v) {}
  LogField(std::string_view k, int v) : key(k), value(static_cast<int64_t>(v)) {}
  LogField(std::string_view k, int64_t v) : key(k), value(v) {}
  LogField(std::string_view k, uint32_t v) : key(k), value(static_cast<uint64_t>(v)) {}
  LogField(std::string_view k, uint64_t v) : key(k), value(v) {}
};

struct LogOptions {
  LogLevel level = LogLevel::kInfo;
  LogFormat format = LogFormat::kKeyValue;
  uint32_t queue_lines_max = 8192;
};

// Starts the log's thread. Before the first call, and after StopLog, lines are written at once. A
// second call changes level and format only, of lines that are logged from then on.
void StartLog(const LogOptions& options);
// Writes what is queued and ends the log's thread. REQUIRES: no other thread logs any more.
void StopLog();
// The same before the process ends while other threads may still log: of what they log from now on,
// some may be lost. Nothing but _exit may follow.
void LeaveLog();

bool LogEnabled(LogLevel level);
void Log(LogLevel level, std::string_view event, std::initializer_list<LogField> fields = {});

// Lines lost since the start because the queue was full.
uint64_t LogLinesLost();

}  // namespace poplar::base
