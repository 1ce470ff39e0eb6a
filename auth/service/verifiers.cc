#include "auth/service/verifiers.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

#include <array>
#include <utility>

#include "auth/schemes/digest_schemes.h"
#include "auth/schemes/stored_password.h"
#include "core/base/check.h"

namespace poplar::auth {
namespace {

constexpr size_t kSecretBytes = 32;
constexpr size_t kSaltBytes = 16;  // As new keys have.
constexpr size_t kSha1Bytes = 20;

std::string NewSecret() {
  std::string secret(kSecretBytes, '\0');
  POP_CHECK(RAND_bytes(reinterpret_cast<unsigned char*>(secret.data()), kSecretBytes) == 1);
  return secret;
}

ScramHash HashOf(std::string_view mechanism) {
  return mechanism == MechanismName(ScramHash::kSha1) ? ScramHash::kSha1 : ScramHash::kSha256;
}

Verifier Made(std::string_view mechanism, std::string_view material) {
  return {.mechanism = std::string(mechanism), .material = base::Secret(material)};
}

// Nothing: it is none.
std::optional<std::string_view> ClearText(std::string_view stored, WeakSchemes weak) {
  return weak == WeakSchemes::kRefuse ? std::nullopt : PasswordInClear(stored);
}

}  // namespace

VerifierMaker::VerifierMaker(uint32_t scram_iterations)
    : scram_iterations_(scram_iterations), secret_(NewSecret()) {}

std::optional<Verifier> VerifierMaker::Take(std::string_view mechanism, std::string_view stored,
                                            WeakSchemes weak) const {
  if (!Computes(mechanism)) {
    const std::optional<std::string_view> clear = ClearText(stored, weak);
    return clear ? std::optional(Made(mechanism, *clear)) : std::nullopt;
  }
  if (!CheckStoredHash(stored, weak).ok()) return std::nullopt;
  const std::optional<ScramKeys> keys = ParseScramKeys(stored);
  if (!keys || keys->hash != HashOf(mechanism)) return std::nullopt;
  return Made(mechanism, FormatScramKeys(*keys));
}

std::optional<Verifier> VerifierMaker::Compute(std::string_view mechanism, std::string_view login,
                                               std::string_view stored, WeakSchemes weak) const {
  const std::optional<std::string_view> clear = ClearText(stored, weak);
  const base::Secret password(clear ? std::string(*clear) : Secret("password", mechanism, login));
  const StatusOr<ScramKeys> keys =
      ComputeScramKeys(HashOf(mechanism), password, Salt(mechanism, login), scram_iterations_);
  if (!keys.ok() || !clear) return std::nullopt;
  return Made(mechanism, FormatScramKeys(*keys));
}

Verifier VerifierMaker::Decoy(std::string_view mechanism, std::string_view login) const {
  if (!Computes(mechanism)) return Made(mechanism, Secret("password", mechanism, login));
  ScramKeys keys = {.hash = HashOf(mechanism),
                    .iterations = scram_iterations_,
                    .salt = Salt(mechanism, login),
                    .stored_key = Secret("stored key", mechanism, login),
                    .server_key = Secret("server key", mechanism, login)};
  if (keys.hash == ScramHash::kSha1) {
    keys.stored_key.resize(kSha1Bytes);
    keys.server_key.resize(kSha1Bytes);
  }
  return Made(mechanism, FormatScramKeys(keys));
}

std::string VerifierMaker::Salt(std::string_view mechanism, std::string_view login) const {
  return Secret("salt", mechanism, login).substr(0, kSaltBytes);
}

std::string VerifierMaker::Secret(std::string_view what, std::string_view mechanism,
                                  std::string_view login) const {
  std::string text;
  for (const std::string_view part : {what, mechanism, login}) text.append(part).push_back('\0');
  std::string mac(kSecretBytes, '\0');
  POP_CHECK(HMAC(EVP_sha256(), secret_.data(), static_cast<int>(secret_.size()),
                 reinterpret_cast<const unsigned char*>(text.data()), text.size(),
                 reinterpret_cast<unsigned char*>(mac.data()), nullptr) != nullptr);
  return mac;
}

}  // namespace poplar::auth
