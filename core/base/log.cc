#include "core/base/log.h"

#include <spdlog/async.h>
#include <spdlog/async_logger.h>
#include <spdlog/sinks/sink.h>
#include <spdlog/spdlog.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <memory>
#include <mutex>
#include <thread>

#include "core/base/clock.h"
#include "core/base/log_line.h"
#include "core/base/recent_faults.h"

namespace poplar::base {
namespace {

constexpr size_t kWriteBytes = 64 * 1024;
constexpr std::chrono::milliseconds kRest{5};
// Which events are logged is not for spdlog to say.
constexpr spdlog::level::level_enum kAnyLevel = spdlog::level::info;

// Writes to standard error what the queue holds at once, then rests: a line alone is written at
// once, and under load a line costs neither a write nor a wake-up of the log's thread. One thread
// logs and flushes. Lines come with all that is in them: what the format is when one is written
// does not matter to it.
class BatchSink final : public spdlog::sinks::sink {
 public:
  explicit BatchSink(spdlog::details::thread_pool* queue) : queue_(*queue) {}
  ~BatchSink() override { Write(); }

  void log(const spdlog::details::log_msg& line) override {
    lines_.append(line.payload.begin(), line.payload.end());
    lines_.push_back('\n');
  }

  // Called after each line.
  void flush() override {
    if (lines_.size() < kWriteBytes && queue_.queue_size() > 0) return;
    Write();
    if (queue_.queue_size() == 0) std::this_thread::sleep_for(kRest);
  }

  void set_pattern(const std::string&) override {}
  void set_formatter(std::unique_ptr<spdlog::formatter>) override {}

 private:
  void Write() {
    std::fwrite(lines_.data(), 1, lines_.size(), stderr);
    lines_.clear();
  }

  spdlog::details::thread_pool& queue_;
  spdlog::memory_buf_t lines_;
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

}  // namespace

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
    state.logger->flush_on(kAnyLevel);
  }
  state.active = state.logger.get();
}

void StopLog() {
  LogState& state = State();
  const std::lock_guard<std::mutex> lock(state.mutex);
  state.active = nullptr;
  state.logger.reset();
  state.pool.reset();  // Joins its thread after the queue is empty.
}

void LeaveLog() {
  LogState& state = State();
  const std::lock_guard<std::mutex> lock(state.mutex);
  state.active = nullptr;
  // The logger stays, for whoever is about to log by it; its sink writes as it ends.
  state.pool.reset();
  state.logger->sinks().clear();
}

bool LogEnabled(LogLevel level) { return level >= State().level.load(std::memory_order_relaxed); }

void Log(LogLevel level, std::string_view event, std::initializer_list<LogField> fields) {
  const bool is_fault = level == LogLevel::kWarning || level == LogLevel::kError;
  const bool enabled = LogEnabled(level);
  if (!enabled && !is_fault) return;
  LogState& state = State();
  const LogFormat format = state.format.load(std::memory_order_relaxed);
  const int64_t wall_us = SystemClock().WallUs();
  const std::string line = FormatLogLine(format, wall_us, level, event, fields);
  if (is_fault) {
    RememberFault(level, format == LogFormat::kKeyValue
                             ? line
                             : FormatLogLine(LogFormat::kKeyValue, wall_us, level, event, fields));
  }
  if (!enabled) return;
  if (spdlog::logger* logger = state.active.load(std::memory_order_acquire)) {
    logger->log(kAnyLevel, spdlog::string_view_t(line.data(), line.size()));
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
