#include "auth/schemes/scram_keys.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "auth/schemes/pbkdf2_schemes.h"
#include "auth/schemes/prepared_text.h"
#include "auth/schemes/stored_fields.h"
#include "core/base/check.h"

namespace poplar::auth {
namespace {

constexpr uint32_t kNewSaltBytes = 16;
static_assert(kScramIterationsMax <= kPbkdf2RoundsMax);

const EVP_MD* DigestOf(ScramHash hash) {
  return hash == ScramHash::kSha1 ? EVP_sha1() : EVP_sha256();
}

size_t KeyBytes(ScramHash hash) { return static_cast<size_t>(EVP_MD_get_size(DigestOf(hash))); }

std::optional<std::string> Hmac(const EVP_MD* digest, std::string_view key, std::string_view text) {
  std::string mac(static_cast<size_t>(EVP_MD_get_size(digest)), '\0');
  if (HMAC(digest, key.data(), static_cast<int>(key.size()),
           reinterpret_cast<const unsigned char*>(text.data()), text.size(),
           reinterpret_cast<unsigned char*>(mac.data()), nullptr) == nullptr) {
    return std::nullopt;
  }
  return mac;
}

std::optional<std::string> Digest(const EVP_MD* digest, std::string_view text) {
  std::string result(static_cast<size_t>(EVP_MD_get_size(digest)), '\0');
  if (EVP_Digest(text.data(), text.size(), reinterpret_cast<unsigned char*>(result.data()), nullptr,
                 digest, nullptr) != 1) {
    return std::nullopt;
  }
  return result;
}

// What clients compute with.
base::Secret Prepare(std::string_view password) {
  std::optional<base::Secret> prepared = SaslPrep(password);
  return prepared && !prepared->empty() ? std::move(*prepared) : base::Secret(password);
}

// RFC 5802 §3. False: OpenSSL refused.
bool ComputeKeys(std::string_view prepared, ScramKeys& keys) {
  const EVP_MD* digest = DigestOf(keys.hash);
  std::optional<std::string> salted = DerivePbkdf2(digest, prepared, keys.salt, keys.iterations);
  if (!salted) return false;
  std::optional<std::string> client_key = Hmac(digest, *salted, "Client Key");
  std::optional<std::string> server_key = Hmac(digest, *salted, "Server Key");
  base::Wipe(salted->data(), salted->size());
  if (!client_key || !server_key) return false;
  std::optional<std::string> stored_key = Digest(digest, *client_key);
  base::Wipe(client_key->data(), client_key->size());
  if (!stored_key) return false;
  keys.stored_key = std::move(*stored_key);
  keys.server_key = std::move(*server_key);
  return true;
}

HashVerdict Compare(const ScramKeys& keys, std::string_view prepared) {
  ScramKeys computed = {.hash = keys.hash, .iterations = keys.iterations, .salt = keys.salt};
  if (!ComputeKeys(prepared, computed)) return HashVerdict::kUnusable;
  const bool stored_same = base::EqualConstantTime(computed.stored_key, keys.stored_key);
  const bool server_same = base::EqualConstantTime(computed.server_key, keys.server_key);
  return stored_same && server_same ? HashVerdict::kMatch : HashVerdict::kMismatch;
}

// The four fields, whatever stood between them.
std::optional<ScramKeys> FromFields(ScramHash hash, std::string_view iterations,
                                    std::string_view salt, std::string_view stored_key,
                                    std::string_view server_key) {
  const std::optional<uint32_t> count = ParseCount(iterations);
  std::optional<std::string> salt_bytes = DecodeBase64(salt);
  std::optional<std::string> stored_bytes = DecodeBase64(stored_key);
  std::optional<std::string> server_bytes = DecodeBase64(server_key);
  if (!count || *count == 0 || *count > kScramIterationsMax || !salt_bytes || !stored_bytes ||
      !server_bytes || salt_bytes->empty() || salt_bytes->size() > kScramSaltBytesMax ||
      stored_bytes->size() != KeyBytes(hash) || server_bytes->size() != KeyBytes(hash)) {
    return std::nullopt;
  }
  return ScramKeys{.hash = hash,
                   .iterations = *count,
                   .salt = std::move(*salt_bytes),
                   .stored_key = std::move(*stored_bytes),
                   .server_key = std::move(*server_bytes)};
}

// "iterations:salt", "StoredKey:ServerKey".
std::optional<ScramKeys> ParseRfc5803(ScramHash hash, std::string_view text) {
  const std::vector<std::string_view> halves = SplitFields(text, '$');
  if (halves.size() != 2) return std::nullopt;
  const std::vector<std::string_view> info = SplitFields(halves[0], ':');
  const std::vector<std::string_view> keys = SplitFields(halves[1], ':');
  if (info.size() != 2 || keys.size() != 2) return std::nullopt;
  return FromFields(hash, info[0], info[1], keys[0], keys[1]);
}

std::optional<ScramKeys> ParseDovecot(ScramHash hash, std::string_view text) {
  const std::vector<std::string_view> fields = SplitFields(text, ',');
  if (fields.size() != 4) return std::nullopt;
  return FromFields(hash, fields[0], fields[1], fields[2], fields[3]);
}

std::optional<Strength> Examine(const StoredPassword& stored) {
  const std::optional<ScramKeys> keys = ParseScramKeys(stored.text);
  if (!keys) return std::nullopt;
  return keys->iterations < kScramIterationsStrongMin ? Strength::kWeak : Strength::kStrong;
}

HashVerdict Verify(const StoredPassword& stored, std::string_view password) {
  const std::optional<ScramKeys> keys = ParseScramKeys(stored.text);
  if (!keys) return HashVerdict::kUnusable;
  const base::Secret prepared = Prepare(password);
  const HashVerdict verdict = Compare(*keys, prepared.Reveal());
  if (verdict != HashVerdict::kMismatch || prepared.Reveal() == password) return verdict;
  return Compare(*keys, password);
}

}  // namespace

const SchemeFamily kScramFamily = {.examine = &Examine, .verify = &Verify};

std::string_view MechanismName(ScramHash hash) {
  return hash == ScramHash::kSha1 ? "SCRAM-SHA-1" : "SCRAM-SHA-256";
}

std::optional<ScramKeys> ParseScramKeys(std::string_view stored) {
  if (stored.size() > kStoredPasswordBytesMax) return std::nullopt;
  for (const ScramHash hash : {ScramHash::kSha1, ScramHash::kSha256}) {
    const std::string bare = std::string(MechanismName(hash)) + "$";
    if (stored.starts_with(bare)) return ParseRfc5803(hash, stored.substr(bare.size()));
    const std::string tag = "{" + std::string(MechanismName(hash)) + "}";
    if (absl::StartsWithIgnoreCase(ToAbsl(stored), ToAbsl(tag))) {
      return ParseDovecot(hash, stored.substr(tag.size()));
    }
  }
  return std::nullopt;
}

std::string FormatScramKeys(const ScramKeys& keys) {
  return std::string(MechanismName(keys.hash)) + "$" + std::to_string(keys.iterations) + ":" +
         EncodeBase64(keys.salt) + "$" + EncodeBase64(keys.stored_key) + ":" +
         EncodeBase64(keys.server_key);
}

StatusOr<ScramKeys> MakeScramKeys(ScramHash hash, const base::Secret& password,
                                  uint32_t iterations) {
  if (iterations == 0 || iterations > kScramIterationsMax) {
    return MakeStatus(StatusCode::kInvalidArgument,
                      "SCRAM cannot have " + std::to_string(iterations) + " iterations");
  }
  std::array<unsigned char, kNewSaltBytes> salt;
  POP_CHECK(RAND_bytes(salt.data(), static_cast<int>(salt.size())) == 1);
  return ComputeScramKeys(hash, password, {reinterpret_cast<const char*>(salt.data()), salt.size()},
                          iterations);
}

StatusOr<ScramKeys> ComputeScramKeys(ScramHash hash, const base::Secret& password,
                                     std::string_view salt, uint32_t iterations) {
  ScramKeys keys = {.hash = hash, .iterations = iterations, .salt = std::string(salt)};
  const base::Secret prepared = Prepare(password.Reveal());
  if (!ComputeKeys(prepared.Reveal(), keys)) {
    return MakeStatus(StatusCode::kUnavailable, "the SCRAM keys could not be computed");
  }
  return keys;
}

std::string NewScramSetting(uint32_t iterations) {
  if (iterations == 0) iterations = kScramIterations;
  if (iterations > kScramIterationsMax) return "";
  std::array<char, kNewSaltBytes> salt;
  POP_CHECK(RAND_bytes(reinterpret_cast<unsigned char*>(salt.data()),
                       static_cast<int>(salt.size())) == 1);
  return std::string(kScramSha256Prefix) + std::to_string(iterations) + ":" +
         EncodeBase64({salt.data(), salt.size()});
}

std::string ComputeScramSetting(std::string_view setting, std::string_view password) {
  const std::vector<std::string_view> fields =
      SplitFields(setting.substr(kScramSha256Prefix.size()), ':');
  const std::optional<uint32_t> iterations = ParseCount(fields.front());
  const std::optional<std::string> salt = DecodeBase64(fields.back());
  if (!iterations || !salt) return "";
  const StatusOr<ScramKeys> keys =
      ComputeScramKeys(ScramHash::kSha256, base::Secret(password), *salt, *iterations);
  return keys.ok() ? FormatScramKeys(*keys) : "";
}

bool IsScramProof(const ScramKeys& keys, std::string_view auth_message, std::string_view proof) {
  const EVP_MD* digest = DigestOf(keys.hash);
  std::optional<std::string> client_key = Hmac(digest, keys.stored_key, auth_message);
  if (!client_key || proof.size() != client_key->size()) return false;
  for (size_t i = 0; i < proof.size(); ++i)
    (*client_key)[i] = static_cast<char>((*client_key)[i] ^ proof[i]);
  const std::optional<std::string> stored_key = Digest(digest, *client_key);
  base::Wipe(client_key->data(), client_key->size());
  return stored_key && base::EqualConstantTime(*stored_key, keys.stored_key);
}

std::string ScramServerSignature(const ScramKeys& keys, std::string_view auth_message) {
  return Hmac(DigestOf(keys.hash), keys.server_key, auth_message).value_or("");
}

}  // namespace poplar::auth
