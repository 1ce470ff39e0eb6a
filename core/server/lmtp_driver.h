// The driver of one LMTP connection: it does what lmtp::Session asks, as a coroutine. The
// connection's shard only.

#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/base/log.h"
#include "core/proto/lmtp/session.h"
#include "core/server/connection.h"
#include "storage/api/store.h"

namespace poplar::server {

class LmtpDriver : public Connection {
 public:
  struct Accepted {
    base::UniqueFd socket;
    net::Address peer;
    bool imports = false;  // By the socket of imports.
    bool proxied = false;  // It begins with a PROXY header.
  };

  LmtpDriver(ShardServices& services, Accepted accepted);
  ~LmtpDriver() override;

  ConnectionInfo Info() const override;

 private:
  io::Task<void> Run() override;
  io::Task<void> Serve();
  // As the session wants to know it.
  lmtp::Connection ConnectionNow() const;
  void TakeClient(const lmtp::Xclient& told);
  io::Task<bool> Perform(lmtp::Action action);
  io::Task<bool> ReceiveMore();

  io::Task<void> Resolve(lmtp::Recipient recipient, const lmtp::Envelope* envelope);
  // Whether a message would be within the quotas now.
  io::Task<lmtp::RecipientOutcome> AskForRoom(const auth::Principal* principal,
                                              uint64_t declared_octets, std::string* reason);
  std::string BaseAddress(const lmtp::Recipient& recipient);
  // Whether the tenant's rate lets one more recipient in; it counts then.
  bool WithinRate(TenantId tenant);
  void CountUsage(uint64_t octets, const std::vector<storage::DeliveryOutcome>& outcomes);
  void BeginMessage(const lmtp::Envelope& envelope);
  io::Task<void> StoreBody(std::string_view body);
  io::Task<void> CommitMessage(const lmtp::Envelope* envelope, lmtp::MessageSizes sizes);
  void LogRecipient(const lmtp::Recipient& recipient, lmtp::RecipientOutcome outcome,
                    const auth::ResolveResult& result);
  void LogRefusal(std::string_view refusal);
  void LogEnd();
  // Of a message that ends for all its recipients.
  void LogMessage(base::LogLevel level, std::string_view event, std::string_view reason);
  void LogDelivery(const lmtp::Envelope& envelope, const lmtp::MessageSizes& sizes,
                   const std::vector<storage::DeliveryOutcome>& outcomes);

  const std::shared_ptr<const Settings> settings_;
  const LmtpSettings& lmtp_;
  const bool begins_with_header_;
  lmtp::Session session_;
  // One for each recipient that the session accepted in this transaction, in order.
  std::vector<auth::Principal> principals_;
  std::string held_back_for_;  // The transaction that has had its pause; empty: none.
  // What the session did; for the log.
  uint64_t recipients_ = 0;  // Asked for.
  uint64_t recipients_refused_ = 0;
  uint64_t messages_ = 0;  // That were committed, whatever came of it for each recipient.
  uint64_t stored_ = 0;    // One for each recipient.
  uint64_t not_stored_ = 0;
  bool storage_failed_ = false;  // For this message; the log knows why.
  std::unique_ptr<storage::Delivery> delivery_;
};

}  // namespace poplar::server
