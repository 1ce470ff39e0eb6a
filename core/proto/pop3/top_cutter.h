// Cuts a message in wire form (CRLF line ends, leading dots doubled, `.` CRLF at its end) after its
// header, the blank line and some body lines: what TOP answers (RFC 1939 §7). Fed in chunks of any
// size; it copies nothing, it only says how much of each chunk to send.
//
//   TopCutter cutter(lines);
//   while (!cutter.done() && (chunk = next piece of the body) is not empty)
//     send chunk.substr(0, cutter.Pass(chunk));
//   send cutter.Ending();

#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace poplar::pop3 {

class TopCutter {
 public:
  explicit TopCutter(uint32_t body_lines) : body_lines_left_(body_lines) {}

  // How many bytes, from the chunk's front, belong to the answer. REQUIRES: !done().
  size_t Pass(std::string_view chunk);

  // Nothing that follows belongs to the answer.
  bool done() const { return done_; }

  // What ends the answer: `.` CRLF; nothing when the message was short and its own end was passed.
  std::string_view Ending() const { return ended_ ? std::string_view() : ".\r\n"; }

 private:
  void EndLine();

  uint32_t body_lines_left_;
  uint8_t column_ = 0;    // Bytes of the current line so far; 3 stands for any more.
  bool dot_ = false;      // The current line begins with a dot.
  bool in_body_ = false;  // Behind the blank line.
  bool ended_ = false;    // The message's own end was passed.
  bool done_ = false;
};

}  // namespace poplar::pop3
