#include "auth/service/sqlite_backend.h"

#include <utility>

#include "auth/schemes/app_password.h"
#include "auth/users/networks.h"
#include "auth/users/refusals.h"
#include "core/base/log.h"

namespace poplar::auth {
namespace {

BackendAnswer Fault(const Status& status) {
  BackendAnswer answer;
  answer.outcome = BackendOutcome::kTemporary;
  answer.reason = Message(status);
  return answer;
}

// Whoever gets mail there.
BackendAnswer Known(UserRecord user) {
  BackendAnswer answer = user.tenant_enabled ? Say(BackendOutcome::kOk, "")
                                             : Say(BackendOutcome::kDisabled, "tenant disabled");
  answer.principal = {.tenant = user.tenant,
                      .account = std::move(user.account),
                      .address = std::move(user.address),
                      .tenant_name = std::move(user.tenant_name),
                      .quota = user.quota,
                      .pop3 = user.pop3,
                      .may_log_in = user.enabled};
  return answer;
}

// Whoever may not log in still gets mail: an account is often locked for its owner's sake.
BackendAnswer LoggedIn(UserRecord user) {
  if (!user.enabled) return Say(BackendOutcome::kDisabled, "account disabled");
  return Known(std::move(user));
}

}  // namespace

SqliteBackend::SqliteBackend(const SqliteBackendOptions& options, HasherPool& hashers)
    : options_(options), hashers_(hashers) {}

StatusOr<std::unique_ptr<SqliteBackend>> SqliteBackend::Open(const SqliteBackendOptions& options,
                                                             HasherPool& hashers) {
  std::unique_ptr<SqliteBackend> backend(new SqliteBackend(options, hashers));
  POP_ASSIGN_OR_RETURN(backend->watched_file_, IdentityOf(options.path));
  POP_ASSIGN_OR_RETURN(backend->watch_, backend->OpenDatabase());
  return backend;
}

SqliteBackend::~SqliteBackend() { FlushUses(); }

StatusOr<std::unique_ptr<UserDatabase>> SqliteBackend::OpenDatabase() const {
  return UserDatabase::Open(options_.path, {.busy_timeout_ms = options_.busy_timeout_ms});
}

template <class Ask>
auto SqliteBackend::OnBorrowed(Ask ask) -> decltype(ask(std::declval<UserDatabase&>())) {
  std::unique_ptr<UserDatabase> database;
  uint64_t generation = 0;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    generation = file_generation_;
    if (!idle_.empty()) {
      database = std::move(idle_.back());
      idle_.pop_back();
    }
  }
  if (!database) {
    POP_ASSIGN_OR_RETURN(database, OpenDatabase());
  }
  auto answer = ask(*database);
  if (answer.ok()) {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (generation == file_generation_) idle_.push_back(std::move(database));
  }
  return answer;
}

StatusOr<std::optional<LoginRecord>> SqliteBackend::Find(std::string_view login) {
  return OnBorrowed([&](UserDatabase& database) { return database.FindLogin(login); });
}

BackendAnswer SqliteBackend::Resolve(std::string_view address) {
  StatusOr<std::optional<LoginRecord>> found = Find(address);
  if (!found.ok()) return Fault(found.status());
  if (!found->has_value()) return Say(BackendOutcome::kUnknown, "unknown user");
  LoginRecord& record = **found;
  base::Wipe(record.hash.data(), record.hash.size());
  return Known(std::move(record.user));
}

