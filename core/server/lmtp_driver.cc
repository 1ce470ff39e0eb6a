#include "core/server/lmtp_driver.h"

#include <utility>

#include "core/base/check.h"
#include "core/base/clock.h"
#include "core/base/log.h"
#include "core/server/address_owner.h"
#include "core/server/outcome_table.h"

namespace poplar::server {
namespace {

// Mail comes in bursts: so many seconds' worth may come at once.
constexpr uint64_t kDeliveryBurstUs = 10'000'000;

net::StreamOptions StreamOptionsOf(const LmtpSettings& settings) {
  net::StreamOptions options;
  options.idle_timeout_ms = settings.idle_timeout_ms;
  options.input = net::InputKind::kBulk;
  return options;
}

}  // namespace

LmtpDriver::LmtpDriver(ShardServices& services, Accepted accepted)
    : Connection(services, *services.lmtp, std::move(accepted.socket), accepted.peer,
                 StreamOptionsOf(services.settings->lmtp)),
      settings_(services.settings),
      lmtp_(accepted.imports ? settings_->imports : settings_->lmtp),
      begins_with_header_(accepted.proxied),
      session_(lmtp_.session, services.lmtp_metrics, base::SystemClock(), ConnectionNow()) {
  services_.metrics.lmtp_connections.Add(1);
}

LmtpDriver::~LmtpDriver() {
  services_.metrics.lmtp_connections.Add(-1);
  services_.door.lmtp.Leave();
}

ConnectionInfo LmtpDriver::Info() const {
  ConnectionInfo info = CommonInfo();
  info.protocol = Protocol::kLmtp;
  info.state = session_.receiving_message() ? "message" : "envelope";
  return info;
}

lmtp::Connection LmtpDriver::ConnectionNow() const {
  const bool is_unix = peer_.family == net::Address::Family::kUnix;
  return {.peer = is_unix ? "local" : lmtp::AddressLiteral(peer_.ip_address()),
          .session_id = settings_->run + "-" + std::to_string(id().value()),
          .xclient = peer_.IsIn(lmtp_.xclient_networks)};
}

io::Task<void> LmtpDriver::Run() {
  if (begins_with_header_) {
    const bool told = co_await TakeProxyHeader();
    if (!told) {
      LogEnd();
      co_return;
    }
    session_.SetConnection(ConnectionNow());
  }
  co_await Serve();
  if (ended_idle()) services_.lmtp_metrics.closed_idle.Add();
  LogEnd();
}

// One without a recipient, as checks whether we live are, is worth a line only to whoever looks for
// it. Who imports counts for himself.
void LmtpDriver::LogEnd() {
  const bool did_something = recipients_ > 0 && !lmtp_.session.imports;
  base::Log(did_something ? base::LogLevel::kInfo : base::LogLevel::kDebug,
            did_something ? "session_end" : "connection_end",
            {{"session", id().value()},
             {"protocol", "lmtp"},
             {"peer", peer_.HostText()},
             {"end", end_word()},
             {"commands", session_.commands()},
             {"messages", messages_},
             {"stored", stored_},
             {"not_stored", not_stored_},
             {"recipients", recipients_},
             {"refused", recipients_refused_},
             {"octets_in", stream_.received_bytes()},
             {"octets_out", stream_.sent_bytes()},
             {"ms", (services_.reactor().now_us() - started_us_) / 1000},
             {"proxy", ProxyText()}});
}

io::Task<void> LmtpDriver::Serve() {
  bool open = true;
  while (open) {
    if (end_cause()) session_.End(lmtp::EndReason::kDrain);
    std::string_view input = stream_.input();
    const size_t received_bytes = input.size();
    const lmtp::Action action = session_.Next(input, stream_.output());
    stream_.Consume(received_bytes - input.size());
    open = co_await Perform(action);
  }
  delivery_.reset();  // What was not committed leaves nothing behind.
}

io::Task<bool> LmtpDriver::Perform(lmtp::Action action) {
  using Kind = lmtp::Action::Kind;
  switch (action.kind) {
    case Kind::kNeedInput: {
      const bool flushed = co_await Flush();
      if (!flushed) co_return false;
      const bool received = co_await ReceiveMore();
      co_return received;
    }
    case Kind::kFlush: {
      const bool flushed = co_await Flush();
      co_return flushed;
    }
    case Kind::kResolveRecipient:
      // What a RSET or a new MAIL left here belongs to no recipient of this envelope.
      principals_.resize(action.envelope->recipients.size());
      co_await Resolve(*action.recipient, action.envelope);
      co_return true;
    case Kind::kBeginMessage:
      BeginMessage(*action.envelope);
      co_return true;
    case Kind::kBody:
      co_await StoreBody(action.body);
      co_return true;
    case Kind::kCommitMessage:
      co_await CommitMessage(action.envelope, action.sizes);
      co_return true;
    case Kind::kAbortMessage:
      delivery_.reset();
      LogRefusal(action.refusal);
      co_return true;
    case Kind::kTakeClient:
      TakeClient(*action.client);
      co_return true;
    case Kind::kClose:
      if (action.close_reason != lmtp::CloseReason::kIdle)
        SettleEnd(lmtp::Name(action.close_reason));
      set_closing();
      co_await Flush();
      co_return false;
  }
  co_return false;
}

void LmtpDriver::TakeClient(const lmtp::Xclient& told) {
  const std::string proxy = proxied() != nullptr ? ProxyText() : peer_.HostText();
  if (told.address) {
    SpeakFor(net::Address::FromIp(*told.address, told.port.value_or(0)));
  } else if (told.tells_address && proxied() != nullptr) {
    SpeakFor(proxied()->proxy);  // For nobody known: no more for the one before.
  }
  base::Log(base::LogLevel::kInfo, "xclient",
            {{"session", id().value()},
             {"protocol", "lmtp"},
             {"peer", told.address ? told.address->Text() : ""},
             {"name", told.name.value_or("")},
             {"helo", told.helo.value_or("")},
             {"login", told.login.value_or("")},
             {"proxy", proxy}});
}

// An MTA that falls silent is told why; one that is being drained may still finish its message.
io::Task<bool> LmtpDriver::ReceiveMore() {
  if (end_cause() && !session_.receiving_message()) co_return true;
  const bool received = co_await Receive();
  if (received) co_return true;
  if (!ended_idle()) co_return false;
  session_.End(lmtp::EndReason::kIdle);
  co_return true;
}

// The address as it stands first, then without its sub-address: an account may be named so.
io::Task<void> LmtpDriver::Resolve(lmtp::Recipient recipient, const lmtp::Envelope* envelope) {
  const uint64_t since_us = services_.reactor().now_us();
  io::Completion<auth::ResolveResult> resolved;
  services_.auth.Resolve(recipient.address, resolved);
  auth::ResolveResult result = co_await resolved;
  std::string base_address = BaseAddress(recipient);
  if (result.outcome == auth::ResolveOutcome::kUnknown && base_address != recipient.address) {
    services_.auth.Resolve(std::move(base_address), resolved);
    result = co_await resolved;
  }
  lmtp::RecipientOutcome outcome = ToLmtp(result.outcome);
  if (outcome == lmtp::RecipientOutcome::kOk && !WithinRate(result.principal.tenant)) {
    outcome = lmtp::RecipientOutcome::kLimited;
  }
  if (outcome == lmtp::RecipientOutcome::kOk) {
    outcome = co_await AskForRoom(&result.principal, envelope->declared_octets, &result.reason);
  }
  if (outcome == lmtp::RecipientOutcome::kOk) {
    principals_.push_back(std::move(result.principal));
  } else {
    ++recipients_refused_;
    LogRecipient(recipient, outcome, result);
  }
  ++recipients_;
  services_.metrics.recipient_us.Observe(services_.reactor().now_us() - since_us);
  // Once a transaction: of many recipients each would wait for all before it.
  if (outcome == lmtp::RecipientOutcome::kLimited && held_back_for_ != envelope->id) {
    held_back_for_ = envelope->id;
    co_await HoldBack();
  }
  session_.RecipientResolved(outcome, stream_.output());
}

// Without the sub-address, by the delimiter of the domain's tenant where it has one of its own.
std::string LmtpDriver::BaseAddress(const lmtp::Recipient& recipient) {
  const TenantPolicies& policies = services_.policies.Current();
  const TenantPolicies::Domain* const domain = OwnerOf(policies, recipient.address);
  if (domain == nullptr) return recipient.base_address;
  const std::optional<std::string>& own = policies.Of(domain->tenant).rules.subaddress_delimiter;
  if (!own.has_value()) return recipient.base_address;
  return lmtp::WithoutDetail(recipient.address, own->empty() ? '\0' : own->front());
}

bool LmtpDriver::WithinRate(TenantId tenant) {
  if (lmtp_.session.imports) return true;
  const TenantPolicies& policies = services_.policies.Current();
  const uint32_t a_minute = policies.Of(tenant).rules.deliveries_per_minute;
  if (a_minute == 0) return true;
  const std::shared_ptr<TenantGate> gate = policies.GateOf(tenant);
  if (gate == nullptr) return true;
  if (gate->deliveries.Take(services_.reactor().now_us(), 1, a_minute, kDeliveryBurstUs) == 0) {
    return true;
  }
  gate->CountRefused(TenantLimit::kDeliveries);
  return false;
}

io::Task<lmtp::RecipientOutcome> LmtpDriver::AskForRoom(const auth::Principal* principal,
                                                        uint64_t declared_octets,
                                                        std::string* reason) {
  io::Completion<StatusOr<storage::Room>> answered;
  storage::DeliveryRecipient recipient{{principal->tenant, principal->account}, principal->quota};
  services_.store.HasRoom(std::move(recipient), declared_octets, answered);
  const StatusOr<storage::Room> room = co_await answered;
  if (!room.ok()) {
    *reason = Message(room.status());
  } else if (*room == storage::Room::kOverTenantQuota) {
    *reason = "the tenant has its quota";
  } else if (*room == storage::Room::kOverQuota) {
    *reason = "the maildrop has its quota";
  }
  co_return ToLmtp(room);
}

void LmtpDriver::BeginMessage(const lmtp::Envelope& envelope) {
  storage::DeliveryRequest request;
  POP_CHECK(principals_.size() == envelope.recipients.size());
  for (const auth::Principal& principal : principals_) {
    request.recipients.push_back({{principal.tenant, principal.account}, principal.quota});
  }
  storage_failed_ = false;
  request.received_us = envelope.received_us.value_or(base::SystemClock().WallUs());
  request.imported_uidl = envelope.uidl;
  request.expected_bytes = envelope.declared_octets;
  delivery_ = services_.store.BeginDelivery(std::move(request));
  session_.MessageBegun(stream_.output());
}

io::Task<void> LmtpDriver::StoreBody(std::string_view body) {
  io::Completion<Status> stored;
  delivery_->Write(body, stored);
  const Status status = co_await stored;
  if (status.ok()) {
    session_.BodyStored();
    co_return;
  }
  storage_failed_ = true;
  LogMessage(base::LogLevel::kWarning, "delivery_failed", Message(status));
  session_.MessageFailed(ToLmtp(status), stream_.output());
}

io::Task<void> LmtpDriver::CommitMessage(const lmtp::Envelope* envelope, lmtp::MessageSizes sizes) {
  const uint64_t since_us = services_.reactor().now_us();
  io::Completion<std::vector<storage::DeliveryOutcome>> committed;
  delivery_->Commit(
      {.octets = sizes.octets, .wire_bytes = sizes.wire_bytes, .header_bytes = sizes.header_bytes},
      committed);
  set_committing(true);
  const std::vector<storage::DeliveryOutcome> outcomes = co_await committed;
  set_committing(false);
  delivery_.reset();
  services_.metrics.delivery_us.Observe(services_.reactor().now_us() - since_us);
  ++messages_;
  for (const storage::DeliveryOutcome outcome : outcomes)
    ++(outcome == storage::DeliveryOutcome::kStored ? stored_ : not_stored_);
  LogDelivery(*envelope, sizes, outcomes);
  CountUsage(sizes.octets, outcomes);
  std::vector<lmtp::DeliveryOutcome> replies;
  replies.reserve(outcomes.size());
  for (const storage::DeliveryOutcome outcome : outcomes) replies.push_back(ToLmtp(outcome));
  session_.CommitDone(replies);
  principals_.clear();
}

void LmtpDriver::CountUsage(uint64_t octets,
                            const std::vector<storage::DeliveryOutcome>& outcomes) {
  if (lmtp_.session.imports) return;
  const TenantPolicies& policies = services_.policies.Current();
  for (size_t i = 0; i < outcomes.size(); ++i) {
    if (outcomes[i] != storage::DeliveryOutcome::kStored) continue;
    const auto gate = policies.gates.find(principals_[i].tenant.value());
    if (gate == policies.gates.end()) continue;
    TenantUsage& usage = gate->second->usage;
    usage.messages_in.fetch_add(1, std::memory_order_relaxed);
    usage.octets_in.fetch_add(octets, std::memory_order_relaxed);
  }
}

void LmtpDriver::LogRecipient(const lmtp::Recipient& recipient, lmtp::RecipientOutcome outcome,
                              const auth::ResolveResult& result) {
  std::string_view tenant = result.principal.tenant_name;
  if (tenant.empty()) tenant = TenantNameOf(services_.policies.Current(), recipient.address);
  base::Log(base::LogLevel::kInfo, "recipient_refused",
            {{"session", id().value()},
             {"recipient", recipient.original},
             {"tenant", tenant},
             {"outcome", lmtp::Name(outcome)},
             {"reason", result.reason}});
}

void LmtpDriver::LogRefusal(std::string_view refusal) {
  if (refusal.empty() || storage_failed_) return;
  LogMessage(base::LogLevel::kInfo, "message_refused", refusal.substr(0, refusal.find('\r')));
}

// A line however many it is for: their count, and the first of them stands for all.
void LmtpDriver::LogMessage(base::LogLevel level, std::string_view event, std::string_view reason) {
  static const auth::Principal kNobody;
  const auth::Principal& first = principals_.empty() ? kNobody : principals_.front();
  base::Log(level, event,
            {{"session", id().value()},
             {"tenant", first.tenant_name},
             {"user", first.address},
             {"recipients", principals_.size()},
             {"reason", reason}});
}

void LmtpDriver::LogDelivery(const lmtp::Envelope& envelope, const lmtp::MessageSizes& sizes,
                             const std::vector<storage::DeliveryOutcome>& outcomes) {
  // Who imports counts for himself, and there may be millions.
  const auto level = lmtp_.session.imports ? base::LogLevel::kDebug : base::LogLevel::kInfo;
  for (size_t i = 0; i < outcomes.size(); ++i) {
    base::Log(level, "delivery",
              {{"session", id().value()},
               {"id", envelope.id},
               {"tenant", principals_[i].tenant_name},
               {"user", principals_[i].address},
               {"sender", envelope.sender},
               {"octets", sizes.octets},
               {"outcome", lmtp::Name(ToLmtp(outcomes[i]))}});
  }
}

}  // namespace poplar::server
