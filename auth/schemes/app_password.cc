#include "auth/schemes/app_password.h"

#include <openssl/evp.h>
#include <openssl/rand.h>

#include <array>

#include "auth/schemes/stored_fields.h"
#include "auth/schemes/stored_password.h"
#include "core/base/check.h"

namespace poplar::auth {
namespace {

// Nothing that looks like something else.
constexpr std::string_view kAlphabet = "abcdefghijkmnpqrstuvwxyz23456789";
static_assert(kAlphabet.size() == 32);

constexpr size_t kIdChars = 6;
constexpr size_t kSecretChars = 20;
constexpr size_t kChars = kIdChars + kSecretChars;
constexpr size_t kGroupChars = 5;
constexpr size_t kSaltBytes = 16;
constexpr size_t kDigestBytes = 32;
constexpr std::string_view kTag = "{SSHA256}";

using Chars = std::array<char, kChars>;

template <size_t bytes>
void Randomise(std::array<unsigned char, bytes>& octets) {
  POP_CHECK(RAND_bytes(octets.data(), static_cast<int>(bytes)) == 1);
}

std::string HashOf(std::string_view secret) {
  std::array<unsigned char, kSaltBytes> salt;
  Randomise(salt);
  std::array<unsigned char, kSecretChars + kSaltBytes> salted;
  std::copy(secret.begin(), secret.end(), salted.begin());
  std::copy(salt.begin(), salt.end(), salted.begin() + kSecretChars);
  std::array<unsigned char, kDigestBytes + kSaltBytes> stored;
  POP_CHECK(
      EVP_Digest(salted.data(), salted.size(), stored.data(), nullptr, EVP_sha256(), nullptr) == 1);
  base::Wipe(salted.data(), salted.size());
  std::copy(salt.begin(), salt.end(), stored.begin() + kDigestBytes);
  return std::string(kTag) +
         EncodeBase64({reinterpret_cast<const char*>(stored.data()), stored.size()});
}

}  // namespace

NewAppPassword MakeAppPassword() {
  std::array<unsigned char, kChars> random;
  Randomise(random);
  Chars chars;
  for (size_t i = 0; i < kChars; ++i) chars[i] = kAlphabet[random[i] % kAlphabet.size()];
  const std::string_view all(chars.data(), kChars);
  std::array<char, kChars + kSecretChars / kGroupChars> shown;
  size_t at = 0;
  for (size_t i = 0; i < kChars; ++i) {
    if (i >= kIdChars && (i - kIdChars) % kGroupChars == 0) shown[at++] = '-';
    shown[at++] = chars[i];
  }
  NewAppPassword made{.id = std::string(all.substr(0, kIdChars)),
                      .text = base::Secret({shown.data(), shown.size()}),
                      .hash = HashOf(all.substr(kIdChars))};
  base::Wipe(random.data(), random.size());
  base::Wipe(chars.data(), chars.size());
  base::Wipe(shown.data(), shown.size());
  return made;
}

std::optional<ParsedAppPassword> ParseAppPassword(std::string_view text) {
  Chars chars;
  size_t count = 0;
  bool fits = true;
  for (const char c : text) {
    if (c == '-' || c == ' ') continue;
    const char lower = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    fits = count < kChars && kAlphabet.find(lower) != std::string_view::npos;
    if (!fits) break;
    chars[count++] = lower;
  }
  std::optional<ParsedAppPassword> parsed;
  if (fits && count == kChars) {
    const std::string_view all(chars.data(), kChars);
    parsed = ParsedAppPassword{.id = std::string(all.substr(0, kIdChars)),
                               .secret = base::Secret(all.substr(kIdChars))};
  }
  base::Wipe(chars.data(), chars.size());
  return parsed;
}

bool IsAppPassword(std::string_view hash, const base::Secret& secret) {
  if (!hash.starts_with(kTag)) return false;
  const std::optional<StoredPassword> stored = ParseStoredPassword(hash);
  return stored && stored->scheme->family->examine(*stored) &&
         stored->scheme->family->verify(*stored, secret.Reveal()) == HashVerdict::kMatch;
}

}  // namespace poplar::auth
