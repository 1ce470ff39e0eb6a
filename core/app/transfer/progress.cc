#include "core/app/transfer/progress.h"

#include <algorithm>

#include "core/base/units.h"

namespace poplar::app {
namespace {

constexpr uint64_t kShowEveryUs = 200'000;
constexpr size_t kBarCells = 30;

}  // namespace

Progress::Progress(std::ostream& err, bool shown, uint64_t mailboxes)
    : err_(err),
      shown_(shown),
      mailboxes_(mailboxes),
      began_us_(base::SystemClock().MonotonicUs()) {}

void Progress::Found(uint64_t messages, uint64_t bytes) {
  const std::lock_guard lock(mutex_);
  messages_ += messages;
  bytes_ += bytes;
  Show();
}

void Progress::Did(uint64_t messages, uint64_t bytes) {
  const std::lock_guard lock(mutex_);
  messages_done_ += messages;
  bytes_done_ += bytes;
  Show();
}

void Progress::MailboxDone() {
  const std::lock_guard lock(mutex_);
  ++mailboxes_done_;
  Show();
}

void Progress::Clear() {
  const std::lock_guard lock(mutex_);
  if (width_ == 0) return;
  err_ << '\r' << std::string(width_, ' ') << '\r' << std::flush;
  width_ = 0;
  shown_us_ = 0;
}

std::string Progress::Line(uint64_t now_us) const {
  const uint64_t bytes_max = std::max<uint64_t>(bytes_, 1);
  const size_t filled = std::min<size_t>(kBarCells, bytes_done_ * kBarCells / bytes_max);
  const uint64_t elapsed_us = std::max<uint64_t>(now_us - began_us_, 1);
  const uint64_t bytes_a_second = bytes_done_ * 1'000'000 / elapsed_us;
  std::string line = "[" + std::string(filled, '#') + std::string(kBarCells - filled, '.') + "] ";
  line += std::to_string(messages_done_) + "/" + std::to_string(messages_) + " messages, ";
  if (mailboxes_ > 1) {
    line += std::to_string(mailboxes_done_) + "/" + std::to_string(mailboxes_) + " maildrops, ";
  }
  line += std::to_string(bytes_done_ / kMiB) + " MiB, " + std::to_string(bytes_a_second / kKiB) +
          " KiB/s";
  return line;
}

void Progress::Show() {
  if (!shown_) return;
  const uint64_t now_us = base::SystemClock().MonotonicUs();
  if (shown_us_ != 0 && now_us - shown_us_ < kShowEveryUs) return;
  shown_us_ = now_us;
  std::string line = Line(now_us);
  const size_t width = line.size();
  if (width < width_) line.append(width_ - width, ' ');
  width_ = width;
  err_ << '\r' << line << std::flush;
}

}  // namespace poplar::app
