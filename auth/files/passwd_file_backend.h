// The back end over a passwd-file: read whole at the start, and again when it changed and has been
// left alone for a while, within some seconds. While it cannot be read, or looks as if somebody had
// not written it to its end, what was read last goes on: mail for users who seem to be gone would
// bounce.

#pragma once

#include <memory>
#include <mutex>
#include <string>

#include "auth/files/passwd_file.h"
#include "auth/service/backend.h"
#include "core/base/mail_policy.h"

namespace poplar::auth {

inline constexpr uint64_t kPasswdFileBytesMax = 1 << 30;
// A file that changed is taken when it is the same at so many looks in a row, a second apart.
inline constexpr uint32_t kSettledLooks = 3;

struct PasswdFileOptions {
  std::string name;  // Of the back end.
  std::string path;
  std::string default_domain;
  bool weak_schemes = false;  // {PLAIN}, {SSHA} and the like may be used.
};

class PasswdFileBackend final : public Backend {
 public:
  // kNotFound and others: the file cannot be read. Lines that are wrong are left out, and told in
  // the log. `tenants` outlives this.
  static StatusOr<std::unique_ptr<PasswdFileBackend>> Open(const PasswdFileOptions& options,
                                                           const PolicyBoard& tenants);
  // One user, of the configuration: for a probe that logs in whatever becomes of the other back
  // ends. `options.path` is empty.
  static std::unique_ptr<PasswdFileBackend> OfOne(const PasswdFileOptions& options,
                                                  const std::string& address,
                                                  const std::string& stored_password,
                                                  const PolicyBoard& tenants);

  std::string_view name() const override { return options_.name; }
  Capabilities capabilities() const override {
    return {.password = true, .verifiers = true, .clear_text = options_.weak_schemes};
  }
  BackendAnswer Resolve(std::string_view address) override;
  BackendAnswer ResolveLogin(std::string_view login, std::string_view client_address) override;
  // Hands out what is stored, to be compared.
  bool computes_hashes() const override { return false; }
  BackendAnswer VerifyPassword(std::string_view login, const base::Secret& password,
                               std::string_view client_address) override;
  BackendAnswer FetchVerifier(std::string_view login, std::string_view mechanism,
                              std::string_view client_address) override;
  // Reads the file again if it changed and has settled; then everything may be different. An error
  // says why what is there is not taken.
  StatusOr<BackendChanges> TakeChanges() override;

 private:
  // What tells one state of the file from another.
  struct Stamp {
    uint64_t device = 0, inode = 0, bytes = 0;
    int64_t changed_ns = 0;
    bool operator==(const Stamp&) const = default;
  };

  PasswdFileBackend(const PasswdFileOptions& options, const PolicyBoard& tenants)
      : options_(options), tenants_(tenants) {}

  static StatusOr<Stamp> StampOf(const std::string& path);
  StatusOr<PasswdUsers> Read() const;
  void Take(PasswdUsers users, const Stamp& stamp);
  // True: it was taken. kFailedPrecondition: it never will be, as it is.
  StatusOr<bool> ReadAgain(const Stamp& stamp);
  std::shared_ptr<const PasswdUsers> users() const;

  const PasswdFileOptions options_;
  const PolicyBoard& tenants_;
  // For one thread at a time: of what was taken, and of what was seen last.
  Stamp stamp_;
  Stamp seen_;
  uint32_t looks_ = 0;  // At which it was like that.
  Status fault_;        // Why it was not taken.
  mutable std::mutex mutex_;
  std::shared_ptr<const PasswdUsers> users_;  // Guarded by mutex_.
};

}  // namespace poplar::auth
