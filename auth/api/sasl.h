// The server's side of a SASL mechanism (RFC 4422), without I/O: what the client said goes in,
// already decoded from base64; a challenge, a question or the end comes out. What is asked about
// users is ShardAuth's to answer, which also makes mechanisms.
//
// A mechanism belongs to one exchange. Any octets may come in.

#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "core/base/secret.h"

namespace poplar::auth {

// What a challenge mechanism needs of an account.
struct Verifier {
  std::string mechanism;  // "SCRAM-SHA-1", "SCRAM-SHA-256", "APOP".
  // SCRAM: keys, in RFC 5803's notation. APOP: the password in clear.
  base::Secret material;
};

// What the connection knows of itself, for mechanisms that need more than what the client says.
struct SaslConnection {
  // Channel bindings (RFC 5929, RFC 9266), octets; empty: there is none of that type.
  std::string tls_exporter = {};
  std::string tls_server_end_point = {};
  // A -PLUS form was offered here: a client that says otherwise was lied to on the way.
  bool binding_offered = false;
  // Whom the client's certificate names; empty: it showed none that was found good.
  std::vector<std::string> certificate_names = {};
  std::string apop_timestamp = {};  // As the greeting had it.
};

// Send it, encoded, and step again with the client's answer.
struct SaslChallenge {
  std::string bytes;
};

// ShardAuth::FetchVerifier; then TakeVerifier, unless that failed.
struct SaslVerifierWanted {
  std::string user;
  std::string mechanism;
  // The client could bind the channel and was offered no -PLUS form ("y"): it was lied to if this
  // user has one here.
  bool saw_no_binding = false;
};

// The end: who the client says it is. `authzid` is empty or `user`, in any case. The password may
// be empty; ShardAuth refuses it.
struct SaslCredentials {
  std::string authzid;
  std::string user;
  base::Secret password;
};

// The end: whether the client knows what the verifier was made of.
struct SaslProof {
  bool right = false;
};

// The end: the client's certificate is of this user. Whether there is one, and may log in, is
// ShardAuth::ResolveLogin's.
struct SaslIdentity {
  std::string user;
};

// The end, if ShardAuth::VerifyToken finds it good; else RefuseToken.
struct SaslToken {
  std::string user;
  base::Secret token;
};

// The end: not what the mechanism allows. `reason` is a sentence for the log, without a word of
// the client's own input.
struct SaslMalformed {
  std::string_view reason;
};

using SaslStep = std::variant<SaslChallenge, SaslVerifierWanted, SaslCredentials, SaslProof,
                              SaslIdentity, SaslToken, SaslMalformed>;

class SaslMechanism {
 public:
  virtual ~SaslMechanism() = default;

  // First: the initial response, or nothing when the client sent none (an empty one is something).
  // Then each answer to a challenge. After the end every step is malformed.
  virtual SaslStep Step(std::optional<std::string_view> client_bytes) = 0;

  // REQUIRES: the last step was SaslVerifierWanted.
  virtual SaslStep TakeVerifier(const Verifier& verifier);

  // What the client is told of a token that was refused. It answers with something that means
  // nothing; then it is told that the log-in failed. REQUIRES: the last step was SaslToken.
  virtual SaslChallenge RefuseToken();
};

}  // namespace poplar::auth
