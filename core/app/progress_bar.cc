#include "core/app/progress_bar.h"

#include <unistd.h>

#include <algorithm>

namespace poplar::app {
namespace {

constexpr int kBarCells = 30;
constexpr auto kDrawInterval = std::chrono::milliseconds(100);

}  // namespace

void ProgressBar::Update(double share, const std::string& text) {
  if (!shown_) return;
  const auto now = std::chrono::steady_clock::now();
  if (now < next_) return;
  next_ = now + kDrawInterval;
  share = std::clamp(share, 0.0, 1.0);
  const int filled = static_cast<int>(share * kBarCells);
  out_ << "\r\x1b[K[" << std::string(filled, '#') << std::string(kBarCells - filled, '.') << "] "
       << static_cast<int>(share * 100) << " %  " << text << std::flush;
  drawn_ = true;
}

void ProgressBar::Clear() {
  if (!drawn_) return;
  out_ << "\r\x1b[K" << std::flush;
  drawn_ = false;
}

bool ErrorIsTerminal() { return isatty(STDERR_FILENO) == 1; }

}  // namespace poplar::app
