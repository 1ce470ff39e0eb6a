// The door's implementation on one shard: what was asked here, and the log-ins at home here.

#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "auth/sasl/mechanism.h"
#include "auth/service/chain.h"
#include "auth/service/chain_probe.h"
#include "auth/service/context.h"
#include "auth/service/expiring_map.h"
#include "auth/service/fault_log.h"
#include "auth/service/forgetting.h"
#include "auth/service/login_attempt.h"
#include "auth/service/login_home.h"
#include "auth/service/metrics.h"
#include "auth/service/pending.h"
#include "auth/service/recent_changes.h"
#include "auth/service/throttle_wait.h"
#include "core/io/shard.h"

namespace poplar::auth {

class ShardAuthImpl : public ShardAuth {
 public:
  ShardAuthImpl(AuthContext& context, io::Shard& shard);
  ~ShardAuthImpl() override;

  LoginMechanisms MechanismsOf(std::optional<TenantId> tenant) override {
    return MechanismsThatWork(chain_.CapabilitiesOf(tenant));
  }
  std::unique_ptr<SaslMechanism> StartSasl(std::string_view name,
                                           SaslConnection connection) override;
  void Resolve(std::string address, io::Completion<ResolveResult>& done) override;
  void VerifyPassword(std::string user, base::Secret password, ClientInfo client,
                      io::Completion<AuthResult>& done) override;
  void FetchVerifier(std::string user, std::string mechanism, ClientInfo client,
                     io::Completion<VerifierResult>& done) override;
  void VerifyToken(std::string user, base::Secret token, ClientInfo client,
                   io::Completion<AuthResult>& done) override;
  void ResolveLogin(std::string user, ClientInfo client, io::Completion<AuthResult>& done) override;
  bool IsOutdated(const VerifierResult& verifier, const std::string& user) override;
  void CountLogin(Outcome outcome, const std::string& user, const ClientInfo& client) override;
  void Leave(SessionId session) override { waiting_room_.Leave(session); }

  // Drops what was remembered of these here, and what is under way will not be.
  void Forget(const BackendChanges& changes);
  // The same on every shard; `done` when all did.
  void ForgetEverywhere(BackendChanges changes, io::Completion<Status>& done);
  // As AuthService::Probe.
  void Probe(std::string login, ProbedSecret tried, io::Completion<std::vector<LinkReport>>& done);
  // Nothing is under way.
  bool idle() const;

  // --- For LoginAttempt and ChangeWatch.
  AuthContext& context() { return context_; }
  io::Shard& shard() { return shard_; }
  uint64_t now_us() const { return shard_.reactor().now_us(); }
  LoginHome& home() { return home_; }
  AuthMetrics& metrics() { return metrics_; }
  void Register(base::MetricRegistry& registry) const;
  FaultLog& faults() { return faults_; }
  WaitingRoom& waiting_room() { return waiting_room_; }
  // A log-in that was refused, or was right. `guess`: a keyed hash of name and password.
  void CountFailure(const LoginSource& source, std::optional<uint64_t> guess,
                    const std::string& login, const ClientInfo& client);
  void CountSuccess(const LoginSource& source);
  // One that came when too many waited.
  void CountNotAsked(const LoginSource& source, const std::string& login, const ClientInfo& client);
  void AnswerLogin(AuthResult result, io::Completion<AuthResult>& done);
  void EndAttempt(LoginAttempt& attempt) { attempts_.End(attempt); }

 private:
  // Of an address, where the chain has no back end that could be asked whose it is.
  BackendAnswer NobodyKnows(const std::string& address);
  // `done` gets what the chain says, once; faults are counted.
  void AskChain(BackendQuestion question, absl::AnyInvocable<void(BackendAnswer)> done);
  // The same of a log-in: after the wait that is due. kTemporary, and not under way, where it was
  // not waited for.
  void AskChainThrottled(BackendQuestion question, const LoginSource& source,
                         absl::AnyInvocable<void(BackendAnswer, UnderWay)> done);
  // What a log-in is worth by now that was right for who was known when only `changes_seen` were.
  AuthResult AsOfNow(AuthResult result, const std::string& login, uint64_t changes_seen);
  // A token's way to its answer.
  struct TokenQuestion {
    BackendQuestion owner;  // Whose the name is, where the back end knows of tokens alone.
    LoginSource source;
    uint64_t guess = 0;
    uint64_t changes_seen = 0;
    io::Completion<AuthResult>* done = nullptr;
    UnderWay under_way;
  };
  void AnswerToken(TokenQuestion asked, BackendAnswer answer, bool throttled);
  void EndToken(const TokenQuestion& asked, AuthResult result);

  // Of the penalties that began.
  void TellOf(const Throttle::Counted& counted, const std::string& login, const ClientInfo& client);

  AuthContext& context_;
  io::Shard& shard_;
  AuthMetrics metrics_;
  FaultLog faults_;
  PolicyReader tenants_;
  Chain chain_;
  LoginHasher hasher_;
  WaitingRoom waiting_room_;
  RecentChanges recent_changes_;
  LoginHome home_;
  ExpiringMap<std::string, Principal> resolved_;
  uint64_t changes_seen_ = 0;  // Calls of Forget.
  // Log-ins that fetched a verifier, by session, until CountLogin says how they ended.
  absl::flat_hash_map<uint64_t, UnderWay> challenged_;
  Pending<LoginAttempt> attempts_;
  Pending<ChainWalk> walks_;
  Pending<ThrottleWait> waits_;
  Pending<ChainProbe> probes_;
  Pending<Forgetting> flushes_;
};

}  // namespace poplar::auth
