// A mail as it lies in a file, turned into what DATA carries: lines end in CRLF, a leading dot is
// doubled, the end is CRLF.CRLF (RFC 5321 §4.5.2). A lone CR is left alone. One thread.

#pragma once

#include <string>
#include <string_view>

namespace poplar::app {

class WireEncoder {
 public:
  // Appends to `wire` what `text`, the next piece of the mail, becomes.
  void Feed(std::string_view text, std::string& wire);
  // Appends the end; a last line that is not ended is.
  void Finish(std::string& wire);

 private:
  bool at_line_start_ = true;
  bool after_cr_ = false;
};

}  // namespace poplar::app
