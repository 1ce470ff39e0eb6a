// Whether a tenant's rules let a session in that has the right password, and what the session
// counts for while it lasts (RFC 2449 section 8.1.1 for the delay between log-ins). Told only after
// a right password: nobody else learns what rules a tenant has, or that there is one.
//
// A session's own, on its shard. What it counts in is shared by all shards, without locks.

#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>

#include "auth/api/auth.h"
#include "core/base/login_mechanisms.h"
#include "core/base/mail_policy.h"
#include "core/net/address.h"
#include "core/server/door.h"

namespace poplar::server {

// How a session's bytes travel.
enum class TransportGrade : uint8_t { kClear, kTls12, kTls13 };

// Of a TLS version as a proxy names it: "TLSv1.3". One that is not named is TLS all the same; one
// that this server does not speak is worth no more than none.
TransportGrade GradeOf(std::string_view tls_version);

enum class AdmissionVerdict : uint8_t {
  kAdmitted,
  kPop3Off,      // Of the tenant.
  kUserPop3Off,  // Of the user alone.
  kTlsRequired,
  kTls13Required,
  kMechanismOff,
  kTooManySessions,         // Of the tenant.
  kTooManyFromThisAddress,  // Of its sessions.
  kTooManyRecent,           // Sessions of this account that read recent mail only.
  kTooManyLogins,           // A minute.
  kTooSoon,                 // After the last log-in of this maildrop.
};
// For logs: "too many sessions of the tenant".
std::string_view Reason(AdmissionVerdict verdict);

// What holds of somebody however he comes: kAdmitted, or that he has no POP3.
AdmissionVerdict JudgePop3(const TenantRules& rules, const auth::Principal& principal);

class Admission {
 public:
  // `door` outlives this.
  explicit Admission(Door& door) : door_(door) {}
  Admission(const Admission&) = delete;
  Admission& operator=(const Admission&) = delete;
  ~Admission() { Leave(); }

  struct Visitor {
    const auth::Principal* principal;
    net::Address peer;
    TransportGrade transport;
    std::string_view mechanism;  // As [auth] calls it.
    uint64_t now_us;
    // Of who wants recent mail only: how many such sessions of his account there may be. Others
    // are as many as there are leases, one.
    std::optional<uint32_t> recent_sessions_max = {};
  };
  // kAdmitted: the session counts from now on. Else the tenant's limit has counted the refusal.
  AdmissionVerdict Enter(const TenantPolicies& policies, const Visitor& visitor);
  // The maildrop is open: the next log-in of it is counted from now.
  void LoggedIn(uint64_t now_us);
  void Leave();

  // What a session goes by until its end, as it was when it began; what mail may go out follows the
  // tenant's gate. A copy of all rules would have every host of the tenant.
  struct Terms {
    uint32_t login_delay_s = 0;
    uint32_t idle_timeout_s = 0;
    LoginMechanisms mechanisms;
  };
  const Terms& terms() const { return terms_; }

  // What went out of a message, whole or not: in the tenant's totals, and against its rate.
  void CountOctetsOut(uint64_t octets, uint64_t now_us);
  // It went out whole.
  void CountMessageOut();
  // How long a message of so many octets has to wait, in ms, since the tenant's sessions together
  // are ahead of its rate. Who waits stands in a queue, and goes on as long after who came before
  // him as the rate wants for the begin of that one's message: all at once they would keep a shard
  // from everybody else.
  uint64_t QueueForEgress(uint64_t octets, uint64_t now_us);
  // He does not go on after all: nobody has to wait for him.
  void LeaveEgressQueue();
  // How long the last of them has to wait.
  uint64_t EgressWaitMs(uint64_t now_us) const;

 private:
  // 0: no limit.
  uint64_t EgressPerMinute() const;
  uint64_t EgressWaitUs(uint64_t now_us) const;
  // By how the visitor comes.
  AdmissionVerdict Judge(const TenantRules& rules, const Visitor& visitor);
  // By how many there are. What was counted is undone by Leave, whatever the verdict.
  AdmissionVerdict Count(const TenantRules& rules, const Visitor& visitor);
  AdmissionVerdict CountForTenant(const TenantRules& rules, const Visitor& visitor);

  // What the queue was charged for who stands in it, and at which rate; 0: nothing.
  struct EgressPlace {
    uint64_t octets = 0;
    uint64_t octets_per_minute = 0;
  };

  Door& door_;
  Terms terms_;
  TenantId tenant_;
  net::Address peer_;
  uint64_t maildrop_hash_ = 0;
  std::shared_ptr<TenantGate> gate_;
  EgressPlace egress_place_;  // The last one.
  // Where the session counts.
  bool in_recent_sessions_ = false;
  bool in_sessions_ = false;
  bool in_tenant_clients_ = false;
};

}  // namespace poplar::server
