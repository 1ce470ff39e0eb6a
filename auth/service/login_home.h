// The log-ins whose names belong to one shard: what is remembered of them, and those that are being
// verified. Equal ones under way (name, password, and the client's address) share one computation.
//
// A log-in is remembered only if it was right and nothing was changed about its name (Forget) or
// its tenant since it was asked. One password a name is remembered, the last. It counts while the
// policies say of its tenant what they said when it was asked: that the domain is its own, that it
// is not switched off, and whom it asks. Answers go by them, and they may be published after
// somebody was told to forget.
//
// Whom a command changed or flushed since he was asked about is told to come again.
//
// Lives on that shard.

#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "auth/service/context.h"
#include "auth/service/expiring_map.h"
#include "auth/service/fault_log.h"
#include "auth/service/keyed_hash.h"
#include "auth/service/metrics.h"
#include "auth/service/pending.h"
#include "auth/service/recent_changes.h"
#include "auth/service/results.h"
#include "auth/service/standby_logins.h"
#include "core/io/shard.h"

namespace poplar::auth {

// The reason of a log-in that was remembered.
inline constexpr char kFromCache[] = "from cache";

// Who asks for a log-in to be verified. Gets exactly one answer.
class LoginAsker {
 public:
  virtual void Answer(const AuthResult& result) = 0;

 protected:
  ~LoginAsker() = default;
};

struct LoginQuestion {
  std::string login;  // As LookupKey makes it.
  base::Secret password;
  LoginMacs macs;
  ClientInfo client;  // Told to back ends.
};

class LoginHome {
 public:
  // All of these outlive it.
  LoginHome(AuthContext& context, Chain& chain, io::Reactor& reactor, AuthMetrics& metrics,
            FaultLog& faults, const RecentChanges& changes);
  LoginHome(const LoginHome&) = delete;
  LoginHome& operator=(const LoginHome&) = delete;
  ~LoginHome();

  // Null: not remembered, or not for a client there. Ends with the next call.
  const AuthResult* FindRemembered(const LoginQuestion& question);
  // `asker` stays until its answer, which may come at once.
  void Verify(const LoginQuestion& question, LoginAsker& asker);

  void Forget(const Mac& name);
  // Whom `is_his` holds for, by whatever name he logged in.
  void ForgetUser(const PrincipalTest& is_his);
  // What was answered of their users. What is kept for outages stays.
  void ForgetTenants(const std::unordered_set<TenantId>& tenants);
  // `standby`: what is kept for outages as well.
  void ForgetAll(bool standby);

  bool idle() const { return under_way_.empty(); }

 private:
  class Verification;
  struct Remembered {
    Mac login;
    AuthResult result;
    std::string from_networks;                // From where it may be used; empty: from anywhere.
    uint64_t until_us = 0;                    // Where its back end allows less than the map.
    std::shared_ptr<const ChainOrder> order;  // By which it was asked.
  };
  // Two clients with the same app password may have different answers.
  using Equal = std::pair<Mac, std::string>;  // Log-in, and the client's address.

  void OnEnd(Verification& verification);
  // Whose the domain of that name is.
  std::optional<TenantId> TenantOf(std::string_view login);
  // Would it be asked as it was, and be of the same tenant?
  bool IsAsBefore(std::string_view login, const Remembered& found);
  // A better result, if the tenant allows one.
  void UseStandby(const LoginMacs& macs, AuthResult& result);
  void KeepStandby(const Verification& verification, const AuthResult& result,
                   std::string_view from_networks);
  // What is being verified is not remembered.
  void MarkAllStale();
  void LeaveJoinable(Verification& verification);

  AuthContext& context_;
  Chain& chain_;
  io::Reactor& reactor_;
  AuthMetrics& metrics_;
  FaultLog& faults_;
  const RecentChanges& changes_;
  PolicyReader tenants_;
  ExpiringMap<Mac, Remembered> remembered_;  // By name.
  StandbyLogins standby_;
  absl::flat_hash_map<Equal, Verification*> joinable_;
  Pending<Verification> under_way_;
};

}  // namespace poplar::auth
