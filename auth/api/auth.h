// The door to authentication. Four operations: resolve an address (RCPT, a certificate's name),
// verify a password, fetch verifiers for a challenge mechanism, verify a token. Everything here
// belongs to the shard that asked.
//
// Outcomes are a closed set; the protocols fold them to response codes in one table. A back end
// that cannot be asked is kTemporary, never "wrong password" or "no such user".

#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "auth/api/sasl.h"
#include "core/base/ids.h"
#include "core/base/login_mechanisms.h"
#include "core/base/mail_policy.h"
#include "core/base/metrics.h"
#include "core/base/secret.h"
#include "core/base/status.h"
#include "core/io/task.h"

namespace poplar::auth {

// Who somebody is, as the back end says. The account id is opaque, stable under renaming, and never
// given to another account: with the tenant it names the maildrop.
struct Principal {
  TenantId tenant;
  std::string account;      // At most kAccountIdBytesMax octets.
  std::string address;      // As the back end spells it; for logs and listings only.
  std::string tenant_name;  // For logs and metrics.
  Quota quota = {};         // Of the maildrop.
  bool pop3 = true;         // Its owner may fetch mail by it.
  bool may_log_in = true;   // By whatever; else it only gets mail.
};

enum class Outcome : uint8_t {
  kOk,
  kRefused,      // Wrong password or token, or nobody of that name: told alike.
  kDisabled,     // The account or its tenant is switched off. Told only after a correct password.
  kThrottled,    // Too many failures from there: try later.
  kTemporary,    // Ours, for now.
  kUnsupported,  // The name is proved, and no back end of its chain could say whose account it is.
};

enum class ResolveOutcome : uint8_t { kFound, kUnknown, kDisabled, kTemporary };

struct ResolveResult {
  ResolveOutcome outcome = ResolveOutcome::kTemporary;
  Principal principal;  // With kFound; with kDisabled its account may be unknown: empty.
  std::string reason;   // For logs.
};

struct AuthResult {
  Outcome outcome = Outcome::kTemporary;
  Principal principal;  // With kOk.
  std::string reason;   // For logs: "unknown user", "wrong password", "from cache", ...
  // With kOk, by which of the user's app passwords: its label; empty: his own.
  std::string app_password = {};
  // With kTemporary: nobody can be asked, and the password is not the one that was right before. It
  // counts as a failure, or an outage would be a time for guessing.
  bool is_guess = false;
  // With kTemporary: too many wait. It is held against a place where the name is not known.
  bool not_asked = false;
};

// Where a request comes from; for throttling and logs.
struct ClientInfo {
  std::string address;  // Without port.
  bool tls = false;
  SessionId session;
};

// Operations that a back end, or a chain of them, can do; CAPA follows.
struct Capabilities {
  bool resolve = true;
  bool password = false;
  bool verifiers = false;
  bool clear_text = false;  // What verifiers are made of may be the password itself.
  bool token = false;
};

struct VerifierResult {
  // What a right proof is worth. With kOk, kDisabled and kRefused there is a verifier: of nobody,
  // with kRefused, which looks like any other and which nothing proves.
  Outcome outcome = Outcome::kTemporary;
  Principal principal;  // With kOk.
  Verifier verifier;
  std::string reason;         // For logs.
  uint64_t changes_seen = 0;  // For IsOutdated.
};

// Authentication as one shard sees it. Use it on that shard only.
class ShardAuth {
 public:
  virtual ~ShardAuth() = default;

  // The ways to log in that back ends can serve: those of the tenant's chain; or, while nobody
  // knows whose user comes (nullopt), those of any chain that is in use.
  virtual LoginMechanisms MechanismsOf(std::optional<TenantId> tenant) = 0;
  // REQUIRES: `name` is a SASL mechanism of auth/sasl, or "APOP", whose one step takes
  // "name digest".
  virtual std::unique_ptr<SaslMechanism> StartSasl(std::string_view name,
                                                   SaslConnection connection) = 0;

  // Whom mail to `address` belongs to. Reads the back end, not the password cache.
  virtual void Resolve(std::string address, io::Completion<ResolveResult>& done) = 0;

  // `user` as the client gave it. An empty password is refused without asking anybody.
  virtual void VerifyPassword(std::string user, base::Secret password, ClientInfo client,
                              io::Completion<AuthResult>& done) = 0;

  // Of a mechanism that wants one. How its exchange ended is told by CountLogin.
  virtual void FetchVerifier(std::string user, std::string mechanism, ClientInfo client,
                             io::Completion<VerifierResult>& done) = 0;

  // Whether its user was changed since `verifier` was fetched: then a right proof counts no more.
  virtual bool IsOutdated(const VerifierResult& verifier, const std::string& user) = 0;

  virtual void VerifyToken(std::string user, base::Secret token, ClientInfo client,
                           io::Completion<AuthResult>& done) = 0;

  // Of somebody whose name was proved elsewhere (a certificate): may he log in, and who is he?
  virtual void ResolveLogin(std::string user, ClientInfo client,
                            io::Completion<AuthResult>& done) = 0;

  // Counts the end of an exchange over FetchVerifier; a refusal against the client's address and
  // the name that was asked about.
  virtual void CountLogin(Outcome outcome, const std::string& user, const ClientInfo& client) = 0;

  // This session is over: its client is gone, or the server ends it. If a question of it waits for
  // the end of a penalty, it is answered at once, kThrottled; else nothing changes.
  virtual void Leave(SessionId session) = 0;
};

}  // namespace poplar::auth
