// The part of UserDatabase that follows what others say of tenants.

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <utility>

#include "auth/users/address.h"
#include "auth/users/policy_columns.h"
#include "auth/users/sqlite.h"
#include "auth/users/user_database.h"

namespace poplar::auth {
namespace {

// Domains that no user has an address in, or all that are not in `wanted`.
constexpr char kFreeDomains[] =
    "DELETE FROM domains WHERE tenant = ?1 AND name = ?2 AND NOT EXISTS"
    " (SELECT 1 FROM users AS u WHERE u.domain = domains.name AND u.tenant = domains.tenant)";

Status FreeDomains(SqliteConnection& connection, const TenantRecord& tenant,
                   const std::vector<std::string>& wanted) {
  for (const std::string& domain : tenant.domains) {
    if (std::ranges::find(wanted, domain) != wanted.end()) continue;
    SqliteQuery erase(connection, kFreeDomains);
    POP_RETURN_IF_ERROR(erase.Bind(ToSql(tenant.id)).Bind(domain).Run());
  }
  return OkStatus();
}

// Whose a source is: "tenants.d/" of "tenants.d/acme.toml".
std::string_view KindOf(std::string_view source) { return source.substr(0, source.find('/') + 1); }

// Whether the source of `spec` may say what the tenant is.
Status MayTake(const TenantRecord& known, const TenantSpec& spec,
               const std::set<std::string>& others) {
  if (KindOf(known.source) == KindOf(spec.source)) return OkStatus();
  const std::string hint = "; `poplar tenant set " + spec.name + " --source` hands it over";
  if (known.source.empty()) {
    return MakeStatus(StatusCode::kAlreadyExists,
                      "`poplar tenant` has made a tenant of this name already" + hint);
  }
  if (!known.enabled || !others.contains(std::string(KindOf(known.source)))) return OkStatus();
  return MakeStatus(StatusCode::kAlreadyExists,
                    known.source + " says already what tenant " + spec.name + " is" + hint);
}

// As the database has them: sorted, each once.
std::vector<std::string> WantedDomains(const TenantSpec& spec) {
  std::set<std::string> wanted;
  for (const std::string& domain : spec.domains) wanted.insert(LookupKey(domain));
  return {wanted.begin(), wanted.end()};
}

// All that are wanted, and besides only such as users have addresses in: those stay its own.
StatusOr<bool> HasDomains(SqliteConnection& connection, const TenantRecord& record,
                          const std::vector<std::string>& wanted) {
  if (!std::ranges::includes(record.domains, wanted)) return false;
  for (const std::string& domain : record.domains) {
    if (std::ranges::binary_search(wanted, domain)) continue;
    SqliteQuery query(connection, "SELECT 1 FROM users WHERE domain = ?1 AND tenant = ?2 LIMIT 1");
    POP_ASSIGN_OR_RETURN(const bool used, query.Bind(domain).Bind(ToSql(record.id)).Step());
    if (!used) return false;
  }
  return true;
}

bool SameButDomains(const TenantRecord& record, const TenantSpec& spec) {
  TenantPolicy policy = spec.policy;
  policy.name = record.name;
  return record.source == spec.source && record.enabled == spec.enabled &&
         record.policy == policy && record.maildrop_quota == spec.maildrop_quota;
}

// Undoes what was done since, unless kept.
class Savepoint {
 public:
  explicit Savepoint(SqliteConnection& connection) : connection_(connection) {}
  Savepoint(const Savepoint&) = delete;
  Savepoint& operator=(const Savepoint&) = delete;
  ~Savepoint() {
    if (!open_) return;
    static_cast<void>(connection_.Execute("ROLLBACK TO one; RELEASE one"));
  }
  Status Begin() {
    POP_RETURN_IF_ERROR(connection_.Execute("SAVEPOINT one"));
    open_ = true;
    return OkStatus();
  }
  Status Keep() {
    open_ = false;
    return connection_.Execute("RELEASE one");
  }

