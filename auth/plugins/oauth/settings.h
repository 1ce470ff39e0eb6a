// What [backend.NAME] says of an issuer of tokens. auth/OAUTH.md describes each setting.

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "auth/plugin.h"
#include "auth/plugins/common/pool.h"
#include "auth/plugins/common/settings_reader.h"

namespace poplar::oauth {

inline constexpr std::string_view kEdDsa = "EdDSA";

// EdDSA of Ed25519 has two names (RFC 8037, RFC 9864): the older one of both, any other as it is.
std::string AlgorithmOf(std::string name);

struct Settings {
  std::string issuer;  // Of the tokens: their "iss".
  // Where the issuer's keys are; one of the two, unless tokens are introspected.
  std::string jwks_url;
  std::string jwks_file;
  std::string introspection_url;  // RFC 7662; instead of looking into the token.
  std::string client_id;          // Who asks there.
  std::string client_secret;
  std::string ca_file = plugins::kSystemCaFile;  // Whose certificates of servers count.
  std::vector<std::string> audience;             // One of them has to be the token's.
  std::vector<std::string> scope;                // All of them have to be.
  std::string user_claim = "email";
  std::string default_domain;  // Of a user claim without one.
  std::vector<std::string> algorithms = {"RS256", "PS256", "ES256", std::string(kEdDsa)};
  uint32_t leeway_s = 60;  // Of clocks.
  plugins::Limits limits;
};

// Nothing, and a sentence about what is wrong: a setting that is missing, malformed or not known.
std::optional<Settings> ReadSettings(const poplar_setting* settings, std::string& fault);

}  // namespace poplar::oauth
