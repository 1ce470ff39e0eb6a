// The embedded database of tenants and users: one SQLite file. Calls block (file I/O; a few
// milliseconds where they write): for the command line and for pool threads, never on a reactor.
// An object belongs to one thread at a time; any number of objects, in any number of processes, may
// have the same file open.
//
// An account id is 128 random bits, given when the user is added, kept when the address changes,
// remembered after removal and never given again: whoever gets an address later meets none of the
// mail of those before.
//
// Names of users are addresses; they are found in any case (address.h). Faults, everywhere:
// kNotFound and kAlreadyExists with the name, kInvalidArgument with what is wrong with the input,
// kUnavailable when the file is busy or unreadable, kDataLoss when it is damaged,
// kResourceExhausted when the disk is full. The messages are sentences for the operator.

#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "core/base/clock.h"
#include "core/base/ids.h"
#include "core/base/mail_policy.h"
#include "core/base/status.h"
#include "core/base/tenant_spec.h"

namespace poplar::auth {

class SqliteConnection;

inline constexpr uint32_t kTenantNameBytesMax = 64;
inline constexpr uint32_t kPolicyDaysMax = 36'500;
inline constexpr uint64_t kQuotaMax = std::numeric_limits<int64_t>::max();

struct TenantRecord {
  TenantId id;
  std::string name;
  bool enabled = true;
  std::string source;                // Whose doing it is: a file's name; empty: the commands'.
  int64_t created_s = 0;             // Since 1970-01-01 UTC, as all times here.
  std::vector<std::string> domains;  // In order.
  uint64_t users = 0;
  TenantPolicy policy;   // Under the tenant's name.
  Quota maildrop_quota;  // Of each maildrop whose user has none of his own.
};

// A user's own limits; none: his tenant's. 0: no limit.
struct UserQuota {
  std::optional<uint64_t> octets;
  std::optional<uint64_t> messages;

  friend bool operator==(const UserQuota&, const UserQuota&) = default;
};

struct UserRecord {
  std::string account;
  TenantId tenant;
  std::string tenant_name;
  std::string address;  // As it was given, the domain in lower case.
  bool enabled = true;
  bool tenant_enabled = true;
  bool pop3 = true;    // He may fetch mail by it. Beside what his tenant's setting says.
  std::string scheme;  // Of the password's hash: "yescrypt"; "none" when there is no password.
  int64_t created_s = 0;
  int64_t password_changed_s = 0;
  UserQuota own_quota;
  Quota quota;  // In force: his own, else the tenant's for each maildrop.
  std::optional<bool> require_app_password;  // None: as the tenant's setting says.
};

// What a log-in needs to know.
struct LoginRecord {
  UserRecord user;
  std::string hash;                   // Empty: no password is set. Never log it.
  bool require_app_password = false;  // In force: his own, else the tenant's.
  bool weak_schemes = false;          // The tenant's.
};

inline constexpr uint32_t kAppPasswordLabelBytesMax = 64;
inline constexpr uint32_t kAppPasswordsMax = 64;  // Of one user.
inline constexpr char kPop3Scope[] = "pop3";

// A password of a user's beside his own, for one program or device (auth/schemes/app_password.h).
struct AppPasswordRecord {
  std::string id;
  std::string label;  // Whose it is: "phone". One of each a user.
  std::string hash;   // Never log it.
  std::string scope = kPop3Scope;
  std::string networks = {};  // From where it may be used (networks.h); empty: from anywhere.
  std::optional<int64_t> expires_s = {};
  int64_t created_s = 0;
  std::optional<int64_t> last_used_s = {};  // Within an hour.
};

struct AppPasswordUse {
  std::string account;
  std::string id;
  int64_t used_s = 0;
};

struct RemovedAccount {
  TenantId tenant;
  std::string account;
  std::string address;
  int64_t removed_s = 0;
};

// What changed since a caller looked last, for those who cache answers.
struct UserChanges {
  bool everything = false;               // Too much to tell, or somebody said so by hand.
  bool unknown = false;                  // With `everything`: users may have changed, too.
  std::vector<std::string> keys;         // LookupKey of each user that changed or went.
  std::unordered_set<TenantId> tenants;  // Those that changed, or whose settings did.
};

struct UserDatabaseOptions {
  uint32_t busy_timeout_ms = 5000;  // How long a call waits for another process's transaction.
  const base::Clock* clock = &base::SystemClock();
};

// Why a tenant stays as it was, whatever its source says.
struct TenantFault {
  std::string source;
  std::string reason;

