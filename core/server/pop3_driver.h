// The driver of one POP3 connection: it does what pop3::Session asks, as a coroutine that reads
// from top to bottom. One reader, one writer; the connection's shard only.

#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "auth/api/sasl.h"
#include "core/base/limits.h"
#include "core/proto/pop3/session.h"
#include "core/server/admission.h"
#include "core/server/connection.h"
#include "core/server/snapshot_view.h"
#include "storage/api/store.h"

namespace poplar::server {

// No name of ours is longer: of a longer claim, the rest is of no use.
inline constexpr size_t kClaimedUserBytesMax = kAddressBytesMax;

// Who leaves mail on the server has fetched what is so old long ago. A session that fetches so many
// of such messages comes from a new device, or takes mail that it had for new.
inline constexpr int64_t kOldMessageUs = int64_t{30} * 86'400 * 1'000'000;
inline constexpr uint32_t kOldMessagesOfRefetch = 10;

// An exchange of AUTH; most connections see none, or have seen the last of it.
struct SaslExchange {
  std::unique_ptr<auth::SaslMechanism> mechanism;
  uint64_t since_us = 0;
  auth::VerifierResult verifier;              // The answer to its question.
  bool challenged = false;                    // It went to the client, and no proof came yet.
  std::optional<pop3::LoginOutcome> refused;  // Told when the client has answered why.
};

class Pop3Driver : public Connection {
 public:
  struct Accepted {
    base::UniqueFd socket;
    net::Address peer;
    bool implicit_tls = false;
    bool exports = false;  // By the socket of exports.
    bool proxied = false;  // It begins with a PROXY header.
    bool counted = false;  // Among the connections of its address.
  };

  Pop3Driver(ShardServices& services, Accepted accepted);
  ~Pop3Driver() override;

  ConnectionInfo Info() const override;

 private:
  io::Task<void> Run() override;
  void LeaveWaits() override { services_.auth.Leave(id()); }
  // Reads the header of a proxy. False: the connection is over.
  io::Task<bool> MeetClient();
  pop3::Transport TransportNow() const;
  // Whether the client, as far as it is known, may say for whom it speaks.
  bool SpeaksXclient() const { return peer_.IsIn(pop3_.xclient_networks); }
  // Counts the connection among those of its client. False: that has its fill.
  bool CountClient();
  void LeaveClients();
  void TakeClient(const pop3::Xclient& told);
  io::Task<void> Serve();
  // Why the server, not the client, ends the session; nothing while it goes on.
  std::optional<pop3::EndReason> WhyToEnd() const;
  // The server has ended it for this.
  void EndFor(pop3::EndReason reason);
  // Finds out whether the server has ended it, where the session knows of no end.
  void SettleSilentEnd();
  // Says what is to be said, and waits for the client. False: the connection is over.
  io::Task<bool> NextInput();
  // Does what any other action asks. The same.
  io::Task<bool> Perform(pop3::Action action);
  io::Task<bool> StartTls(net::TlsStart start);

  // pop3_login.cc
  // Takes the word off that asks for recent mail only, and remembers whether it was there.
  void TakeRecent(std::string_view& name);
  // The name of who wants to log in, for the back ends and the log: without that word, and with the
  // domain of the host that the client came to, if it has none.
  std::string LoginName(std::string user);
  io::Task<void> VerifyPassword(std::string user, base::Secret password);
  // From when a question about the log-in is out: who hangs up does not wait for its answer.
  void WatchForLeaving();
  io::Task<void> StepExternal(std::optional<base::Secret> response);
  io::Task<void> FinishLogin(auth::AuthResult result, uint64_t since_us);
  // Opens the maildrop of who has the right password, if his tenant's rules let the session in.
  io::Task<pop3::LoginOutcome> Admit(auth::AuthResult* result);
  io::Task<storage::OpenResult> OpenMaildrop(storage::MaildropKey key);
  // What the session sees of the maildrop that is open.
  void MakeView();
  void LogLogin(std::string_view outcome, const auth::AuthResult& result);
  // That the client speaks, to us or to a proxy; empty: none, or the proxy does not say which.
  std::string_view TlsVersion() const;
  void LogEnd();

