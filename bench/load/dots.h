// Dot transparency (RFC 1939 section 3, RFC 5321 section 4.5.2) as a client needs it: stuffing
// what LMTP is to carry, and taking multi-line replies apart as they arrive.

#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace poplar::load {

// The message with leading dots doubled, and the line of a lone dot behind it. REQUIRES: it ends
// with CRLF.
std::string Stuff(std::string_view message);

// Takes one multi-line block apart. Not thread-safe.
class DotReader {
 public:
  // Starts a block. The status line must be gone already.
  void Begin() {
    state_ = State::kLineStart;
    bare_newline_ = false;
  }

  // Passes the un-stuffed octets of `wire` to `sink(std::string_view)` in as large pieces as it
  // can, and returns how much of `wire` it took: all of it, or up to the end of the block.
  template <class Sink>
  size_t Feed(std::string_view wire, Sink&& sink);

  bool done() const { return state_ == State::kDone; }
  // A line feed without a carriage return was met: no RFC allows one in a reply.
  bool bare_newline() const { return bare_newline_; }

 private:
  enum class State : uint8_t {
    kLineStart,  // behind CRLF
    kText,       // in a line
    kCr,         // in a line, behind CR
    kDot,        // behind a line's leading dot
    kDotCr,      // behind CR of a line that began with a dot
    kDone,
  };

  State state_ = State::kDone;
  bool bare_newline_ = false;
};

template <class Sink>
size_t DotReader::Feed(std::string_view wire, Sink&& sink) {
  size_t begin = 0;  // of what was not passed on yet
  size_t i = 0;
  auto pass_until = [&](size_t end) {
    if (end > begin) sink(wire.substr(begin, end - begin));
    begin = end;
  };
  while (i < wire.size() && state_ != State::kDone) {
    switch (state_) {
      case State::kLineStart:
        if (wire[i] == '.') {
          pass_until(i);
          begin = ++i;  // drops the dot
          state_ = State::kDot;
        } else {
          state_ = State::kText;
        }
        break;
      case State::kDot:
        if (wire[i] == '\r') {
          begin = ++i;  // held back: it may be the end
          state_ = State::kDotCr;
        } else {
          state_ = State::kText;
        }
        break;
      case State::kDotCr:
        if (wire[i] == '\n') {
          begin = ++i;
          state_ = State::kDone;
        } else {
          sink(std::string_view("\r"));
          state_ = State::kText;
        }
        break;
      case State::kText: {
        size_t newline = wire.find('\n', i);
        if (newline == std::string_view::npos) {
          state_ = wire.back() == '\r' ? State::kCr : State::kText;
          i = wire.size();
        } else if (newline > i && wire[newline - 1] == '\r') {
          state_ = State::kLineStart;
          i = newline + 1;
        } else {
          bare_newline_ = true;
          i = newline + 1;
        }
        break;
      }
      case State::kCr:
        if (wire[i] == '\n') {
          state_ = State::kLineStart;
          ++i;
        } else {
          state_ = State::kText;
        }
        break;
      case State::kDone:
        break;
    }
  }
  pass_until(i);
  return i;
}

}  // namespace poplar::load