  std::string ToString() const { return source + ": " + reason; }
};

// So many tenants of one kind of source may go at once, or more if they are not more than half.
inline constexpr ptrdiff_t kTenantsGoneMax = 10;

enum class TenantSync : uint8_t { kKeep, kJudge };

class UserDatabase {
 public:
  // Makes the file, for its owner's eyes only. kAlreadyExists: it is there.
  static StatusOr<std::unique_ptr<UserDatabase>> Create(const std::string& path,
                                                        const UserDatabaseOptions& options = {});
  // kNotFound: no such file. kFailedPrecondition: no user database, or one of another version.
  static StatusOr<std::unique_ptr<UserDatabase>> Open(const std::string& path,
                                                      const UserDatabaseOptions& options = {});
  UserDatabase(const UserDatabase&) = delete;
  UserDatabase& operator=(const UserDatabase&) = delete;
  ~UserDatabase();

  // Changes `policy` and `maildrop_quota` of a record; what it does to the rest is not kept.
  using TenantChange = std::function<void(TenantRecord&)>;

  // --- Tenants. A tenant's name: letters, digits, '.', '_' and '-'.
  // With its domains; none may be another's. A tenant id is never given twice. `change`, if there
  // is one, as for ChangeTenant.
  StatusOr<TenantRecord> AddTenant(std::string_view name, std::span<const std::string> domains,
                                   const TenantChange& change = nullptr);
  StatusOr<TenantRecord> FindTenant(std::string_view name);
  // By name.
  StatusOr<std::vector<TenantRecord>> ListTenants();
  // Users of a disabled tenant cannot log in; their mail is refused.
  Status SetTenantEnabled(std::string_view name, bool enabled);
  // Calls `change` with the tenant as it is and keeps what that makes of it. kInvalidArgument: a
  // number is out of its bounds (kPolicyDaysMax, kQuotaMax). `change` must not call this object.
  StatusOr<TenantRecord> ChangeTenant(std::string_view name, const TenantChange& change);
  Status AddDomain(std::string_view tenant, std::string_view domain);
  // kFailedPrecondition: users have addresses there.
  Status RemoveDomain(std::string_view tenant, std::string_view domain);
  // kFailedPrecondition: it has users, and `with_users` is false. Removed users are remembered as
  // by RemoveUser.
  Status RemoveTenant(std::string_view name, bool with_users);

  // Makes the tenants of one kind of source, those whose `source` begins with `kind`, what `specs`
  // say, in one transaction. One that is no longer among them is disabled and keeps its id, its
  // users and its mail; domains without users become free. Its id is its own when it comes back.
  // Where more than kTenantsGoneMax and more than half are not, all of these stay as they were, and
  // that is a fault in the answer. Whoever means it disables them by SetTenantEnabled: those count
  // no more, and when few enough are left the rest goes.
  // `untouched`: sources that cannot be read now; their tenants stay as they are. What is wrong
  // with one (its name, a domain of another's, a tenant of a source of the kinds `others`) is a
  // fault in the answer, and that one stays as it was. One whose source is of no kind that there
  // is any more is taken over. kJudge: only says what would be wrong.
  StatusOr<std::vector<TenantFault>> SyncTenants(std::string_view kind,
                                                 std::span<const TenantSpec> specs,
                                                 const std::set<std::string>& untouched,
                                                 const std::set<std::string>& others,
                                                 TenantSync sync = TenantSync::kKeep);
  // From now on `source` says what the tenant is; empty: the commands do. It stays as it is.
  Status SetTenantSource(std::string_view name, std::string_view source);
  // Makes the tenant of this name what `spec` says, whoever said so before. kNotFound: no such
  // tenant; else as AddDomain.
  Status AdoptTenant(const TenantSpec& spec);