 private:
  SqliteConnection& connection_;
  bool open_ = false;
};

// A list that was cut short, or a copy of a folder that was, is no order to bounce the mail of half
// of all customers.
std::optional<TenantFault> TooManyGone(std::span<const TenantRecord> records,
                                       std::span<const TenantRecord* const> gone,
                                       std::string_view kind) {
  const auto gone_now =
      std::ranges::count_if(gone, [](const TenantRecord* record) { return record->enabled; });
  if (gone_now <= kTenantsGoneMax) return std::nullopt;
  const auto there = std::ranges::count_if(records, [&](const TenantRecord& record) {
    return record.enabled && !record.source.empty() && record.source.starts_with(kind);
  });
  if (gone_now * 2 <= there) return std::nullopt;
  return TenantFault{std::string(kind),
                     std::to_string(gone_now) + " of " + std::to_string(there) +
                         " tenants are gone at once; they stay as they were. If they are to go, "
                         "`poplar tenant disable` them"};
}

// What is wrong with a spec and not with the database.
bool IsTheSpecs(const Status& status) {
  return status.code() == StatusCode::kInvalidArgument ||
         status.code() == StatusCode::kAlreadyExists ||
         status.code() == StatusCode::kFailedPrecondition;
}

}  // namespace

// It is told nobody any more that there are these users; what they have stays.
Status UserDatabase::Retire(const TenantRecord& tenant) {
  POP_RETURN_IF_ERROR(FreeDomains(*connection_, tenant, {}));
  if (!tenant.enabled) return OkStatus();
  SqliteQuery update(*connection_, "UPDATE tenants SET enabled = 0 WHERE id = ?1");
  return update.Bind(ToSql(tenant.id)).Run();
}

Status UserDatabase::Apply(const TenantSpec& spec, const TenantRecord* known) {
  if (known == nullptr) {
    POP_RETURN_IF_ERROR(CheckTenantName(spec.name));
    SqliteQuery insert(*connection_, "INSERT INTO tenants (name, created_s) VALUES (?1, ?2)");
    POP_RETURN_IF_ERROR(insert.Bind(spec.name).Bind(NowSeconds()).Run());
  }
  POP_ASSIGN_OR_RETURN(const TenantId id, TenantIdOf(spec.name));
  for (const std::string& domain : WantedDomains(spec)) {
    if (known != nullptr && std::ranges::find(known->domains, domain) != known->domains.end()) {
      continue;
    }
    POP_RETURN_IF_ERROR(InsertDomain(id, domain));
  }
  TenantRecord record;
  record.id = id;
  record.policy = spec.policy;
  record.maildrop_quota = spec.maildrop_quota;
  POP_RETURN_IF_ERROR(StorePolicy(record));
  SqliteQuery update(*connection_, "UPDATE tenants SET enabled = ?1, source = ?2 WHERE id = ?3");
  return update.Bind(spec.enabled ? 1 : 0).Bind(spec.source).Bind(ToSql(id)).Run();
}

// What became free before, unless another tenant has it now.
Status UserDatabase::KeepDomains(const TenantRecord& tenant) {
  for (const std::string& domain : tenant.domains) {
    SqliteQuery insert(*connection_,
                       "INSERT INTO domains (name, tenant) VALUES (?1, ?2) ON CONFLICT DO NOTHING");
    POP_RETURN_IF_ERROR(insert.Bind(domain).Bind(ToSql(tenant.id)).Run());
  }
  return OkStatus();
}

StatusOr<std::vector<TenantFault>> UserDatabase::SyncTenants(std::string_view kind,
                                                             std::span<const TenantSpec> specs,
                                                             const std::set<std::string>& untouched,
                                                             const std::set<std::string>& others,
                                                             TenantSync sync) {
  POP_ASSIGN_OR_RETURN(const std::vector<TenantRecord> records, ListTenants());
  std::map<std::string_view, const TenantRecord*> known;
  for (const TenantRecord& record : records) known[record.name] = &record;
  std::set<std::string_view> named;
  std::vector<const TenantSpec*> changed;
  for (const TenantSpec& spec : specs) {
    named.insert(spec.name);
    const auto found = known.find(spec.name);
    if (found != known.end() && SameButDomains(*found->second, spec)) {
      POP_ASSIGN_OR_RETURN(const bool same,
                           HasDomains(*connection_, *found->second, WantedDomains(spec)));
      if (same) continue;
    }
    changed.push_back(&spec);
  }
  std::vector<const TenantRecord*> retired;
  for (const TenantRecord& record : records) {
    const bool is_of_kind = !record.source.empty() && record.source.starts_with(kind);
    if (!is_of_kind || named.contains(record.name) || untouched.contains(record.source)) continue;
    if (record.enabled || !record.domains.empty()) retired.push_back(&record);
  }
  std::vector<TenantFault> faults;
  std::vector<const TenantRecord*> stays;  // As they were, for a fault.
  if (auto fault = TooManyGone(records, retired, kind)) {
    faults.push_back(*std::move(fault));
    retired.clear();
  }
  if (changed.empty() && retired.empty()) return faults;

  SqliteTransaction transaction(*connection_);
  POP_RETURN_IF_ERROR(transaction.Begin());
  // First what becomes free: a domain may go from one to another.
  for (const TenantRecord* record : retired) POP_RETURN_IF_ERROR(Retire(*record));
  for (const TenantSpec* spec : changed) {
    const auto found = known.find(spec->name);
    if (found == known.end() || !MayTake(*found->second, *spec, others).ok()) continue;
    POP_RETURN_IF_ERROR(FreeDomains(*connection_, *found->second, WantedDomains(*spec)));
  }
  for (const TenantSpec* spec : changed) {
    const auto found = known.find(spec->name);
    Savepoint savepoint(*connection_);
    POP_RETURN_IF_ERROR(savepoint.Begin());
    const TenantRecord* const record = found == known.end() ? nullptr : found->second;
    Status applied = record == nullptr ? OkStatus() : MayTake(*record, *spec, others);
    if (applied.ok()) applied = Apply(*spec, record);
    if (applied.ok()) {
      POP_RETURN_IF_ERROR(savepoint.Keep());
      continue;
    }
    if (!IsTheSpecs(applied)) return applied;
    faults.push_back({spec->source, std::string(Message(applied))});
    if (found != known.end()) stays.push_back(found->second);
  }
  if (sync == TenantSync::kJudge) return faults;
  for (const TenantRecord* record : stays) POP_RETURN_IF_ERROR(KeepDomains(*record));
  POP_RETURN_IF_ERROR(transaction.Commit());
  return faults;
}

Status UserDatabase::SetTenantSource(std::string_view name, std::string_view source) {
  POP_ASSIGN_OR_RETURN(const TenantId id, TenantIdOf(name));
  SqliteQuery update(*connection_, "UPDATE tenants SET source = ?1 WHERE id = ?2");
  return update.Bind(source).Bind(ToSql(id)).Run();
}

Status UserDatabase::AdoptTenant(const TenantSpec& spec) {
  SqliteTransaction transaction(*connection_);
  POP_RETURN_IF_ERROR(transaction.Begin());
  POP_ASSIGN_OR_RETURN(const TenantRecord known, FindTenant(spec.name));
  POP_RETURN_IF_ERROR(FreeDomains(*connection_, known, WantedDomains(spec)));
  POP_RETURN_IF_ERROR(Apply(spec, &known));
  return transaction.Commit();
}

}  // namespace poplar::auth
