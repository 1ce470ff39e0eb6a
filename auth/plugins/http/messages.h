// What is asked of an API and what it answers: JSON, as auth/HTTP.md describes it. Pure.

#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "auth/plugin.h"
#include "auth/plugins/common/secret_text.h"

namespace poplar::http {

using plugins::SecretText;

struct Request {
  poplar_operation operation = POPLAR_RESOLVE;
  std::string_view login = {};
  std::string_view password = {};   // With VERIFY_PASSWORD.
  std::string_view mechanism = {};  // Of a log-in without a password.
  std::string_view client_address = {};
};

// REQUIRES: all of it is UTF-8, and the operation is one that the plug-in knows.
SecretText Encode(const Request& request);

struct Answer {
  poplar_outcome outcome = POPLAR_TEMPORARY;
  // Empty: not said.
  std::string account;
  std::string address;
  std::string quota_octets;
  std::string quota_messages;
  std::string reason;
  SecretText stored_password;
  SecretText verifier;
};

// An answer that fits the operation. nullopt: `fault` says what is wrong with it.
std::optional<Answer> Decode(std::string_view body, poplar_operation operation, std::string& fault);

}  // namespace poplar::http