  // --- Users. A hash comes from PasswordHasher::Hash, or from another system
  // (auth/schemes/password_hasher.h says which); it is checked. Empty: the user gets mail but
  // cannot log in until a password is set.
  // The domain of the address decides the tenant; kNotFound: it is nobody's.
  StatusOr<UserRecord> AddUser(std::string_view address, std::string_view hash);
  // Whether AddUser would take that address now; its faults.
  Status CheckNewUser(std::string_view address);
  StatusOr<UserRecord> FindUser(std::string_view address);
  // Calls `each` for the users of one tenant, or of all when `tenant` is empty, by tenant and
  // address. `each` must not call this object. kNotFound: no such tenant.
  Status ListUsers(std::string_view tenant, const std::function<void(const UserRecord&)>& each);
  Status SetPasswordHash(std::string_view address, std::string_view hash);
  Status SetUserEnabled(std::string_view address, bool enabled);
  // Without POP3 a user goes on getting mail.
  Status SetUserPop3(std::string_view address, bool allowed);
  // As ChangeTenant.
  StatusOr<UserRecord> ChangeUserQuota(std::string_view address,
                                       const std::function<void(UserQuota&)>& change);
  // The account, its password and its mail go with it. kFailedPrecondition: the new domain is
  // another tenant's.
  Status RenameUser(std::string_view address, std::string_view new_address);
  // The account id stays known as a removed one.
  Status RemoveUser(std::string_view address);

  // None: as the tenant's setting says.
  Status SetRequireAppPassword(std::string_view address, std::optional<bool> require);

  // --- App passwords. `record` has id, label, hash, networks and expiry. kAlreadyExists: the user
  // has one of this label; kResourceExhausted: kAppPasswordsMax.
  Status AddAppPassword(std::string_view address, const AppPasswordRecord& record);
  // By label.
  StatusOr<std::vector<AppPasswordRecord>> ListAppPasswords(std::string_view address);
  // kNotFound: none of this label.
  Status RemoveAppPassword(std::string_view address, std::string_view label);

  // --- Removed accounts whose maildrops the store still has to drop.
  StatusOr<std::vector<RemovedAccount>> RemovedAccounts();
  // The store has dropped them for good; they are not listed any more (but their ids stay taken).
  // All or, on an error, none.
  Status MarkMaildropsDropped(std::span<const std::string> accounts);

  // --- For the server.
  // `key` as LookupKey makes it. Nothing: no such user.
  StatusOr<std::optional<LoginRecord>> FindLogin(std::string_view key);
  // Puts `hash` in the place of `old_hash`, another one of the same password, and of nothing else:
  // the password counts as unchanged. False: what is stored is another by now, or the user is gone.
  // The change is told (TakeChanges) as any other.
  StatusOr<bool> ReplaceHash(std::string_view key, std::string_view old_hash,
                             std::string_view hash);
  // Nothing: the account has no app password of this id for POP3.
  StatusOr<std::optional<AppPasswordRecord>> FindAppPassword(std::string_view account,
                                                             std::string_view id);
  // Those that are there no more are passed over; what is known to be later stays.
  Status NoteAppPasswordUses(std::span<const AppPasswordUse> uses);
  // The changes since the last call on this object, by anybody; the first call has to tell those
  // since Open. Cheap while there are none. After a fault, nothing was forgotten.
  StatusOr<UserChanges> TakeChanges();
  // The policies of all tenants, if anything in the database changed since the last call on this
  // object, by anybody else; the first call always tells. Cheap while nothing changed.
  StatusOr<std::optional<TenantPolicies>> TakePolicies();

 private:
  UserDatabase(std::unique_ptr<SqliteConnection> connection, const UserDatabaseOptions& options);

  Status StartChanges();
  StatusOr<TenantId> TenantIdOf(std::string_view name);
  StatusOr<TenantId> TenantOfDomain(std::string_view domain);
  Status InsertDomain(TenantId tenant, std::string_view domain);
  Status StorePolicy(const TenantRecord& tenant);
  // `known`: the tenant as it is, or null, where there is none.
  Status Apply(const TenantSpec& spec, const TenantRecord* known);
  Status KeepDomains(const TenantRecord& tenant);
  Status Retire(const TenantRecord& tenant);
  Status StoreRules(const TenantRecord& tenant);
  int64_t NowSeconds() const;

  const UserDatabaseOptions options_;
  const std::unique_ptr<SqliteConnection> connection_;
  int64_t data_version_ = 0;                 // PRAGMA data_version when changes were read last.
  int64_t changes_sequence_ = 0;             // The last change that was told.
  std::optional<int64_t> policies_version_;  // Likewise of TakePolicies.
};

}  // namespace poplar::auth
