// What stored passwords are written with: fields between separators, numbers, base64, hexadecimal.
// Pure. Nothing is taken but what an encoder writes, so that one value has one spelling: no white
// space, no leading zeros, no stray bits behind the last octet.

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace poplar::auth {

// Always one field more than there are separators. The views are into `text`.
std::vector<std::string_view> SplitFields(std::string_view text, char separator);

// Decimal digits.
std::optional<uint32_t> ParseCount(std::string_view text);

// RFC 4648 §4. Decoding takes it with padding or without.
std::optional<std::string> DecodeBase64(std::string_view text);
std::string EncodeBase64(std::string_view bytes);
std::string EncodeBase64Unpadded(std::string_view bytes);

// As passlib has it: '.' in place of '+', no padding.
std::optional<std::string> DecodeAdaptedBase64(std::string_view text);

// In either case.
std::optional<std::string> DecodeHex(std::string_view text);

}  // namespace poplar::auth
