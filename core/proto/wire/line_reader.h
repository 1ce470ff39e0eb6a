// Cuts a stream of bytes into lines. A lone LF ends a line as CRLF does. A line that is whole
// within the bytes given is not copied; what is left of an unfinished one is kept, in memory that
// is wiped and freed as soon as the line is done: it may hold a password, and an idle session keeps
// nothing.
//
// Of a line longer than its limit nothing is ever kept or run: its bytes are dropped up to its end,
// and then it is reported once. So memory stays within the limit, whatever arrives.

#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

namespace poplar::wire {

class LineReader {
 public:
  enum class Result : uint8_t {
    kIncomplete,  // All input was consumed, and no line is done.
    kLine,
    kTooLong,
  };

  LineReader() = default;
  LineReader(const LineReader&) = delete;
  LineReader& operator=(const LineReader&) = delete;
  ~LineReader() { Release(); }

  // Consumes one line, or what there is of it, from the front of `input`. `line_bytes_max` counts
  // the line end, too. For kLine, `line` is the line without its end; it is valid while `input`'s
  // bytes are and until the next Next or Release.
  Result Next(std::string_view& input, uint32_t line_bytes_max, std::string_view& line);

  // Wipes and frees what is kept, finished or not. A line that is too long goes on being dropped.
  void Release() {
    if (kept_ != nullptr) WipeKept();
  }
  // Forgets everything: what comes next is the beginning of a line.
  void Reset();

  uint32_t kept_bytes() const { return size_; }
  // What is kept of an unfinished line.
  std::string_view kept() const {
    return complete_ ? std::string_view() : std::string_view(kept_.get(), size_);
  }

 private:
  void WipeKept();
  void Keep(std::string_view bytes, uint32_t line_bytes_max);

  std::unique_ptr<char[]> kept_;
  uint32_t size_ = 0;
  uint32_t capacity_ = 0;
  bool complete_ = false;  // `kept_` is a line that was handed out.
  bool dropping_ = false;
};

}  // namespace poplar::wire
