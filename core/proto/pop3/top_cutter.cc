#include "core/proto/pop3/top_cutter.h"

#include <algorithm>

#include "core/base/check.h"

namespace poplar::pop3 {

size_t TopCutter::Pass(std::string_view chunk) {
  POP_CHECK(!done_);
  size_t passed = 0;
  while (passed < chunk.size() && !done_) {
    if (column_ == 0) dot_ = chunk[passed] == '.';
    const size_t newline = std::min(chunk.find('\n', passed), chunk.size());
    column_ = static_cast<uint8_t>(std::min<size_t>(3, column_ + (newline - passed)));
    if (newline == chunk.size()) return chunk.size();
    EndLine();
    passed = newline + 1;
  }
  return passed;
}

// In wire form a line feed stands only behind a carriage return, and a line's first dot alone only
// at the message's end; so the column of the line feed tells a blank line and the end.
void TopCutter::EndLine() {
  if (column_ == 2 && dot_) {
    ended_ = true;
    done_ = true;
  } else if (in_body_) {
    body_lines_left_ -= 1;
    done_ = body_lines_left_ == 0;
  } else if (column_ == 1) {
    in_body_ = true;
    done_ = body_lines_left_ == 0;
  }
  column_ = 0;
}

}  // namespace poplar::pop3