  // pop3_sasl.cc
  void StartSasl(std::string_view mechanism);
  // Who takes challenges and proves nothing has failed as well: they cost us something.
  void CountAbandoned();
  io::Task<void> StepSasl(std::optional<base::Secret> response);
  // The answer to a question of the mechanism's, in the exchange, and what follows from it.
  io::Task<auth::SaslStep> FetchVerifier(auth::SaslVerifierWanted wanted);
  // What an end of the exchange is worth.
  io::Task<auth::AuthResult> EndSasl(auth::SaslStep end);
  auth::SaslConnection ConnectionFor(std::string_view mechanism) const;
  // The TLS that ends at the client itself; null: there is none, or a proxy has ended it or begun
  // it.
  const net::TlsSession* ClientTls() const;
  // Users whom a certificate names that the client has shown, to us or to a proxy, and is good.
  std::vector<std::string> CertificateNames() const;
  // What TLS, and the host that it was asked for, say of how the client may log in.
  void SetTlsFacts();
  // What the tenant of the host lets its users do and its back ends can; of no host, what any can.
  void OfferMechanisms();
  // Null: of whoever comes.
  LoginMechanisms MechanismsOf(const TenantPolicies& policies, const TenantPolicies::Domain* owner);
  // Whether this user has a mechanism that binds a channel, and there is one.
  bool MayBind(const std::string& user);

  // pop3_bodies.cc
  class BodyMeter;
  io::Task<bool> SendMessage(pop3::Action action);
  io::Task<bool> HeaderHoldsUtf8(io::Body* body, uint64_t header_bytes);
  io::Task<bool> SendWhole(pop3::MessageIndex message, io::Body* body);
  io::Task<bool> SendTop(pop3::MessageIndex message, io::Body* body, uint32_t body_lines);
  // The head and the message, of TOP as many lines of it, into the output. False, and nothing done:
  // it is not small, or not in memory.
  bool AppendSmall(io::Body& body, std::optional<uint32_t> top_lines);
  // Whether it is there and sound, as far as that is told without reading it, but for exports;
  // `read`: after all of it was read.
  io::Task<Status> LookAt(io::Body* body, bool read);
  // Brings it into memory, or says why it cannot be read.
  static io::Task<Status> ReadThrough(io::Body* body);
  // That a fault of ours kept the message, or what follows `sent_bytes` of it, from the client.
  void LogBodyFailed(pop3::MessageIndex message, const io::Body& body, uint64_t sent_bytes,
                     const Status& why);
  void CountSent(pop3::MessageIndex message);
  // A message that is no news to who has fetched his mail before.
  void CountOld(pop3::MessageIndex message);
  void CountRetr(pop3::MessageIndex message, const io::Body& body, uint64_t since_us);
  void CountOctets(uint64_t octets);
  // Waits until the tenant's rate lets a message of so many octets out, or the session is to end.
  // False: the connection is over.
  io::Task<bool> WaitForEgress(uint64_t octets);

  // What was sent whole, in order, but for what is deleted anyway.
  std::vector<storage::MessagePosition> Fetched(
      const std::vector<pop3::MessageIndex>& deleted) const;
  io::Task<void> Commit(std::vector<pop3::MessageIndex> deleted);
  // That it was not done, or may not be.
  void LogCommitFailed(storage::CommitOutcome outcome, size_t deleted, size_t fetched);

  void OnLoginTimeout() { End(EndCause::kLoginTimeout); }
  void OnSessionAge() { End(EndCause::kSessionAge); }
  auth::ClientInfo Client() const;
  TransportGrade Grade() const;

  const std::shared_ptr<const Settings> settings_;
  const Pop3Settings& pop3_;
  const bool implicit_tls_;
  const bool begins_with_header_;
  const bool came_from_loopback_;     // Whoever connected, a proxy or the client.
  bool counted_;                      // In door.pop3_clients, as peer_.
  bool tls_ = false;                  // The client's, up to us or up to a proxy that says so.
  bool spoken_for_ = false;           // Whoever shook hands with us said by XCLIENT for whom.
  const std::string apop_timestamp_;  // Empty: no APOP.
  pop3::Session session_;
  std::unique_ptr<SaslExchange> sasl_;  // The last one, until somebody has logged in.
  uint64_t word_since_us_ = 0;          // When the client's last word of a log-in came.
  std::string mechanism_ = "USER";      // Of the last log-in; for the log.

  std::string claimed_user_;      // Who wants to log in; for the log, at most kClaimedUserBytesMax.
  uint64_t input_since_us_ = 0;   // When the input came that is being worked on.
  bool all_from_memory_ = false;  // It asked for nothing but what the session knows by itself.
  bool recent_ = false;           // The last log-in asked for recent mail only.
  auth::Principal principal_;
  Admission admission_;
  std::unique_ptr<storage::Maildrop> maildrop_;
  std::optional<SnapshotView> view_;
  std::vector<bool> fetched_;  // By position, if the store wants to know; empty before the first.
  uint64_t messages_sent_ = 0;
  uint64_t message_octets_sent_ = 0;
  uint64_t messages_deleted_ = 0;
  uint32_t messages_at_login_ = 0;
  int64_t old_before_us_ = 0;  // Messages that came before are old.
  uint32_t old_messages_sent_ = 0;

  io::TimerFor<&Pop3Driver::OnLoginTimeout> login_timer_;
  io::TimerFor<&Pop3Driver::OnSessionAge> age_timer_;
};

}  // namespace poplar::server
