// What a server keeps of a password so that SCRAM (RFC 5802, RFC 7677) can be spoken: not the
// password, and nothing that lets anybody log in as its owner. A clear password can be verified
// against it too.
//
// Two notations are read, RFC 5803's (PostgreSQL has it as well) and Dovecot's:
//
//   SCRAM-SHA-256$iterations:salt$StoredKey:ServerKey
//   {SCRAM-SHA-256}iterations,salt,StoredKey,ServerKey
//
// Any thread. Computing keys takes tens of milliseconds: never on a reactor.

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "auth/schemes/stored_password.h"
#include "core/base/secret.h"
#include "core/base/status.h"

namespace poplar::auth {

enum class ScramHash : uint8_t { kSha1, kSha256 };

// RFC 7677 §4 asks for 4,096 at least (with fewer, keys are weak) and for a tenth of a second of
// the machine that computes. That is the client, at each log-in: a phone of today takes so long for
// 65,536, a server some 15 ms.
inline constexpr uint32_t kScramIterations = 65'536;
inline constexpr uint32_t kScramIterationsStrongMin = 4'096;
inline constexpr uint32_t kScramIterationsMax = 5'000'000;
inline constexpr uint32_t kScramSaltBytesMax = 64;

struct ScramKeys {
  ScramHash hash = ScramHash::kSha256;
  uint32_t iterations = 0;
  std::string salt = {};  // Octets, as the keys.
  std::string stored_key = {};
  std::string server_key = {};

  friend bool operator==(const ScramKeys&, const ScramKeys&) = default;
};

// "SCRAM-SHA-1", "SCRAM-SHA-256".
std::string_view MechanismName(ScramHash hash);

// Nothing: in neither notation, or out of bounds.
std::optional<ScramKeys> ParseScramKeys(std::string_view stored);
// In RFC 5803's notation.
std::string FormatScramKeys(const ScramKeys& keys);

// With this salt and count, which are in bounds. kUnavailable: OpenSSL refused.
StatusOr<ScramKeys> ComputeScramKeys(ScramHash hash, const base::Secret& password,
                                     std::string_view salt, uint32_t iterations);

// With a fresh salt. The password is prepared by SASLprep (RFC 4013) as clients do; one that it
// forbids, or that is no UTF-8, is taken as it is, as PostgreSQL does. kInvalidArgument:
// `iterations` is 0 or above kScramIterationsMax. kUnavailable: OpenSSL refused.
StatusOr<ScramKeys> MakeScramKeys(ScramHash hash, const base::Secret& password,
                                  uint32_t iterations = kScramIterations);

// New keys as PasswordHasher makes hashes: all of them but the keys, "SCRAM-SHA-256$N:salt", N 0
// for kScramIterations; then with the keys of a password. Empty: out of bounds, or OpenSSL refused.
inline constexpr std::string_view kScramSha256Prefix = "SCRAM-SHA-256$";
std::string NewScramSetting(uint32_t iterations);
std::string ComputeScramSetting(std::string_view setting, std::string_view password);

// RFC 5802 §3, of an exchange: is `proof` that of somebody who knows the password? In constant
// time.
bool IsScramProof(const ScramKeys& keys, std::string_view auth_message, std::string_view proof);
// What shows the client that the server knows its keys.
std::string ScramServerSignature(const ScramKeys& keys, std::string_view auth_message);

// A password that is not all ASCII matches prepared or as it is: Dovecot makes keys of it as it is.
extern const SchemeFamily kScramFamily;

}  // namespace poplar::auth
