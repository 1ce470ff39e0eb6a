// The one automaton that turns a message as it arrives into a message as it is stored: RFC 1939's
// multi-line body, which is what RETR sends. Bytes go in as they come, cut anywhere; the output
// does not depend on the cuts.
//
// Lives in one LMTP session (or one import); no I/O, no allocation of its own. One object a
// message: construct, Prefix (optional), Feed until it ended (or, by length, Finish), read the
// sizes.
//
// What it does, in this order:
//
//   1. Un-stuffs by CRLF lines (framing kDotStuffed only; RFC 5321 §4.5.2): a dot at the start of
//      the data or right behind CRLF is dropped; if CRLF follows it, the message has ended.
//      Nothing else ends it: not LF.LF, not LF.CRLF, not CRLF.LF.
//   2. Normalises: an LF without CR before it becomes CRLF. Lone CRs, NULs and 8-bit bytes stay. A
//      missing last line end is added (an empty message has no line, so it gets none).
//   3. Stuffs again: a dot that now leads a line is doubled. `.` CRLF is put behind the last line.
//
//   in (kDotStuffed)          out                       because
//   ------------------------  ------------------------  ----------------------------------------
//   a CRLF . CRLF             a CRLF . CRLF             the usual case: nothing changes
//   . CRLF                    . CRLF                    an empty message
//   a CRLF .. b CRLF . CRLF   a CRLF .. b CRLF . CRLF   un-stuffed, stuffed again
//   a CRLF . b CRLF . CRLF    a CRLF b CRLF . CRLF      a dot behind CRLF is always stuffing
//   a LF b CRLF . CRLF        a CRLF b CRLF . CRLF      a lone LF becomes CRLF
//   a LF . CRLF CRLF . CRLF   a CRLF .. CRLF CRLF . CRLF   behind a lone LF a dot is content: it
//                                                       ends nothing and is doubled
//   a CRLF . LF b CRLF . CRLF a CRLF CRLF b CRLF . CRLF    behind CRLF the dot is stuffing, so an
//                                                       empty line is left
//   a LF . LF b CRLF . CRLF   a CRLF .. CRLF b CRLF . CRLF  the same, as content
//   a CR b CRLF . CRLF        a CR b CRLF . CRLF        a lone CR stays
//   a CRLF . CR b CRLF . CRLF a CRLF CR b CRLF . CRLF   not an end: LF does not follow the CR
//
//   in (kByLength)            out
//   ------------------------  ------------------------
//   a                         a CRLF . CRLF             the missing line end is added
//   a CR                      a CR CRLF . CRLF          that CR is content
//   . CRLF                    .. CRLF . CRLF            here a dot is always content
//   (nothing)                 . CRLF                    an empty message

#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "core/base/byte_buffer.h"

namespace poplar::wire {

// The line that ends a stored message (RFC 1939 §3).
inline constexpr std::string_view kTerminator = ".\r\n";

// What one Feed of n bytes adds to the output is at most 2n and this.
inline constexpr size_t kFeedOverhangBytes = 4;

class Normalizer {
 public:
  enum class Framing : uint8_t {
    kDotStuffed,  // SMTP's DATA: stuffed, ended by CRLF.CRLF.
    kByLength,    // BDAT (RFC 3030), files: as it is; the caller knows the end and says Finish.
  };

  explicit Normalizer(Framing framing);

  // Puts header lines of our own in front of the message; they count in every size.
  // REQUIRES: nothing was fed; `lines` ends with CRLF and has no empty line.
  void Prefix(std::string_view lines, base::ByteBuffer& out);

  struct Progress {
    size_t consumed = 0;  // All of `in`, or up to and including the end of the message.
    bool ended = false;
  };
  // Takes the next bytes, appends their stored form. REQUIRES: !ended().
  Progress Feed(std::string_view in, base::ByteBuffer& out);

  // The message has ended here. REQUIRES: framing kByLength, !ended().
  void Finish(base::ByteBuffer& out);

  bool ended() const { return state_ == State::kEnded; }

  // What RFC 1939 counts: CRLF line ends, no stuffing, no terminator. Grows as bytes are fed.
  uint64_t octets() const {
    return wire_bytes_ - stuffing_bytes_ - (ended() ? kTerminator.size() : 0);
  }
  // What was appended to the output, the terminator included once it is there.
  uint64_t wire_bytes() const { return wire_bytes_; }
  // Wire bytes up to and including the first empty line; all but the terminator where there is
  // none. REQUIRES: ended().
  uint64_t header_bytes() const;

 private:
  enum class State : uint8_t {
    kStuffedLineStart,  // Behind CRLF (or at the start) of stuffed data: a dot is stuffing.
    kLineStart,         // At the start of a line where a dot is content.
    kInLine,            // In a line, the last byte was no CR.
    kAfterCr,           // In a line, the last byte was CR.
    kDot,               // Behind a stuffing dot, which was dropped.
    kDotCr,             // Behind a stuffing dot and CR, which was not written yet.
    kEnded,
  };
  struct Cursor;

  void Run(Cursor& at);
  void CopyLine(Cursor& at);
  void CopyBlocks(Cursor& at);
  void EndLine(Cursor& at);
  void EndMessage(Cursor& at);

  const State start_;  // The state at the start and behind a CRLF.
  State behind_crlf_;  // The same, but kLineStart while the prefix is written.
  State state_;
  bool in_header_ = true;
  uint64_t wire_bytes_ = 0;
  uint64_t stuffing_bytes_ = 0;
  uint64_t line_start_ =
      0;  // Where the current line starts, in wire bytes; kept in the header only.
  uint64_t header_bytes_ = 0;  // Set when the header has ended.
};

}  // namespace poplar::wire
