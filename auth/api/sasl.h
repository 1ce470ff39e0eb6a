// The server's side of a SASL mechanism (RFC 4422), without I/O: what the client said goes in,
// already decoded from base64; a challenge or the client's credentials come out. Checking the
// credentials is ShardAuth's, which also makes mechanisms.
//
// A mechanism belongs to one exchange. Any octets may come in.

#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "core/base/secret.h"

namespace poplar::auth {

// Send it, encoded, and step again with the client's answer.
struct SaslChallenge {
  std::string bytes;
};

// The end: who the client says it is. `authzid` is empty or equal to `user`. The password may be
// empty; ShardAuth refuses it.
struct SaslCredentials {
  std::string authzid;
  std::string user;
  base::Secret password;
};

// The end: not what the mechanism allows. `reason` is a sentence for the client, without a word of
// its own input.
struct SaslMalformed {
  std::string_view reason;
};

using SaslStep = std::variant<SaslChallenge, SaslCredentials, SaslMalformed>;

class SaslMechanism {
 public:
  virtual ~SaslMechanism() = default;

  // First: the initial response, or nothing when the client sent none (an empty one is something).
  // Then each answer to a challenge. After the end every step is malformed.
  virtual SaslStep Step(std::optional<std::string_view> client_bytes) = 0;
};

}  // namespace poplar::auth
