// Base64 (RFC 4648 §4) as SASL uses it on a POP3 line: no line breaks, padding required. Decoding
// is strict, so that no two lines mean the same response.

#pragma once

#include <string_view>

#include "core/base/byte_buffer.h"
#include "core/base/secret.h"

namespace poplar::pop3 {

void AppendBase64(std::string_view bytes, base::ByteBuffer& out);

// False when the text is not base64. REQUIRES: text.size() <= kSaslLineBytesMax.
bool DecodeBase64(std::string_view text, base::Secret& bytes);

}  // namespace poplar::pop3