BackendAnswer SqliteBackend::VerifyPassword(std::string_view login, const base::Secret& password,
                                            std::string_view client_address) {
  StatusOr<std::optional<LoginRecord>> found = Find(login);
  if (!found.ok()) return Fault(found.status());
  if (!found->has_value()) return Say(BackendOutcome::kUnknown, "unknown user");
  LoginRecord& record = **found;
  std::string why_not;
  if (std::optional<BackendAnswer> by_app =
          VerifyAppPassword(record, password, client_address, why_not)) {
    return std::move(*by_app);
  }
  if (record.require_app_password) {
    // Whether it would have been right is not to be seen, by time neither.
    base::Wipe(record.hash.data(), record.hash.size());
    hashers_.SpendOne(password);
    return Say(BackendOutcome::kRefused,
               why_not.empty() ? std::string(kOnlyAppPasswords) : why_not);
  }

  const WeakSchemes weak = record.weak_schemes ? WeakSchemes::kAllow : WeakSchemes::kRefuse;
  const HashVerdict verdict = hashers_.Verify(record.hash, password, weak);
  const std::string unusable =
      verdict == HashVerdict::kUnusable ? WhyUnusable(record.hash, weak) : std::string();
  const bool has_hash = !record.hash.empty();
  const bool may_log_in = record.user.enabled && record.user.tenant_enabled;
  if (verdict == HashVerdict::kMatch && may_log_in) Rehash(login, record.hash, password);
  base::Wipe(record.hash.data(), record.hash.size());
  switch (verdict) {
    case HashVerdict::kMatch:
      return LoggedIn(std::move(record.user));
    case HashVerdict::kMismatch:
      return Say(BackendOutcome::kRefused, why_not.empty() ? "wrong password" : why_not);
    case HashVerdict::kUnusable:
      break;
  }
  if (!has_hash) {
    return Say(BackendOutcome::kRefused, why_not.empty() ? std::string(kNoPasswordIsSet) : why_not);
  }
  // The password may be right: that we cannot tell is our fault.
  return Say(BackendOutcome::kTemporary, record.user.address + ": " + unusable);
}

// One that is refused goes on to the user's own password, and costs as much as any other wrong one.
std::optional<BackendAnswer> SqliteBackend::VerifyAppPassword(LoginRecord& record,
                                                              const base::Secret& password,
                                                              std::string_view client_address,
                                                              std::string& why_not) {
  const std::optional<ParsedAppPassword> parsed = ParseAppPassword(password.Reveal());
  if (!parsed) return std::nullopt;
  const StatusOr<std::optional<AppPasswordRecord>> found = OnBorrowed([&](UserDatabase& database) {
    return database.FindAppPassword(record.user.account, parsed->id);
  });
  if (!found.ok()) return Fault(found.status());
  if (!found->has_value() || !IsAppPassword((*found)->hash, parsed->secret)) return std::nullopt;
  const AppPasswordRecord& app = **found;
  const bool is_log_in = !client_address.empty();
  const int64_t now_s = options_.clock->WallUs() / 1'000'000;
  if (app.expires_s && *app.expires_s <= now_s) {
    why_not = std::string(kTheAppPassword) + app.label + "\" has expired";
    return std::nullopt;
  }
  if (is_log_in && !app.networks.empty() && !InNetworks(app.networks, client_address)) {
    why_not = std::string(kTheAppPassword) + app.label + "\" is not for this address";
    return std::nullopt;
  }
  base::Wipe(record.hash.data(), record.hash.size());
  const std::string account = record.user.account;
  BackendAnswer answer = LoggedIn(std::move(record.user));
  if (answer.outcome == BackendOutcome::kOk) {
    answer.reason = "app password \"" + app.label + "\"";
    answer.app_password = app.label;
    if (!is_log_in && !app.networks.empty()) answer.reason += ", for " + app.networks + " alone";
    if (is_log_in) uses_.Note(account, app.id, app.last_used_s, now_s);
  }
  answer.from_networks = app.networks;
  return answer;
}

void SqliteBackend::FlushUses() {
  std::vector<AppPasswordUse> uses = uses_.Take();
  if (uses.empty()) return;
  const StatusOr<bool> noted = OnBorrowed([&](UserDatabase& database) -> StatusOr<bool> {
    POP_RETURN_IF_ERROR(database.NoteAppPasswordUses(uses));
    return true;
  });
  if (noted.ok()) return;
  uses_.PutBack(std::move(uses));
  base::Log(base::LogLevel::kWarning, "app_password_uses_not_written",
            {{"reason", Message(noted.status())}});
}

