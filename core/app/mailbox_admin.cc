#include "core/app/mailbox_admin.h"

#include <algorithm>
#include <charconv>
#include <limits>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "core/app/ask_shard.h"
#include "core/base/log.h"

namespace poplar::app {
namespace {

using nlohmann::json;
using storage::KeptMessage;

json ToJson(const Quota& quota) { return {{"octets", quota.octets}, {"messages", quota.messages}}; }

// Of a maildrop or a tenant.
template <class Totals>
json UseOf(const Totals& totals) {
  return {{"octets", totals.octets},
          {"messages", totals.messages},
          {"kept_octets", totals.kept_octets},
          {"kept_messages", totals.kept_messages}};
}

// What cannot be read is null, and `why` says so: who asks where the disk is damaged needs the rest
// all the more.
json UseOfMaildrop(const StatusOr<storage::MaildropTotals>& totals) {
  if (!totals.ok()) return {{"use", nullptr}, {"why", Message(totals.status())}};
  json use = UseOf(*totals);
  if (totals->kept_why.ok()) return {{"use", std::move(use)}};
  use["kept_octets"] = use["kept_messages"] = nullptr;
  return {{"use", std::move(use)}, {"why", Message(totals->kept_why)}};
}

json ToJson(const KeptMessage& message) {
  return {{"uidl", message.uidl},
          {"octets", message.octets},
          {"received_us", message.received_us},
          {"deleted_us", message.deleted_us},
          {"session", std::to_string(message.deleted_by.value())}};
}

// The order in which they are told: the latest deletion first. No two are alike: at one moment a
// maildrop has a UIDL once.
bool ToldBefore(const KeptMessage& a, const KeptMessage& b) {
  const auto key = [](const KeptMessage& m) {
    return std::tuple(m.deleted_by.value(), m.received_us, std::string_view(m.uidl));
  };
  if (a.deleted_us != b.deleted_us) return a.deleted_us > b.deleted_us;
  return key(a) < key(b);
}

StatusOr<SessionId> ParseSession(const std::string& text) {
  uint64_t number = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), number);
  if (parsed.ec == std::errc() && parsed.ptr == text.data() + text.size() && !text.empty()) {
    return SessionId(number);
  }
  return MakeStatus(StatusCode::kInvalidArgument, "\"" + text + "\" is no session's id");
}

// As ToJson(KeptMessage) wrote it.
StatusOr<KeptMessage> KeptMessageOf(const json& from) {
  KeptMessage message;
  message.uidl = from.at("uidl").get<std::string>();
  message.received_us = from.at("received_us").get<int64_t>();
  message.deleted_us = from.at("deleted_us").get<int64_t>();
  POP_ASSIGN_OR_RETURN(message.deleted_by, ParseSession(from.at("session").get<std::string>()));
  return message;
}

// Who asks has to say what is meant, be it all.
StatusOr<storage::UndeleteRequest> UndeleteRequestOf(const json& arguments) {
  storage::UndeleteRequest request;
  if (arguments.contains("uidl")) {
    request.uidl = arguments.at("uidl").get<std::string>();
    if (!request.uidl.empty()) return request;
  } else if (arguments.contains("session")) {
    POP_ASSIGN_OR_RETURN(request.session, ParseSession(arguments.at("session").get<std::string>()));
    return request;
  } else if (arguments.contains("since_us")) {
    request.since_us = arguments.at("since_us").get<int64_t>();
    return request;
  } else if (arguments.value("all", false)) {
    return request;
  }
  return MakeStatus(StatusCode::kInvalidArgument,
                    "which messages? Name a uidl, a session, since_us, or all");
}

class MailboxAdmin {
 public:
  explicit MailboxAdmin(const MailboxAdminParts& parts) : parts_(parts) {}

  StatusOr<json> Show(const json& arguments) const;
  StatusOr<json> Deleted(const json& arguments) const;
  StatusOr<json> Undelete(const json& arguments) const;
  StatusOr<json> StorageOfTenants() const;

 private:
  storage::ShardStore& store() const { return parts_.store.OnShard(ShardIndex(0)); }
  // As the server itself finds it for a delivery.
  StatusOr<auth::Principal> Find(const json& arguments) const;

  MailboxAdminParts parts_;
};

StatusOr<auth::Principal> MailboxAdmin::Find(const json& arguments) const {
  const std::string address = arguments.at("address").get<std::string>();
  auth::ResolveResult result = AskFirstShard<auth::ResolveResult>(
      parts_.shards, [&](auto& done) { parts_.auth.Resolve(address, done); });
  switch (result.outcome) {
    case auth::ResolveOutcome::kFound:
      return std::move(result.principal);
    case auth::ResolveOutcome::kUnknown:
      return MakeStatus(StatusCode::kNotFound, "there is no user " + address);
    case auth::ResolveOutcome::kDisabled:
      return MakeStatus(StatusCode::kFailedPrecondition,
                        "the tenant of " + address + " is disabled: enable it first");
    case auth::ResolveOutcome::kTemporary:
      break;
  }
  return MakeStatus(StatusCode::kUnavailable, "cannot look " + address + " up: " + result.reason);
}

