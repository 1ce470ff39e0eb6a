// What a mail program has to know to fetch a user's mail and to send: the one source of every form
// in which it is told. Pure values; any thread.

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/mail_policy.h"
#include "core/base/tenant_rules.h"
#include "core/tenant/config.h"

namespace poplar::setup {

struct MailServer {
  std::string host;
  uint16_t port = 0;
  bool starttls = false;  // Clear until the client asks for TLS; else TLS from the first byte.

  friend bool operator==(const MailServer&, const MailServer&) = default;
};

// How users prove who they are: of all ways that are open to them, the one that most mail programs
// can go.
enum class Authentication : uint8_t {
  kPassword,     // The password itself, inside TLS.
  kApop,         // A digest of it (RFC 1939); not CRAM-MD5, and not NTLM, which Poplar has not.
  kOAuth,        // A token.
  kCertificate,  // The client's, by EXTERNAL.
  kScram,        // SCRAM alone, for which no form of this folder has a word.
};

// Of the users of one domain. The user name is always the whole address.
struct MailSettings {
  std::string domain;              // As DNS has it.
  std::vector<MailServer> pop3;    // The one to prefer first; at least one.
  std::optional<MailServer> smtp;  // Nothing: nobody said which.
  Authentication authentication = Authentication::kPassword;
};

// What the configuration says, for all tenants.
struct SetupFacts {
  std::string pop3_host;
  uint16_t pop3s_port = 0;  // 0: TLS from the first byte is not offered.
  uint16_t stls_port = 0;   // 0: STLS is not.
  std::string smtp_host;    // Empty: none is told.
  uint16_t smtp_port = 0;
  bool smtp_starttls = false;
  std::string page_host;  // Where the pages of this folder are found; empty: nowhere.
  LoginMechanisms mechanisms;
};
SetupFacts FactsOf(const tenant::Config& config);

// A name that is told to mail programs elsewhere, and by which they find nothing.
struct LostHost {
  std::string_view setting;  // Which has it, or should have a better one.
  std::string host;

  std::string Why() const;
  friend bool operator==(const LostHost&, const LostHost&) = default;
};
std::vector<LostHost> LostHostsOf(const SetupFacts& facts);

// Nothing: these users cannot fetch mail, or not by TLS, or no way to log in is open to them.
std::optional<MailSettings> SettingsOf(const SetupFacts& facts, const TenantRules& rules,
                                       std::string_view domain);

// Whose a domain is, in any case, in UTF-8 or as DNS has it. Null: nobody's. Lives as long as
// `policies`.
const TenantPolicies::Domain* OwnerOf(const TenantPolicies& policies, std::string_view domain);

// Of a domain in any case, in UTF-8 or as DNS has it. Nothing: it is nobody's, too.
std::optional<MailSettings> SettingsOfDomain(const SetupFacts& facts,
                                             const TenantPolicies& policies,
                                             std::string_view domain);

}  // namespace poplar::setup
