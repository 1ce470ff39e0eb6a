// The head that SCRAM and OAUTHBEARER share (RFC 5801 §4): what the client says about channel
// binding, and for whom it acts. Pure; any thread.

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace poplar::auth {

enum class Gs2Binding : uint8_t {
  kNone,     // "n": the client has none.
  kUnasked,  // "y": it has, but thinks that the server has not.
  kBound,    // "p=TYPE".
};

struct Gs2Header {
  Gs2Binding binding = Gs2Binding::kNone;
  std::string_view binding_type;  // With kBound.
  std::string authzid;            // Empty: as who it logs in.
  std::string_view text;          // All of it, its last comma included.
};

// The head of `message`; the views are into that. Nothing: there is none.
std::optional<Gs2Header> ParseGs2Header(std::string_view message);

// RFC 5802 §5.1: "=2C" is a comma, "=3D" an equals sign. Nothing: another use of either, or a NUL.
std::optional<std::string> DecodeSaslName(std::string_view text);

}  // namespace poplar::auth
