#include "core/app/commands/user.h"

#include <nlohmann/json.hpp>

#include "auth/schemes/password_hasher.h"
#include "core/app/commands/auth.h"
#include "core/app/commands/limits_text.h"
#include "core/app/commands/user_records.h"
#include "core/app/password_policy.h"
#include "core/app/table.h"
#include "core/base/limits.h"

namespace poplar::app {
namespace {

using auth::UserRecord;

StatusOr<base::Secret> AskTwice(Console& console, const std::string& address) {
  POP_ASSIGN_OR_RETURN(base::Secret first,
                       console.ask_password("New password for " + address + ": "));
  POP_ASSIGN_OR_RETURN(const base::Secret second, console.ask_password("The same again: "));
  if (!base::EqualConstantTime(first.Reveal(), second.Reveal()))
    return MakeStatus(StatusCode::kInvalidArgument, "the two differ; nothing was changed");
  return first;
}

StatusOr<std::string> ReadHash(Console& console) {
  POP_ASSIGN_OR_RETURN(const base::Secret hash, ReadPassword(console.in, "hash"));
  // Whether a weak one is taken is the tenant's to say.
  POP_RETURN_IF_ERROR(auth::CheckStoredHash(hash.Reveal(), auth::WeakSchemes::kAllow));
  return std::string(hash.Reveal());
}

// The hash of a password from `options.password`; empty for kNone.
StatusOr<std::string> NewHash(const UserPasswordOptions& options, const tenant::Config& config,
                              Console& console) {
  if (options.password == PasswordSource::kNone) return std::string();
  if (options.password == PasswordSource::kHashStdin) return ReadHash(console);
  POP_ASSIGN_OR_RETURN(const base::Secret password, options.password == PasswordSource::kStdin
                                                        ? ReadPassword(console.in)
                                                        : AskTwice(console, options.address));
  if (password.Reveal().size() > kPassArgumentBytesMax) {
    return MakeStatus(StatusCode::kInvalidArgument,
                      "the password is longer than " + std::to_string(kPassArgumentBytesMax) +
                          " octets, the most that mail programs can send by USER and PASS");
  }
  Status judged = JudgePassword(PasswordPolicyOf(config.users), password.Reveal(), options.address);
  if (!judged.ok() && !options.weak_password) return judged;
  if (!judged.ok()) {
    console.err << "warning: " << Message(judged) << " (taken all the same: --weak-password)\n";
  }
  const std::string& scheme = options.scheme.empty() ? config.users.hash : options.scheme;
  auth::PasswordHasher hasher(auth::HashOptionsOf(scheme, config.auth.scram_iterations));
  return hasher.Hash(password);
}

std::string StateOf(const UserRecord& user) {
  if (!user.tenant_enabled) return "tenant disabled";
  if (!user.enabled) return "disabled";
  return user.pop3 ? "enabled" : "no POP3";
}

void Print(const UserRecord& user, Console& console) {
  const bool own = user.own_quota != auth::UserQuota();
  console.out << "user      " << user.address << "\ntenant    " << user.tenant_name
              << "\naccount   " << user.account << "\nstate     " << StateOf(user) << "\npassword  "
              << user.scheme << "\nquota     " << QuotaText(user.quota)
              << (own ? "" : " (as its tenant's maildrops)") << "\ncreated   "
              << TimeText(user.created_s) << '\n';
  if (user.require_app_password) {
    console.out << "log-in    "
                << (*user.require_app_password ? "by app passwords only"
                                               : "also by the own password")
                << '\n';
  }
}

}  // namespace

ExitCode UserAdd(const UserPasswordOptions& options, const tenant::Config& config,
                 Console& console) {
  const auto users = OpenUsers(config);
  if (!users.ok()) return FailUsers(console, users.status());
  // A wrong address is told before anybody types a password.
  const Status free = (*users)->CheckNewUser(options.address);
  if (!free.ok()) return Fail(console, free);
  const auto hash = NewHash(options, config, console);
  if (!hash.ok()) return Fail(console, hash.status());
  const auto added = (*users)->AddUser(options.address, *hash);
  if (!added.ok()) return Fail(console, added.status());
  console.out << added->address << " added to tenant " << added->tenant_name << ". ";
  if (hash->empty())
    console.out << "Mail arrives; to log in, set a password: `poplar user passwd " << added->address
                << "`\n";
  else
    console.out << "Mail can arrive, and be fetched with this password.\n";
  return AfterChange(options.address, false, config, console);
}

ExitCode UserPasswd(const UserPasswordOptions& options, const tenant::Config& config,
                    Console& console) {
  const auto users = OpenUsers(config);
  if (!users.ok()) return FailUsers(console, users.status());
  // A wrong address is told before anybody types a password.
  const auto found = (*users)->FindUser(options.address);
  if (!found.ok()) return Fail(console, found.status());
  const auto hash = NewHash(options, config, console);
  if (!hash.ok()) return Fail(console, hash.status());
  const Status set = (*users)->SetPasswordHash(options.address, *hash);
  if (!set.ok()) return Fail(console, set);
  console.out << "The password of " << found->address << " is changed.\n";
  return AfterChange(options.address, options.end_sessions, config, console);
}

ExitCode UserList(const UserListOptions& options, const tenant::Config& config, Console& console) {
  const auto users = OpenUsers(config);
  if (!users.ok()) return FailUsers(console, users.status());
  nlohmann::json list = nlohmann::json::array();
  Table table({"ADDRESS", "TENANT", "STATE", "PASSWORD", "CREATED"});
  bool is_empty = true;
  const Status listed = (*users)->ListUsers(options.tenant, [&](const UserRecord& user) {
    is_empty = false;
    if (options.json)
      list.push_back(ToJson(user));
    else
      table.Add(
          {user.address, user.tenant_name, StateOf(user), user.scheme, TimeText(user.created_s)});
  });
  if (!listed.ok()) return Fail(console, listed);
  if (options.json)
    console.out << list.dump(2) << '\n';
  else if (is_empty)
    console.out << "No users yet. Add one: `poplar user add NAME@DOMAIN`\n";
  else
    table.Print(console.out);
  return ExitCode::kOk;
}

ExitCode UserShow(const UserShowOptions& options, const tenant::Config& config, Console& console) {
  const auto users = OpenUsers(config);
  if (!users.ok()) return FailUsers(console, users.status());
  const auto found = (*users)->FindUser(options.address);
  if (!found.ok()) return Fail(console, found.status());
  if (options.json) {
    console.out << ToJson(*found).dump(2) << '\n';
  } else {
    Print(*found, console);
  }
  return ExitCode::kOk;
}

ExitCode UserSet(const UserSetOptions& options, const tenant::Config& config, Console& console) {
  if (!options.quota_octets && !options.quota_messages && !options.require_app_password &&
      !options.pop3) {
    return Fail(console, ExitCode::kUsage,
                "nothing is to be changed (`poplar user set --help` says what can be)");
  }
  const auto users = OpenUsers(config);
  if (!users.ok()) return FailUsers(console, users.status());
  if (options.require_app_password) {
    const Status set =
        (*users)->SetRequireAppPassword(options.address, *options.require_app_password);
    if (!set.ok()) return Fail(console, set);
  }
  if (options.pop3) {
    const Status set = (*users)->SetUserPop3(options.address, *options.pop3);
    if (!set.ok()) return Fail(console, set);
  }
  const auto changed = (*users)->ChangeUserQuota(options.address, [&](auth::UserQuota& quota) {
    quota.octets = options.quota_octets.value_or(quota.octets);
    quota.messages = options.quota_messages.value_or(quota.messages);
  });
  if (!changed.ok()) return Fail(console, changed.status());
  Print(*changed, console);
  if (options.pop3 == false && !options.end_sessions) {
    console.out << "A session that is open goes on: `poplar session kick --user "
                << changed->address << "` ends it.\n";
  }
  return AfterChange(options.address, options.end_sessions, config, console);
}

ExitCode UserEnable(const std::string& address, const tenant::Config& config, Console& console) {
  const auto users = OpenUsers(config);
  if (!users.ok()) return FailUsers(console, users.status());
  const Status set = (*users)->SetUserEnabled(address, true);
  if (!set.ok()) return Fail(console, set);
  console.out << address << " may log in again.\n";
  return AfterChange(address, false, config, console);
}

ExitCode UserDisable(const std::string& address, bool end_sessions, const tenant::Config& config,
                     Console& console) {
  const auto users = OpenUsers(config);
  if (!users.ok()) return FailUsers(console, users.status());
  const Status set = (*users)->SetUserEnabled(address, false);
  if (!set.ok()) return Fail(console, set);
  console.out << address << " cannot log in any more.";
  if (!end_sessions) {
    console.out << " A session that is open goes on: `poplar session kick --user " << address
                << "` ends it.";
  }
  console.out << '\n';
  return AfterChange(address, end_sessions, config, console);
}

ExitCode UserRemove(const std::string& address, const tenant::Config& config, Console& console) {
  const auto users = OpenUsers(config);
  if (!users.ok()) return FailUsers(console, users.status());
  const Status removed = (*users)->RemoveUser(address);
  if (!removed.ok()) return Fail(console, removed);
  console.out << address << " removed. Whoever gets the address later meets none of its mail.\n";
  return AfterChange(address, false, config, console);
}

}  // namespace poplar::app
