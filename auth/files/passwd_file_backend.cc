#include "auth/files/passwd_file_backend.h"

#include <sys/stat.h>

#include <cerrno>
#include <utility>

#include "auth/users/address.h"
#include "auth/users/networks.h"
#include "auth/users/refusals.h"
#include "core/base/log.h"
#include "core/base/text_file.h"

namespace poplar::auth {
namespace {

constexpr std::string_view kAccountIsLocked = "the account is locked";

BackendAnswer Nobody() { return Say(BackendOutcome::kUnknown, "unknown user"); }

// Null: there is none. Ends with `users`.
const PasswdUser* Find(const PasswdUsers& users, std::string_view login) {
  const auto found = users.by_login.find(std::string(login));
  return found == users.by_login.end() ? nullptr : &found->second;
}

// What all questions have in common: whose the address is.
BackendAnswer Known(const PasswdUser& user, std::string_view login, const TenantPolicies& tenants) {
  const TenantPolicies::Domain* const domain = tenants.OfDomain(login.substr(login.rfind('@') + 1));
  if (domain == nullptr) return Say(BackendOutcome::kUnknown, "unknown domain");
  BackendAnswer answer = domain->enabled ? Say(BackendOutcome::kOk, "")
                                         : Say(BackendOutcome::kDisabled, "tenant disabled");
  answer.principal = {
      .tenant = domain->tenant,
      .account = user.account,
      .address = std::string(login),
      .tenant_name = domain->name,
      .quota = {.octets = user.quota.octets.value_or(domain->maildrop_quota.octets),
                .messages = user.quota.messages.value_or(domain->maildrop_quota.messages)}};
  return answer;
}

// Whether what is stored of him decides.
bool IsHis(const BackendAnswer& answer) {
  return answer.outcome == BackendOutcome::kOk || answer.outcome == BackendOutcome::kDisabled;
}

// Of a user who comes from there with what is his.
BackendAnswer LoggedIn(const PasswdUser& user, std::string_view login,
                       std::string_view client_address, const TenantPolicies& tenants) {
  BackendAnswer answer = Known(user, login, tenants);
  if (!IsHis(answer)) return answer;
  const bool is_bound = !user.networks.empty();
  const bool is_log_in = !client_address.empty();
  if (is_bound && is_log_in && !InNetworks(user.networks, client_address)) {
    return Say(BackendOutcome::kRefused, "allow_nets of the user does not have this address");
  }
  if (answer.outcome == BackendOutcome::kOk && user.disabled) {
    return Say(BackendOutcome::kDisabled, "nologin");
  }
  if (is_bound && !is_log_in) answer.reason = "for " + user.networks + " alone";
  answer.from_networks = user.networks;
  return answer;
}

}  // namespace

StatusOr<std::unique_ptr<PasswdFileBackend>> PasswdFileBackend::Open(
    const PasswdFileOptions& options, const PolicyBoard& tenants) {
  std::unique_ptr<PasswdFileBackend> backend(new PasswdFileBackend(options, tenants));
  POP_ASSIGN_OR_RETURN(const Stamp stamp, StampOf(options.path));
  POP_ASSIGN_OR_RETURN(PasswdUsers users, backend->Read());
  backend->Take(std::move(users), stamp);
  return backend;
}

std::unique_ptr<PasswdFileBackend> PasswdFileBackend::OfOne(const PasswdFileOptions& options,
                                                            const std::string& address,
                                                            const std::string& stored_password,
                                                            const PolicyBoard& tenants) {
  std::unique_ptr<PasswdFileBackend> backend(new PasswdFileBackend(options, tenants));
  PasswdUsers users;
  PasswdUser& user = users.by_login[LookupKey(address)];
  user.stored_password = stored_password;
  user.account = LookupKey(address);
  backend->users_ = std::make_shared<const PasswdUsers>(std::move(users));
  return backend;
}

StatusOr<PasswdFileBackend::Stamp> PasswdFileBackend::StampOf(const std::string& path) {
  struct stat file{};
  if (::stat(path.c_str(), &file) != 0) return ErrnoStatus(errno, path);
  return Stamp{.device = file.st_dev,
               .inode = file.st_ino,
               .bytes = static_cast<uint64_t>(file.st_size),
               .changed_ns = file.st_mtim.tv_sec * int64_t{1'000'000'000} + file.st_mtim.tv_nsec};
}

StatusOr<PasswdUsers> PasswdFileBackend::Read() const {
  StatusOr<std::string> text = base::ReadTextFile(options_.path, kPasswdFileBytesMax);
  if (!text.ok()) return Annotate(text.status(), options_.path);
  PasswdUsers users = ParsePasswdFile(*text, options_.default_domain);
  base::Wipe(text->data(), text->size());
  return users;
}

void PasswdFileBackend::Take(PasswdUsers users, const Stamp& stamp) {
  if (users.lines_refused > 0) {
    base::Log(
        base::LogLevel::kError, "passwd_file_lines",
        {{"file", options_.path}, {"left_out", users.lines_refused}, {"first", users.first_fault}});
  }
  stamp_ = stamp;
  auto taken = std::make_shared<const PasswdUsers>(std::move(users));
  const std::lock_guard<std::mutex> lock(mutex_);
  users_ = std::move(taken);
}

StatusOr<bool> PasswdFileBackend::ReadAgain(const Stamp& stamp) {
  POP_ASSIGN_OR_RETURN(PasswdUsers users, Read());
  POP_ASSIGN_OR_RETURN(const Stamp after, StampOf(options_.path));
  if (after != stamp) return false;  // It was being written meanwhile.
  const std::shared_ptr<const PasswdUsers> before = this->users();
  std::string_view why;
  if (users.by_login.empty() && !before->by_login.empty()) why = "there is no user in it";
  // Whoever never ends the last line writes his files so.
  if (!users.ends_with_line && before->ends_with_line) why = "its last line has no end";
  if (!why.empty()) {
    return MakeStatus(StatusCode::kFailedPrecondition,
                      options_.path + ": " + std::string(why) +
                          ", as if it had not been written to its end; the users that it had "
                          "before stay");
  }
  Take(std::move(users), stamp);
  return true;
}

std::shared_ptr<const PasswdUsers> PasswdFileBackend::users() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return users_;
}

BackendAnswer PasswdFileBackend::Resolve(std::string_view address) {
  const auto all = users();
  const PasswdUser* const user = Find(*all, address);
  if (user == nullptr) return Nobody();
  // Whoever may not log in still gets mail.
  BackendAnswer answer = Known(*user, address, *tenants_.Current());
  answer.principal.may_log_in = !user->disabled;
  if (user->locked) answer.reason = kAccountIsLocked;
  return answer;
}

BackendAnswer PasswdFileBackend::VerifyPassword(std::string_view login,
                                                const base::Secret& /*password*/,
                                                std::string_view client_address) {
  const auto all = users();
  const PasswdUser* const user = Find(*all, login);
  if (user == nullptr) return Nobody();
  if (user->locked) return Say(BackendOutcome::kRefused, kAccountIsLocked);
  if (user->stored_password.empty()) return Say(BackendOutcome::kRefused, kNoPasswordIsSet);
  BackendAnswer answer = LoggedIn(*user, login, client_address, *tenants_.Current());
  // That he is disabled is told after the right password only.
  if (IsHis(answer)) {
    answer.stored_password = base::Secret(user->stored_password);
    answer.weak_schemes = options_.weak_schemes;
  }
  return answer;
}

BackendAnswer PasswdFileBackend::ResolveLogin(std::string_view login,
                                              std::string_view client_address) {
  const auto all = users();
  const PasswdUser* const user = Find(*all, login);
  if (user == nullptr) return Nobody();
  if (user->locked) return Say(BackendOutcome::kDisabled, kAccountIsLocked);
  return LoggedIn(*user, login, client_address, *tenants_.Current());
}

BackendAnswer PasswdFileBackend::FetchVerifier(std::string_view login,
                                               std::string_view /*mechanism*/,
                                               std::string_view client_address) {
  const auto all = users();
  const PasswdUser* const user = Find(*all, login);
  if (user == nullptr) return Nobody();
  if (user->locked) return Say(BackendOutcome::kRefused, kAccountIsLocked);
  BackendAnswer answer = LoggedIn(*user, login, client_address, *tenants_.Current());
  if (IsHis(answer)) {
    answer.stored_verifier = base::Secret(user->stored_password);
    answer.weak_schemes = options_.weak_schemes;
  }
  return answer;
}

StatusOr<BackendChanges> PasswdFileBackend::TakeChanges() {
  BackendChanges changes;
  if (options_.path.empty()) return changes;
  POP_ASSIGN_OR_RETURN(const Stamp stamp, StampOf(options_.path));
  if (stamp == stamp_) return changes;
  if (stamp != seen_) {
    seen_ = stamp;
    looks_ = 0;
    fault_ = OkStatus();
  }
  if (++looks_ < kSettledLooks) return changes;
  // A large one is not read every second to say the same.
  if (fault_.code() == StatusCode::kFailedPrecondition) return fault_;
  const StatusOr<bool> taken = ReadAgain(stamp);
  fault_ = taken.status();
  POP_RETURN_IF_ERROR(fault_);
  changes.everything = *taken;
  return changes;
}

}  // namespace poplar::auth
