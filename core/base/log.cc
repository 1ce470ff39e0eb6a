#include "core/base/log.h"

#include <spdlog/async.h>
#include <spdlog/async_logger.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/sink.h>
#include <spdlog/spdlog.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>

namespace poplar::base {
namespace {

constexpr size_t kValueBytesMax = 256;
constexpr size_t kWriteBytes = 64 * 1024;
constexpr std::chrono::milliseconds kRest{5};

// Writes to standard error what the queue holds at once, then rests: a line alone is written at
// once, and under load a line costs neither a write nor a wake-up of the log's thread. One thread
// logs and flushes.
class BatchSink final : public spdlog::sinks::sink {
 public:
  explicit BatchSink(spdlog::details::thread_pool* queue) : queue_(*queue) {}
  ~BatchSink() override { Write(); }

  void log(const spdlog::details::log_msg& line) override {
    const std::lock_guard<std::mutex> lock(mutex_);
    formatter_->format(line, lines_);
  }

  // Called after each line.
  void flush() override {
    if (lines_.size() < kWriteBytes && queue_.queue_size() > 0) return;
    Write();
    if (queue_.queue_size() == 0) std::this_thread::sleep_for(kRest);
  }

  void set_pattern(const std::string& pattern) override {
    set_formatter(std::make_unique<spdlog::pattern_formatter>(pattern));
  }

  void set_formatter(std::unique_ptr<spdlog::formatter> formatter) override {
    const std::lock_guard<std::mutex> lock(mutex_);
    formatter_ = std::move(formatter);
  }

 private:
  void Write() {
    std::fwrite(lines_.data(), 1, lines_.size(), stderr);
    lines_.clear();
  }

  spdlog::details::thread_pool& queue_;
  spdlog::memory_buf_t lines_;
  std::mutex mutex_;  // Of the formatter.
  std::unique_ptr<spdlog::formatter> formatter_ = std::make_unique<spdlog::pattern_formatter>();
};

struct LogState {
  std::mutex mutex;
  std::shared_ptr<spdlog::details::thread_pool> pool;
  std::shared_ptr<spdlog::logger> logger;  // Set once per StartLog; read through the atomic below.
  std::atomic<spdlog::logger*> active{nullptr};
  std::atomic<LogLevel> level{LogLevel::kInfo};
  std::atomic<LogFormat> format{LogFormat::kKeyValue};
};

LogState& State() {
  static LogState state;
  return state;
}

spdlog::level::level_enum ToSpdlog(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return spdlog::level::debug;
    case LogLevel::kInfo:
      return spdlog::level::info;
    case LogLevel::kWarning:
      return spdlog::level::warn;
    case LogLevel::kError:
    case LogLevel::kNone:
      return spdlog::level::err;
  }
  return spdlog::level::err;
}

const char* PatternOf(LogFormat format) {
  return format == LogFormat::kJson ? R"({"time":"%Y-%m-%dT%H:%M:%S.%eZ","level":"%l",%v})"
                                    : "%Y-%m-%dT%H:%M:%S.%eZ %l %v";
}

void AppendEscaped(std::string& line, std::string_view value) {
  constexpr char kHex[] = "0123456789abcdef";
  for (const char c : value) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      line += '\\';
      line += c;
    } else if (byte < 0x20 || byte == 0x7f) {
      line += "\\u00";
      line += kHex[byte >> 4];
      line += kHex[byte & 15];
    } else {
      line += c;
    }
  }
}

bool IsBare(std::string_view value) {
  if (value.empty()) return false;
  for (const char c : value) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte <= 0x20 || byte == 0x7f || c == '"' || c == '\\' || c == '=') return false;
  }
  return true;
}

void AppendText(std::string& line, LogFormat format, std::string_view value) {
  value = value.substr(0, kValueBytesMax);
  if (format == LogFormat::kKeyValue && IsBare(value)) {
    line += value;
    return;
  }
  line += '"';
  AppendEscaped(line, value);
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

std::string FormatLogLine(LogFormat format, std::string_view event,
                          std::initializer_list<LogField> fields) {
  std::string line;
  line.reserve(128);
  if (format == LogFormat::kJson) {
    line += "\"event\":\"";
    line += event;
    line += '"';
    for (const LogField& field : fields) {
      line += ",\"";
      line += field.key;
      line += "\":";
      AppendValue(line, format, field);
    }
    return line;
  }
  line += event;
  for (const LogField& field : fields) {
    line += ' ';
    line += field.key;
    line += '=';
    AppendValue(line, format, field);
  }
  return line;
}

void StartLog(const LogOptions& options) {
  LogState& state = State();
  const std::lock_guard<std::mutex> lock(state.mutex);
  state.level = options.level;
  state.format = options.format;
  if (!state.logger) {
    state.pool = std::make_shared<spdlog::details::thread_pool>(options.queue_lines_max, 1);
    state.logger = std::make_shared<spdlog::async_logger>(
        "poplar", std::make_shared<BatchSink>(state.pool.get()), state.pool,
        spdlog::async_overflow_policy::overrun_oldest);
    state.logger->set_level(spdlog::level::trace);
    state.logger->flush_on(spdlog::level::trace);
  }
  state.logger->set_pattern(PatternOf(options.format), spdlog::pattern_time_type::utc);
  state.active = state.logger.get();
}

void StopLog() {
  LogState& state = State();
  const std::lock_guard<std::mutex> lock(state.mutex);
  state.active = nullptr;
  state.logger.reset();
  state.pool.reset();  // Joins its thread after the queue is empty.
}

bool LogEnabled(LogLevel level) { return level >= State().level.load(std::memory_order_relaxed); }

void Log(LogLevel level, std::string_view event, std::initializer_list<LogField> fields) {
  if (!LogEnabled(level)) return;
  LogState& state = State();
  const std::string line =
      FormatLogLine(state.format.load(std::memory_order_relaxed), event, fields);
  if (spdlog::logger* logger = state.active.load(std::memory_order_acquire)) {
    logger->log(ToSpdlog(level), spdlog::string_view_t(line.data(), line.size()));
  } else {
    std::fprintf(stderr, "%s\n", line.c_str());
  }
}

uint64_t LogLinesLost() {
  LogState& state = State();
  const std::lock_guard<std::mutex> lock(state.mutex);
  return state.pool ? state.pool->overrun_counter() : 0;
}

}  // namespace poplar::base