BackendAnswer SqliteBackend::ResolveLogin(std::string_view login,
                                          std::string_view /*client_address*/) {
  StatusOr<std::optional<LoginRecord>> found = Find(login);
  if (!found.ok()) return Fault(found.status());
  if (!found->has_value()) return Say(BackendOutcome::kUnknown, "unknown user");
  LoginRecord& record = **found;
  base::Wipe(record.hash.data(), record.hash.size());
  return LoggedIn(std::move(record.user));
}

BackendAnswer SqliteBackend::FetchVerifier(std::string_view login, std::string_view /*mechanism*/,
                                           std::string_view /*client_address*/) {
  StatusOr<std::optional<LoginRecord>> found = Find(login);
  if (!found.ok()) return Fault(found.status());
  if (!found->has_value()) return Say(BackendOutcome::kUnknown, "unknown user");
  LoginRecord& record = **found;
  if (record.require_app_password) {
    base::Wipe(record.hash.data(), record.hash.size());
    return Say(BackendOutcome::kRefused, kOnlyAppPasswords);
  }
  BackendAnswer answer = LoggedIn(std::move(record.user));
  answer.stored_verifier = base::Secret(record.hash);
  answer.weak_schemes = record.weak_schemes;
  base::Wipe(record.hash.data(), record.hash.size());
  return answer;
}

void SqliteBackend::Rehash(std::string_view login, std::string_view stored,
                           const base::Secret& password) {
  if (!options_.rehash || !hashers_.NeedsRehash(stored, password)) return;
  if (options_.keep_clear_text && PasswordInClear(stored)) return;
  const uint64_t now_us = base::SystemClock().MonotonicUs();
  if (now_us < rehash_from_us_.load(std::memory_order_relaxed)) return;

  StatusOr<bool> replaced = false;
  const StatusOr<std::string> hash = hashers_.Hash(password);
  if (hash.ok()) {
    replaced = OnBorrowed(
        [&](UserDatabase& database) { return database.ReplaceHash(login, stored, *hash); });
  } else {
    replaced = hash.status();
  }
  if (!replaced.ok()) {
    rehash_from_us_.store(now_us + kRehashPauseUs, std::memory_order_relaxed);
    base::Log(base::LogLevel::kWarning, "rehash_failed",
              {{"user", login}, {"reason", Message(replaced.status())}});
  } else if (*replaced) {
    hashers_.CountRehashed();
    base::Log(base::LogLevel::kInfo, "rehashed", {{"user", login}, {"from", SchemeName(stored)}});
  }
}

void SqliteBackend::ForgetFile() {
  watch_.reset();
  const std::lock_guard<std::mutex> lock(mutex_);
  ++file_generation_;
  idle_.clear();
}

StatusOr<BackendChanges> SqliteBackend::TakeChanges() {
  const uint64_t now_us = base::SystemClock().MonotonicUs();
  if (now_us >= uses_from_us_) {
    FlushUses();
    uses_from_us_ = now_us + uint64_t{options_.uses_flush_ms} * 1000;
  }
  const StatusOr<FileIdentity> identity = IdentityOf(options_.path);
  if (!identity.ok()) {
    // Without its file the database must not go on from the open descriptors.
    ForgetFile();
    return identity.status();
  }
  BackendChanges changes;
  if (watch_ && *identity == watched_file_) {
    StatusOr<UserChanges> taken = watch_->TakeChanges();
    if (!taken.ok()) {
      watch_.reset();
      return taken.status();
    }
    changes.everything = taken->everything;
    changes.standby = taken->unknown;
    changes.logins = std::move(taken->keys);
    changes.tenants = std::move(taken->tenants);
    return changes;
  }
  // Another file, or a fault before this: what happened meanwhile is not known.
  ForgetFile();
  POP_ASSIGN_OR_RETURN(watch_, OpenDatabase());
  watched_file_ = *identity;
  changes.everything = changes.standby = true;
  return changes;
}

}  // namespace poplar::auth
