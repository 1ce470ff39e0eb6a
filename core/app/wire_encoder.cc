#include "core/app/wire_encoder.h"

namespace poplar::app {

void WireEncoder::Feed(std::string_view text, std::string& wire) {
  wire.reserve(wire.size() + text.size() + text.size() / 16);
  for (const char c : text) {
    if (at_line_start_ && c == '.') wire += '.';
    if (c == '\n' && !after_cr_) wire += '\r';
    wire += c;
    at_line_start_ = c == '\n';
    after_cr_ = c == '\r';
  }
}

void WireEncoder::Finish(std::string& wire) {
  // A CR that ends the mail would, before ours, be one more octet of the mail; it stays its own.
  if (!at_line_start_) wire += "\r\n";
  wire += ".\r\n";
}

}  // namespace poplar::app
