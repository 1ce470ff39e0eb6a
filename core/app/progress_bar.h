// How far a long command is, for people: one line on a terminal, drawn again in its place; nothing
// where standard error is no terminal. One thread.

#pragma once

#include <chrono>
#include <ostream>
#include <string>

namespace poplar::app {

class ProgressBar {
 public:
  // `shown` false: nothing is ever drawn.
  ProgressBar(std::ostream& out, bool shown) : out_(out), shown_(shown) {}
  // Leaves an empty line.
  ~ProgressBar() { Clear(); }
  ProgressBar(const ProgressBar&) = delete;
  ProgressBar& operator=(const ProgressBar&) = delete;

  // `share` is 0 to 1. Drawn some times a second at most, so it may be called often.
  void Update(double share, const std::string& text);
  // Before something else is said.
  void Clear();

 private:
  std::ostream& out_;
  const bool shown_;
  bool drawn_ = false;
  std::chrono::steady_clock::time_point next_;
};

// Whether standard error is a terminal.
bool ErrorIsTerminal();

}  // namespace poplar::app
