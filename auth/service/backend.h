// What answers questions about users: SQLite, and one day a directory, a provider's SQL, a plug-in
// host. Calls block: they run on pool threads, several at once, and never on a reactor.
//
// Login names and addresses come with ASCII in lower case (auth/users/address.h, LookupKey): two
// names that differ in case only are one user everywhere in Poplar.
//
// kUnknown is not kRefused: after the one the chain asks the next back end, after the other it does
// not. A back end that cannot answer says kTemporary, never one of these two.

#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>
#include <vector>

#include "auth/api/auth.h"
#include "core/base/secret.h"
#include "core/base/status.h"

namespace poplar::auth {

enum class BackendOutcome : uint8_t {
  kOk,
  kUnknown,      // Nobody of that name here.
  kRefused,      // Wrong password or token.
  kDisabled,     // Switched off; after a correct password, or at Resolve.
  kTemporary,    // Could not be asked.
  kUnsupported,  // Does not do this.
};

struct BackendAnswer {
  BackendOutcome outcome = BackendOutcome::kUnsupported;
  Principal principal;             // With kOk; with kDisabled what is known of it.
  std::string reason;              // For logs; never a secret.
  std::string backend = {};        // With kTemporary of a chain: whose failure it is.
  std::string app_password = {};   // As in AuthResult.
  std::string from_networks = {};  // From where that counts (auth/users/networks.h); or "".
  // With kOk or kDisabled to a question for a verifier: what is stored, whatever it is good for.
  base::Secret stored_verifier;
  Verifier verifier;  // What a chain made of it.
  // With kOk to a question for a password: compare with this, the back end did not.
  base::Secret stored_password;
  bool weak_schemes = false;              // It may be of a weak scheme.
  uint32_t remember_ms_max = UINT32_MAX;  // A right password may be remembered for so long.
  bool computed = false;                  // A hash, on this machine.
  bool late = false;                      // It was not answered in time.
  bool queue_full = false;                // It was not asked at all.
  uint64_t asked_us = 0;                  // How long the back end took; 0: it was not asked.
};

// One that is nothing but its outcome.
inline BackendAnswer Say(BackendOutcome outcome, std::string_view reason) {
  BackendAnswer answer;
  answer.outcome = outcome;
  answer.reason = reason;
  return answer;
}

// Answers that may be different now from what was said before.
struct BackendChanges {
  bool everything = false;
  bool standby = false;  // With `everything`: what is kept for outages as well.
  std::vector<std::string> logins;
  // Likewise, but by who logged in or was found, with whatever name.
  std::vector<std::string> addresses = {};
  // The same, by whose account it is.
  std::vector<std::pair<TenantId, std::string>> accounts = {};
  // Likewise, of whoever is their user; what is kept for outages stays.
  std::unordered_set<TenantId> tenants = {};
};

class Backend {
 public:
  virtual ~Backend() = default;

  virtual std::string_view name() const = 0;  // For logs.
  virtual Capabilities capabilities() const = 0;

  virtual BackendAnswer Resolve(std::string_view address) = 0;
  // The same of somebody who logs in without a password: kDisabled where he may not.
  // `client_address`, here and below, is empty where nobody logs in: an operator wants to know
  // (ChainProbe).
  virtual BackendAnswer ResolveLogin(std::string_view login, std::string_view client_address);

  // Of those that `capabilities` names. A back end that computes hashes itself does it for every
  // known user, whatever is stored; kUnknown costs none (the chain makes up for it).
  virtual bool computes_hashes() const { return true; }
  virtual BackendAnswer VerifyPassword(std::string_view login, const base::Secret& password,
                                       std::string_view client_address);
  virtual BackendAnswer FetchVerifier(std::string_view login, std::string_view mechanism,
                                      std::string_view client_address);
  virtual BackendAnswer VerifyToken(std::string_view login, const base::Secret& token);

  // What changed since the last call, or since the start; called about once a second, by one thread
  // at a time. A back end that cannot tell says nothing, and its answers are kept until they
  // expire.
  virtual StatusOr<BackendChanges> TakeChanges() { return BackendChanges{}; }
};

}  // namespace poplar::auth
