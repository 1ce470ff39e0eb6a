// Stored password hashes, by libxcrypt: made with yescrypt, verified as yescrypt, gost-yescrypt,
// scrypt, bcrypt or SHA-crypt ($y$, $gy$, $7$, $2b$, $6$, $5$). DES, MD5 and their like are
// refused.
//
// A computation takes tens of milliseconds and 16 MiB: never on a reactor. A PasswordHasher belongs
// to one thread at a time; it keeps libxcrypt's 32 KiB of scratch on the heap and wipes it after
// each use.

#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "core/base/limits.h"
#include "core/base/secret.h"
#include "core/base/status.h"

struct crypt_data;

namespace poplar::auth {

// libxcrypt takes so much and no more (CRYPT_MAX_PASSPHRASE_SIZE with its NUL). bcrypt itself reads
// the first 72 octets only.
inline constexpr uint32_t kHashablePasswordBytesMax = 511;
static_assert(kHashablePasswordBytesMax <= kPasswordBytesMax);

struct HashOptions {
  std::string prefix = "$y$";  // As crypt(5) spells it: "$y$", "$2b$", "$6$".
  uint32_t cost = 0;           // In the scheme's own measure (crypt(5)); 0 is its default.
};

// What a configuration calls "yescrypt", "bcrypt" or "sha512crypt" (anything else is yescrypt), at
// a cost that a new password deserves.
HashOptions HashOptionsOf(std::string_view scheme_name);

// May this be somebody's new password? 1 to kHashablePasswordBytesMax octets, no NUL, CR or LF (no
// protocol could carry them).
Status CheckNewPassword(const base::Secret& password);

// Could `stored` be verified? It may begin with `{CRYPT}`. The fault says what is wrong and never
// shows the hash.
Status CheckStoredHash(std::string_view stored);

// "yescrypt", "bcrypt", "sha512crypt", ...; "none" for an empty hash, "unknown" for what this does
// not know.
std::string_view SchemeName(std::string_view stored);

enum class HashVerdict : uint8_t {
  kMatch,
  kMismatch,
  kUnusable,  // Empty, damaged or too weak a hash: no password fits.
};

class PasswordHasher {
 public:
  explicit PasswordHasher(HashOptions options = {});
  PasswordHasher(const PasswordHasher&) = delete;
  PasswordHasher& operator=(const PasswordHasher&) = delete;
  ~PasswordHasher();

  // A new hash with a fresh salt. kInvalidArgument: CheckNewPassword's fault, or options that
  // libxcrypt refuses.
  StatusOr<std::string> Hash(const base::Secret& password);

  // Costs one computation, whatever the verdict: where there is nothing to compare with, a hash
  // that nobody has is computed instead.
  HashVerdict Verify(std::string_view stored, const base::Secret& password);

  // What Verify would cost: for names that nobody has, so that time does not tell.
  void SpendOne(const base::Secret& password);

 private:
  // The hash of the password with the salt and parameters of `setting`, or empty. The view ends
  // with the next call.
  std::string_view Compute(std::string_view setting, std::string_view password);
  std::string_view DecoySetting();

  const HashOptions options_;
  std::unique_ptr<crypt_data> scratch_;
  std::string decoy_setting_;
  std::string computed_;
};

}  // namespace poplar::auth
