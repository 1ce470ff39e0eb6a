#include "auth/sasl/mechanism.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>

#include "auth/sasl/apop.h"
#include "auth/sasl/bearer.h"
#include "auth/sasl/clear_text.h"
#include "auth/sasl/external.h"
#include "auth/sasl/names.h"
#include "auth/sasl/scram.h"

namespace poplar::auth {

bool EqualIgnoringCase(std::string_view a, std::string_view b) {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : int{c}; };
  return std::ranges::equal(a, b, {}, lower, lower);
}

namespace {

// What a chain has to be able to do for a mechanism.
using Wanted = bool (*)(const Capabilities&);
constexpr Wanted kPasswords = [](const Capabilities& can) { return can.password; };
constexpr Wanted kClearText = [](const Capabilities& can) { return can.clear_text; };
constexpr Wanted kTokens = [](const Capabilities& can) { return can.token; };
constexpr Wanted kNames = [](const Capabilities& can) { return can.resolve; };
constexpr Wanted kVerifiers = [](const Capabilities& can) { return can.verifiers; };

using Make = std::unique_ptr<SaslMechanism> (*)(const SaslConnection& connection,
                                                const std::string& server_nonce);

template <ScramHash hash, bool plus>
std::unique_ptr<SaslMechanism> Scram(const SaslConnection& connection,
                                     const std::string& server_nonce) {
  return MakeScram(hash, plus, connection, server_nonce);
}
// The others need less.
template <std::unique_ptr<SaslMechanism> (*make)(const SaslConnection&)>
std::unique_ptr<SaslMechanism> Of(const SaslConnection& connection, const std::string&) {
  return make(connection);
}
template <std::unique_ptr<SaslMechanism> (*make)()>
std::unique_ptr<SaslMechanism> Of(const SaslConnection&, const std::string&) {
  return make();
}

struct Mechanism {
  std::string_view name;
  Wanted works;
  Make make;
};

constexpr std::array kMechanisms = {
    Mechanism{"SCRAM-SHA-256-PLUS", kVerifiers, &Scram<ScramHash::kSha256, true>},
    Mechanism{"SCRAM-SHA-256", kVerifiers, &Scram<ScramHash::kSha256, false>},
    Mechanism{"SCRAM-SHA-1-PLUS", kVerifiers, &Scram<ScramHash::kSha1, true>},
    Mechanism{"SCRAM-SHA-1", kVerifiers, &Scram<ScramHash::kSha1, false>},
    Mechanism{"EXTERNAL", kNames, &Of<&MakeExternal>},
    Mechanism{"OAUTHBEARER", kTokens, &Of<&MakeOauthBearer>},
    Mechanism{"XOAUTH2", kTokens, &Of<&MakeXoauth2>},
    Mechanism{"APOP", kClearText, &Of<&MakeApop>},
    Mechanism{"PLAIN", kPasswords, &Of<&MakePlain>},
    Mechanism{"LOGIN", kPasswords, &Of<&MakeLogin>},
};

}  // namespace

SaslStep SaslMechanism::TakeVerifier(const Verifier& /*verifier*/) { return kExchangeOver; }
SaslChallenge SaslMechanism::RefuseToken() { return {}; }

std::unique_ptr<SaslMechanism> MakeSaslMechanism(std::string_view name,
                                                 const SaslConnection& connection,
                                                 const std::string& server_nonce) {
  for (const Mechanism& mechanism : kMechanisms) {
    if (EqualIgnoringCase(name, mechanism.name)) return mechanism.make(connection, server_nonce);
  }
  return nullptr;
}

LoginMechanisms MechanismsThatWork(const Capabilities& capabilities) {
  LoginMechanisms work = LoginMechanisms::None();
  for (const Mechanism& mechanism : kMechanisms) {
    if (mechanism.works(capabilities)) work.Add(mechanism.name);
  }
  // Whoever verifies passwords does so however they come.
  if (capabilities.password) work.Add("USER");
  return work;
}

}  // namespace poplar::auth
