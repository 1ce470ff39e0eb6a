#include "core/server/pop3_driver.h"

#include <sys/random.h>

#include <array>
#include <utility>

#include "core/base/check.h"
#include "core/base/log.h"
#include "core/base/probes.h"
#include "core/proto/pop3/replies.h"
#include "core/server/outcome_table.h"

namespace poplar::server {
namespace {

pop3::EndReason ReasonOf(EndCause cause) {
  switch (cause) {
    case EndCause::kDrain:
      return pop3::EndReason::kDrain;
    case EndCause::kKicked:
      return pop3::EndReason::kKicked;
    case EndCause::kLoginTimeout:
      return pop3::EndReason::kLoginTimeout;
    case EndCause::kSessionAge:
      return pop3::EndReason::kSessionAge;
  }
  return pop3::EndReason::kDrain;
}

net::StreamOptions StreamOptionsOf(const Pop3Settings& settings) {
  net::StreamOptions options;
  options.idle_timeout_ms = settings.idle_timeout_ms;
  return options;
}

// RFC 1939 §7: like a Message-ID, and never the same. Nobody can guess it either.
std::string NewApopTimestamp(const Pop3Settings& settings) {
  if (!settings.apop) return "";
  std::array<unsigned char, 16> octets;
  POP_CHECK(getrandom(octets.data(), octets.size(), 0) == static_cast<ssize_t>(octets.size()));
  std::string text = "<";
  for (const unsigned char octet : octets) {
    constexpr std::string_view kDigits = "0123456789abcdef";
    text += kDigits[octet >> 4];
    text += kDigits[octet & 15];
  }
  return text + "@" + settings.session.hostname + ">";
}

}  // namespace

Pop3Driver::Pop3Driver(ShardServices& services, Accepted accepted)
    : Connection(services, *services.pop3, std::move(accepted.socket), accepted.peer,
                 StreamOptionsOf(services.settings->pop3)),
      settings_(services.settings),
      pop3_(accepted.exports ? settings_->exports : settings_->pop3),
      implicit_tls_(accepted.implicit_tls),
      begins_with_header_(accepted.proxied),
      came_from_loopback_(accepted.peer.is_loopback()),
      counted_(accepted.counted),
      apop_timestamp_(NewApopTimestamp(pop3_)),
      session_(pop3_.session, services.pop3_metrics, TransportNow()),
      admission_(services.door),
      login_timer_(&services.reactor(), this),
      age_timer_(&services.reactor(), this) {
  session_.SetTerms(services_.terms.OfAll());
  OfferMechanisms();
  services_.metrics.pop3_connections.Add(1);
}

Pop3Driver::~Pop3Driver() {
  services_.metrics.pop3_connections.Add(-1);
  LeaveClients();
  services_.door.pop3.Leave();
}

// A client on the machine of a proxy is local to that one only.
pop3::Transport Pop3Driver::TransportNow() const {
  const bool local = came_from_loopback_ && peer_.is_loopback();
  return {.tls = implicit_tls_ || tls_,
          .clear_text_login_allowed = pop3_.allow_cleartext || local,
          .apop_timestamp = apop_timestamp_,
          .xclient = SpeaksXclient()};
}

bool Pop3Driver::CountClient() {
  counted_ = services_.door.pop3_clients.Enter(peer_, pop3_.connections_per_address_max);
  if (!counted_) services_.metrics.pop3_refused_per_address.Add();
  return counted_;
}

void Pop3Driver::LeaveClients() {
  if (std::exchange(counted_, false)) services_.door.pop3_clients.Leave(peer_);
}

ConnectionInfo Pop3Driver::Info() const {
  ConnectionInfo info = CommonInfo();
  info.protocol = Protocol::kPop3;
  info.tls = tls_;
  info.user = principal_.address;
  info.tenant = principal_.tenant_name;
  info.account = principal_.account;
  const bool logged_in = !principal_.address.empty();
  if (logged_in) info.login = claimed_user_;
  info.recent = recent_ && logged_in;
  info.state = maildrop_ ? "transaction" : (closing() && logged_in ? "update" : "authorization");
  return info;
}

auth::ClientInfo Pop3Driver::Client() const {
  return {.address = peer_.HostText(), .tls = tls_, .session = id()};
}

io::Task<void> Pop3Driver::Run() {
  login_timer_.Arm(pop3_.login_timeout_ms);
  bool usable = true;
  if (begins_with_header_) usable = co_await MeetClient();
  if (usable && implicit_tls_) usable = co_await StartTls(net::TlsStart::kImplicit);
  if (usable) co_await Serve();
  if (!end_settled()) SettleSilentEnd();
  set_closing();
  CountAbandoned();
  if (maildrop_) services_.metrics.pop3_sessions.Add(-1);
  view_.reset();
  maildrop_.reset();  // The lease is free before the close is waited for.
  admission_.Leave();
  LogEnd();
}

std::string_view Pop3Driver::TlsVersion() const {
  if (!tls_) return "";
  if (stream_.tls() != nullptr) return stream_.tls()->version_name();
  return proxied()->tls->version;
}

void Pop3Driver::LogEnd() {
  const uint64_t lasted_ms = (services_.reactor().now_us() - started_us_) / 1000;
  // A connection that never logged in is worth a line only to whoever looks for it.
  const bool logged_in = !principal_.address.empty();
  if (logged_in) services_.metrics.session_ms.Observe(lasted_ms);
  base::Log(logged_in ? base::LogLevel::kInfo : base::LogLevel::kDebug,
            logged_in ? "session_end" : "connection_end",
            {{"session", id().value()},
             {"protocol", "pop3"},
             {"tenant", principal_.tenant_name},
             {"user", principal_.address},
             {"peer", peer_.HostText()},
             {"tls_version", TlsVersion()},
             {"end", end_word()},
             {"recent", recent_},
             {"commands", session_.commands()},
             {"messages", messages_at_login_},
             {"sent", messages_sent_},
             {"sent_octets", message_octets_sent_},
             {"deleted", messages_deleted_},
             {"octets_in", stream_.received_bytes()},
             {"octets_out", stream_.sent_bytes()},
             {"ms", lasted_ms},
             {"proxy", ProxyText()}});
}

io::Task<bool> Pop3Driver::MeetClient() {
  const bool told = co_await TakeProxyHeader();
  if (!told) co_return false;
  tls_ = proxied() != nullptr && proxied()->tls.has_value();
  session_.SetTransport(TransportNow());
  SetTlsFacts();
  if (SpeaksXclient() || CountClient()) co_return true;
  SettleEnd("too_many_connections");
  if (!implicit_tls_) stream_.output().Append(pop3::reply::kTooManyConnections);
  co_await Flush();
  co_return false;
}

void Pop3Driver::TakeClient(const pop3::Xclient& told) {
  bool welcome = true;
  if (told.address) {
    LeaveClients();
    SpeakFor(net::Address::FromIp(*told.address, told.port));
    welcome = CountClient();
    // The certificate that was shown is the proxy's own, and so is the channel.
    spoken_for_ = true;
    SetTlsFacts();
    // What comes next may be the client's own words, passed on. That clear text is allowed stays:
    // it is so for the proxy's connection, which is the one that the password travels by here.
    session_.SetXclient(SpeaksXclient());
  }
  session_.ClientTaken(welcome, stream_.output());
}

std::optional<pop3::EndReason> Pop3Driver::WhyToEnd() const {
  if (end_cause()) return ReasonOf(*end_cause());
  if (maildrop_ && maildrop_->lease_lost()) return pop3::EndReason::kLeaseLost;
  return std::nullopt;
}

void Pop3Driver::EndFor(pop3::EndReason reason) {
  SettleEnd(pop3::Name(reason));
  services_.pop3_metrics.CountEnd(reason);
}

// Of silence the session is not told, as there is nothing to say. And whoever is thrown out in the
// middle of a message or a handshake, or does not take the reply, is cut before it knows. Where a
// drain cuts somebody the log shall say so.
void Pop3Driver::SettleSilentEnd() {
  if (ended_idle()) return EndFor(pop3::EndReason::kIdle);
  const std::optional<pop3::EndReason> why = WhyToEnd();
  const bool cut = stream_end() == net::StreamEnd::kAborted && why != pop3::EndReason::kDrain;
  if (why && (cut || stream_end() == net::StreamEnd::kNone)) EndFor(*why);
}

io::Task<void> Pop3Driver::Serve() {
  bool open = true;
  while (open) {
    const std::optional<pop3::EndReason> end = WhyToEnd();
    if (end) session_.End(*end, stream_.output());
    std::string_view input = stream_.input();
    const size_t received_bytes = input.size();
    pop3::Action action = session_.Next(input, stream_.output());
    const size_t taken_bytes = received_bytes - input.size();
    // Before log-in these lines hold passwords. Nothing of the action points into them.
    if (!maildrop_) stream_.WipeInput(taken_bytes);
    stream_.Consume(taken_bytes);
    if (action.kind == pop3::Action::Kind::kNeedInput) {
      open = co_await NextInput();
    } else {
      open = co_await Perform(std::move(action));
    }
  }
}

// Apart from all else, as thousands of idle sessions are in here: each costs its frame.
io::Task<bool> Pop3Driver::NextInput() {
  const bool answers = !stream_.output().empty();
  const bool flushed = co_await Flush();
  if (!flushed) co_return false;
  const uint64_t now_us = services_.reactor().now_us();
  if (answers && all_from_memory_) services_.metrics.answer_us.Observe(now_us - input_since_us_);
  const bool received = co_await Receive();
  input_since_us_ = services_.reactor().now_us();
  all_from_memory_ = received;
  co_return received;
}

io::Task<bool> Pop3Driver::Perform(pop3::Action action) {
  using Kind = pop3::Action::Kind;
  all_from_memory_ = all_from_memory_ && action.kind == Kind::kFlush;
  switch (action.kind) {
    case Kind::kNeedInput:
      break;  // NextInput's.
    case Kind::kFlush: {
      const bool flushed = co_await Flush();
      co_return flushed;
    }
    case Kind::kVerifyPassword: {
      std::string user(action.name);
      co_await VerifyPassword(std::move(user), std::move(*action.secret));
      co_return true;
    }
    case Kind::kVerifyApop:
      StartSasl("APOP");
      co_await StepSasl(std::move(action.secret));
      co_return true;
    case Kind::kSaslStart:
      StartSasl(action.name);
      co_await StepSasl(std::move(action.secret));
      co_return true;
    case Kind::kSaslRespond:
      co_await StepSasl(std::move(action.secret));
      co_return true;
    case Kind::kSendMessage: {
      const bool sent = co_await SendMessage(std::move(action));
      co_return sent;
    }
    case Kind::kTakeClient:
      TakeClient(action.client);
      co_return true;
    case Kind::kStartTls: {
      const bool started = co_await StartTls(net::TlsStart::kUpgrade);
      if (!started) co_return false;
      session_.TlsStarted();
      co_return true;
    }
    case Kind::kCommit:
      co_await Commit(std::move(action.deleted));
      co_return true;
    case Kind::kClose:
      if (action.close_reason == pop3::CloseReason::kEnded && WhyToEnd()) {
        EndFor(*WhyToEnd());
      } else {
        SettleEnd(pop3::Name(action.close_reason));
      }
      set_closing();
      co_await Flush();
      co_return false;
  }
  co_return false;
}

io::Task<bool> Pop3Driver::StartTls(net::TlsStart start) {
  io::Completion<net::StreamEnd> done;
  set_in_handshake(true);
  stream_.StartTls(settings_->tls, start, done);
  const net::StreamEnd end = co_await done;
  set_in_handshake(false);
  tls_ = Judge(end);
  if (tls_) SetTlsFacts();
  co_return tls_;
}

std::vector<storage::MessagePosition> Pop3Driver::Fetched(
    const std::vector<pop3::MessageIndex>& deleted) const {
  std::vector<bool> left = fetched_;
  for (const pop3::MessageIndex message : deleted) {
    if (message.value() < left.size()) left[message.value()] = false;
  }
  std::vector<storage::MessagePosition> positions;
  for (uint32_t i = 0; i < left.size(); ++i) {
    if (left[i]) positions.emplace_back(i);
  }
  return positions;
}

io::Task<void> Pop3Driver::Commit(std::vector<pop3::MessageIndex> deleted) {
  set_closing();
  const uint64_t since_us = services_.reactor().now_us();
  if (recent_) deleted.clear();  // They were hidden from this session, no more.
  std::vector<storage::MessagePosition> positions;
  positions.reserve(deleted.size());
  for (const pop3::MessageIndex message : deleted) positions.emplace_back(message.value());
  std::vector<storage::MessagePosition> fetched = Fetched(deleted);
  if (!fetched.empty()) {
    // A client that sent QUIT right behind RETR has its message first: it may go with the session.
    const bool flushed = co_await Flush();
    if (!flushed) fetched.clear();
  }
  const size_t fetched_count = fetched.size();
  io::Completion<storage::CommitOutcome> committed;
  set_committing(true);
  maildrop_->Commit(std::move(positions), std::move(fetched), committed);
  const storage::CommitOutcome outcome = co_await committed;
  set_committing(false);
  const uint64_t took_us = services_.reactor().now_us() - since_us;
  services_.metrics.quit_us.Observe(took_us);
  const bool done = outcome == storage::CommitOutcome::kDone;
  POPLAR_PROBE_COMMIT(id().value(), principal_.address.c_str(), deleted.size(), took_us, done);
  if (done) {
    messages_deleted_ = deleted.size();
    services_.metrics.messages_deleted.Add(deleted.size());
  } else {
    services_.metrics.commits_failed.Add();
    LogCommitFailed(outcome, deleted.size(), fetched_count);
  }
  session_.CommitDone(ToPop3(outcome), stream_.output());
}

void Pop3Driver::LogCommitFailed(storage::CommitOutcome outcome, size_t deleted, size_t fetched) {
  // Who has lost the lease was told by whoever removed the account.
  const bool refused = outcome == storage::CommitOutcome::kRefused;
  base::Log(refused ? base::LogLevel::kWarning : base::LogLevel::kError, "commit_failed",
            {{"session", id().value()},
             {"tenant", principal_.tenant_name},
             {"user", principal_.address},
             {"outcome", pop3::Name(ToPop3(outcome))},
             {"deletions", deleted},
             {"fetched", fetched}});
}

}  // namespace poplar::server
