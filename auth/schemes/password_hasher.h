// Passwords as they are stored: made and verified. New ones are hashes by yescrypt, bcrypt,
// SHA-crypt or argon2id, or SCRAM's keys; verified is whatever stored_password.cc lists, weak
// schemes only where the caller allows them.
//
// A computation takes tens of milliseconds and tens of MiB: never on a reactor. Any thread, several
// at once.

#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "auth/schemes/scram_keys.h"
#include "auth/schemes/stored_password.h"
#include "core/base/limits.h"
#include "core/base/secret.h"
#include "core/base/status.h"

namespace poplar::auth {

// libxcrypt takes so much and no more (CRYPT_MAX_PASSPHRASE_SIZE with its NUL). bcrypt itself reads
// the first 72 octets only.
inline constexpr uint32_t kHashablePasswordBytesMax = 511;
static_assert(kHashablePasswordBytesMax <= kPasswordBytesMax);

struct HashOptions {
  // As hashes begin: "$y$", "$2b$", "$6$", "$argon2id$", "SCRAM-SHA-256$".
  std::string prefix = "$y$";
  // In the scheme's own measure: crypt(5), argon2's KiB, SCRAM's iterations. 0 is its default.
  uint32_t cost = 0;
};

// What a configuration calls "yescrypt", "bcrypt", "sha512crypt", "argon2id" or "scram-sha-256"
// (anything else is yescrypt), at a cost that a new password deserves.
HashOptions HashOptionsOf(std::string_view scheme_name,
                          uint32_t scram_iterations = kScramIterations);

// May this be somebody's new password? 1 to kHashablePasswordBytesMax octets, no NUL, CR or LF (no
// protocol could carry them).
Status CheckNewPassword(const base::Secret& password);

// Whether weak schemes count: {PLAIN}, digests with and without salt, MD5-crypt, and others at too
// low a cost.
enum class WeakSchemes : uint8_t { kRefuse, kAllow };

// Could `stored` be verified? The fault says what is wrong and never shows it.
Status CheckStoredHash(std::string_view stored, WeakSchemes weak = WeakSchemes::kRefuse);

// Of what Verify found unusable: why, for the operator, and what to do. Never shows it.
std::string WhyUnusable(std::string_view stored, WeakSchemes weak);

// "yescrypt", "bcrypt", "ssha", ...; "none" for an empty value, "unknown" for what this does not
// know.
std::string_view SchemeName(std::string_view stored);

struct HashMaker;

class PasswordHasher {
 public:
  explicit PasswordHasher(HashOptions options = {});

  // A new hash with a fresh salt. kInvalidArgument: CheckNewPassword's fault, or options that
  // cannot be. kUnavailable: no memory.
  StatusOr<std::string> Hash(const base::Secret& password) const;

  // With a weak scheme that does not count, the right password is kUnusable, and a wrong one is a
  // mismatch as everywhere: an answer of its own for both would show strangers who exists.
  //
  // A password that does not fit costs what a new hash would, so that time does not tell who is
  // there: unless it was compared with one of the same scheme and cost, a hash that nobody has is
  // computed as well.
  HashVerdict Verify(std::string_view stored, const base::Secret& password,
                     WeakSchemes weak = WeakSchemes::kRefuse) const;

  // What Verify would cost: for names that nobody has.
  void SpendOne(const base::Secret& password) const;

  // Whether a password that was found to fit `stored` should be hashed anew: that one is of another
  // scheme or cost than Hash would make. Not SCRAM's keys, which serve log-ins that no hash could;
  // nor a password of which bcrypt read a part only: the rest may be wrong.
  bool NeedsRehash(std::string_view stored, const base::Secret& password) const;

 private:
  // As Hash would make it.
  bool IsOfToday(const StoredPassword& stored) const;

  const HashOptions options_;
  const HashMaker& maker_;
  const std::string decoy_setting_;  // Of nobody's hash.
};

}  // namespace poplar::auth
