// The back end over the embedded user database (auth/users). Each thread that asks borrows a
// connection of its own; one more watches for changes by the command line. When the file is put in
// another's place (a backup restored), all connections are made anew.
//
// Any thread, as Backend says.

#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "auth/schemes/hasher_pool.h"
#include "auth/service/app_password_uses.h"
#include "auth/service/backend.h"
#include "auth/users/file_identity.h"
#include "auth/users/user_database.h"
#include "core/base/clock.h"

namespace poplar::auth {

struct SqliteBackendOptions {
  std::string path;
  uint32_t busy_timeout_ms = 2000;
  // Whether a stored hash of another scheme or cost than today's is replaced when its password is
  // at hand: after a log-in.
  bool rehash = true;
  // But not one in clear: log-ins without a password (APOP, SCRAM) rest on it.
  bool keep_clear_text = false;
  // When app passwords were used is written so often at most; at the end as well.
  uint32_t uses_flush_ms = 60'000;
  const base::Clock* clock = &base::SystemClock();
};

// After a new hash could not be stored, none is made for so long: the file may be read-only.
inline constexpr uint64_t kRehashPauseUs = 60'000'000;

class SqliteBackend : public Backend {
 public:
  // Faults as UserDatabase::Open. `hashers` outlives this.
  static StatusOr<std::unique_ptr<SqliteBackend>> Open(const SqliteBackendOptions& options,
                                                       HasherPool& hashers);

  ~SqliteBackend() override;

  std::string_view name() const override { return "users"; }
  Capabilities capabilities() const override { return {.password = true, .verifiers = true}; }
  BackendAnswer Resolve(std::string_view address) override;
  BackendAnswer ResolveLogin(std::string_view login, std::string_view client_address) override;
  BackendAnswer VerifyPassword(std::string_view login, const base::Secret& password,
                               std::string_view client_address) override;
  BackendAnswer FetchVerifier(std::string_view login, std::string_view mechanism,
                              std::string_view client_address) override;
  StatusOr<BackendChanges> TakeChanges() override;

 private:
  SqliteBackend(const SqliteBackendOptions& options, HasherPool& hashers);

  // On a borrowed connection. One that failed is closed, so that the next call begins anew.
  StatusOr<std::optional<LoginRecord>> Find(std::string_view login);
  template <class Ask>
  auto OnBorrowed(Ask ask) -> decltype(ask(std::declval<UserDatabase&>()));
  // What an app password gives its user. Nothing: it is none of his, or `why_not` says what it is
  // refused for; it is then like any other wrong password.
  std::optional<BackendAnswer> VerifyAppPassword(LoginRecord& record, const base::Secret& password,
                                                 std::string_view client_address,
                                                 std::string& why_not);
  void FlushUses();
  // Stores a new hash of a password that was right, where one is due. The log-in does not depend on
  // it.
  void Rehash(std::string_view login, std::string_view stored, const base::Secret& password);
  StatusOr<std::unique_ptr<UserDatabase>> OpenDatabase() const;
  void ForgetFile();

  const SqliteBackendOptions options_;
  HasherPool& hashers_;

  std::mutex mutex_;
  std::vector<std::unique_ptr<UserDatabase>> idle_;  // Guarded by mutex_.
  uint64_t file_generation_ = 0;  // Guarded by mutex_; which file idle_ has open.

  std::atomic<uint64_t> rehash_from_us_{0};  // Not before.
  AppPasswordUses uses_;

  // Of the one thread in TakeChanges.
  std::unique_ptr<UserDatabase> watch_;  // Null after a fault.
  FileIdentity watched_file_;
  uint64_t uses_from_us_ = 0;  // They are not written before.
};

}  // namespace poplar::auth
