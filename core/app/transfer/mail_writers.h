// Messages as they are on the wire, written as other programs keep them: line ends become LF, and
// where that could not be undone the CRLF stays; lines that an mbox would take for a new message
// are quoted. Pure; a message at a time.

#pragma once

#include <string>
#include <string_view>

namespace poplar::app {

// CRLF becomes LF, but not behind another CR: what reads LF as CRLF gets the same bytes back.
class LineEndConverter {
 public:
  void Feed(std::string_view bytes, std::string& out);
  void Finish(std::string& out);

 private:
  int held_crs_ = 0;
};

// Adds a `>` to lines that begin with `From `, or with `>`s and `From ` (mboxrd). Of text with LF.
class FromQuoter {
 public:
  void Feed(std::string_view bytes, std::string& out);
  void Finish(std::string& out);

 private:
  enum class State : char { kLineStart, kQuotes, kInLine };
  State state_ = State::kLineStart;
  std::string held_;  // A beginning of `From `.
};

}  // namespace poplar::app
