// SASL mechanisms against arbitrary messages. The first byte chooses the mechanism, the second what
// the connection knows and how the first step comes; 0xFE ends a message.
//
// An exchange must end within a few steps, end for good, and say nothing that it was not told; what
// it takes for a name or a secret keeps to the limits. Without the keys nothing is ever proved.

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "auth/sasl/gs2.h"
#include "auth/sasl/mechanism.h"
#include "core/base/check.h"
#include "core/base/limits.h"

namespace poplar::auth {
namespace {

constexpr std::array<std::string_view, 10> kNames = {"PLAIN",         "LOGIN",
                                                     "SCRAM-SHA-256", "SCRAM-SHA-256-PLUS",
                                                     "SCRAM-SHA-1",   "SCRAM-SHA-1-PLUS",
                                                     "EXTERNAL",      "OAUTHBEARER",
                                                     "XOAUTH2",       "APOP"};

// Keys that no password gives: the digests of nothing known.
constexpr std::string_view kSha256Keys =
    "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=:"
    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
constexpr std::string_view kSha1Keys =
    "SCRAM-SHA-1$4096:QSXCR+Q6sek8bf92$AAAAAAAAAAAAAAAAAAAAAAAAAAA=:AAAAAAAAAAAAAAAAAAAAAAAAAAA=";

void CheckUser(std::string_view user) {
  POP_CHECK(!user.empty() && user.size() <= kAddressBytesMax);
  POP_CHECK(user.find('\0') == std::string_view::npos);
}

void CheckGs2(std::string_view message) {
  const std::optional<Gs2Header> header = ParseGs2Header(message);
  if (!header) return;
  POP_CHECK(message.starts_with(header->text) && header->text.ends_with(','));
  POP_CHECK((header->binding == Gs2Binding::kBound) == !header->binding_type.empty());
}

SaslConnection ConnectionOf(uint8_t choice) {
  SaslConnection connection;
  if ((choice & 1) != 0) connection.tls_exporter = "exported";
  if ((choice & 2) != 0) connection.tls_server_end_point = "end point";
  connection.binding_offered = (choice & 4) != 0;
  if ((choice & 8) != 0) connection.certificate_names = {"a@b.example"};
  if ((choice & 16) != 0) connection.certificate_names.emplace_back("c@d.example");
  connection.apop_timestamp = "<1@h>";
  return connection;
}

// False: it ends the exchange.
bool CheckStep(const SaslStep& step, std::string_view name) {
  if (std::holds_alternative<SaslChallenge>(step)) return true;
  if (const auto* end = std::get_if<SaslCredentials>(&step)) {
    CheckUser(end->user);
    POP_CHECK(end->password.Reveal().size() <= kPasswordBytesMax);
    POP_CHECK(end->authzid.empty() || end->authzid == end->user);
  } else if (const auto* token = std::get_if<SaslToken>(&step)) {
    CheckUser(token->user);
    POP_CHECK(!token->token.empty());
    for (const char c : token->token.Reveal()) POP_CHECK(c > 0x20 && c < 0x7F);
  } else if (const auto* identity = std::get_if<SaslIdentity>(&step)) {
    POP_CHECK(identity->user == "a@b.example" || identity->user == "c@d.example");
  } else if (const auto* proof = std::get_if<SaslProof>(&step)) {
    POP_CHECK(!proof->right);
    POP_CHECK(name.starts_with("SCRAM") || name == "APOP");
  } else {
    POP_CHECK(!std::get<SaslMalformed>(step).reason.empty());
  }
  return false;
}

void Converse(std::string_view name, uint8_t choice, std::string_view script) {
  const auto mechanism = MakeSaslMechanism(name, ConnectionOf(choice), "nonce");
  bool goes_on = true;
  uint32_t steps = 0;
  if ((choice & 32) != 0) goes_on = CheckStep(mechanism->Step(std::nullopt), name);
  while (goes_on) {
    POP_CHECK(++steps <= 5);
    const size_t end = std::min(script.find('\xFE'), script.size());
    const std::string message(script.substr(0, end));
    script.remove_prefix(std::min(end + 1, script.size()));
    CheckGs2(message);
    SaslStep step = mechanism->Step(message);
    if (const auto* wanted = std::get_if<SaslVerifierWanted>(&step)) {
      CheckUser(wanted->user);
      const std::string_view keys = wanted->mechanism == "SCRAM-SHA-1" ? kSha1Keys : kSha256Keys;
      step =
          mechanism->TakeVerifier({.mechanism = wanted->mechanism, .material = base::Secret(keys)});
    }
    goes_on = CheckStep(step, name);
  }
  POP_CHECK(std::holds_alternative<SaslMalformed>(mechanism->Step("more")));
}

}  // namespace
}  // namespace poplar::auth

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  if (size < 2) return 0;
  using poplar::auth::kNames;
  poplar::auth::Converse(kNames[bytes[0] % kNames.size()], bytes[1],
                         {reinterpret_cast<const char*>(bytes) + 2, size - 2});
  return 0;
}