StatusOr<json> MailboxAdmin::StorageOfTenants() const {
  json tenants = json::object();
  const std::shared_ptr<const TenantPolicies> policies = parts_.policies.Current();
  for (const auto& [id, policy] : policies->by_tenant) {
    tenants[std::to_string(id)] = UseOf(parts_.store.TotalsOf(TenantId(id)));
  }
  return json{{"tenants", std::move(tenants)}};
}

StatusOr<json> MailboxAdmin::Show(const json& arguments) const {
  POP_ASSIGN_OR_RETURN(const auth::Principal principal, Find(arguments));
  const auto totals = AskFirstShard<StatusOr<storage::MaildropTotals>>(
      parts_.shards,
      [&](auto& done) { store().Totals({principal.tenant, principal.account}, done); });
  const std::shared_ptr<const TenantPolicies> policies = parts_.policies.Current();
  const TenantPolicy& policy = policies->Of(principal.tenant);
  const json read_days =
      policy.expire_read_days.has_value() ? json(*policy.expire_read_days) : json();
  json shown{{"address", principal.address},
             {"account", principal.account},
             {"quota", ToJson(principal.quota)},
             {"tenant",
              {{"name", principal.tenant_name},
               {"id", principal.tenant.value()},
               {"use", UseOf(parts_.store.TotalsOf(principal.tenant))},
               {"quota", ToJson(policy.quota)},
               {"keep_deleted_days", policy.keep_deleted_days},
               {"expire_days", policy.expire_days},
               {"expire_read_days", read_days}}}};
  shown.update(UseOfMaildrop(totals));
  return shown;
}

StatusOr<json> MailboxAdmin::Deleted(const json& arguments) const {
  POP_ASSIGN_OR_RETURN(const auth::Principal principal, Find(arguments));
  POP_ASSIGN_OR_RETURN(
      std::vector<KeptMessage> kept,
      AskFirstShard<StatusOr<std::vector<KeptMessage>>>(parts_.shards, [&](auto& done) {
        store().ListKept({principal.tenant, principal.account}, done);
      }));
  std::ranges::sort(kept, ToldBefore);
  auto from = kept.begin();
  if (arguments.contains("after")) {
    POP_ASSIGN_OR_RETURN(const KeptMessage last, KeptMessageOf(arguments.at("after")));
    from = std::ranges::upper_bound(kept, last, ToldBefore);
  }
  const auto left = static_cast<size_t>(kept.end() - from);
  const size_t told = std::min(left, parts_.page_messages);
  json messages = json::array();
  for (size_t i = 0; i < told; ++i, ++from) messages.push_back(ToJson(*from));
  return json{{"messages", std::move(messages)}, {"more", told < left}};
}

StatusOr<json> MailboxAdmin::Undelete(const json& arguments) const {
  POP_ASSIGN_OR_RETURN(const storage::UndeleteRequest request, UndeleteRequestOf(arguments));
  POP_ASSIGN_OR_RETURN(const auth::Principal principal, Find(arguments));
  const auto result = AskFirstShard<storage::UndeleteResult>(parts_.shards, [&](auto& done) {
    store().Undelete({principal.tenant, principal.account}, request, done);
  });
  const bool whole = result.why.ok();
  const bool nothing = result.messages == 0;
  base::Log(whole ? base::LogLevel::kInfo : base::LogLevel::kError, "mail_undeleted",
            {{"tenant", principal.tenant_name},
             {"user", principal.address},
             {"messages", result.messages},
             {"ok", whole && !nothing},
             {"reason", whole && nothing ? "nothing fits" : Message(result.why)}});
  if (whole && nothing) {
    return MakeStatus(StatusCode::kNotFound, "no such deleted mail of " + principal.address +
                                                 " is kept (`poplar mailbox deleted` lists it)");
  }
  if (whole) return json{{"undeleted", result.messages}};
  if (nothing) return result.why;
  return MakeStatus(result.why.code(),
                    "messages back: " + std::to_string(result.messages) +
                        ". The others are still kept: " + std::string(Message(result.why)));
}

}  // namespace

void AddMailboxHandlers(const MailboxAdminParts& parts, ops::AdminHandlers& handlers) {
  const MailboxAdmin admin(parts);
  handlers["tenant.storage"] = [admin](const json&) { return admin.StorageOfTenants(); };
  handlers["mailbox.show"] = [admin](const json& arguments) { return admin.Show(arguments); };
  handlers["mailbox.deleted"] = [admin](const json& arguments) { return admin.Deleted(arguments); };
  handlers["mailbox.undelete"] = [admin](const json& arguments) {
    return admin.Undelete(arguments);
  };
}

}  // namespace poplar::app
