#include "core/app/transfer/mail_writers.h"

#include <utility>

namespace poplar::app {
namespace {

constexpr std::string_view kFrom = "From ";

}  // namespace

void LineEndConverter::Feed(std::string_view bytes, std::string& out) {
  for (const char c : bytes) {
    if (c == '\r') {
      if (held_crs_ == 2) out += '\r';  // Two are enough to know what to do.
      held_crs_ = held_crs_ == 2 ? 2 : held_crs_ + 1;
      continue;
    }
    const bool is_plain_end = c == '\n' && held_crs_ == 1;
    if (!is_plain_end) out.append(static_cast<size_t>(held_crs_), '\r');
    held_crs_ = 0;
    out += c;
  }
}

void LineEndConverter::Finish(std::string& out) {
  out.append(static_cast<size_t>(std::exchange(held_crs_, 0)), '\r');
}

void FromQuoter::Feed(std::string_view bytes, std::string& out) {
  for (const char c : bytes) {
    if (state_ != State::kInLine) {
      if (held_.empty() && c == '>') {
        state_ = State::kQuotes;
        out += c;
        continue;
      }
      if (kFrom[held_.size()] == c) {
        held_ += c;
        if (held_ != kFrom) continue;
        out += '>';
        out += std::exchange(held_, {});
        state_ = State::kInLine;
        continue;
      }
      out += std::exchange(held_, {});
    }
    out += c;
    state_ = c == '\n' ? State::kLineStart : State::kInLine;
  }
}

void FromQuoter::Finish(std::string& out) { out += std::exchange(held_, {}); }

}  // namespace poplar::app
