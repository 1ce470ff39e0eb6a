#include "auth/schemes/crypt_schemes.h"

#include <crypt.h>

#include <array>
#include <memory>
#include <optional>

#include "auth/schemes/stored_fields.h"
#include "core/base/secret.h"

namespace poplar::auth {
namespace {

constexpr std::string_view kDigits =
    "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

bool WithinMemory(size_t log2_n, uint64_t r, uint64_t p) {
  // scrypt's and yescrypt's table is of N blocks of 128 * r octets; p is work, but let it count.
  constexpr uint64_t kBlocksMax = kCryptMemoryBytesMax / 128;
  return log2_n < 32 && r > 0 && p > 0 && r <= kBlocksMax && p <= kBlocksMax &&
         r * p <= kBlocksMax >> log2_n;
}

// `j9T$...`: flavour, N and r, each in one digit, as crypt_gensalt writes them. Longer ones give
// further parameters, or larger.
bool YescryptWithinBounds(std::string_view rest) {
  constexpr size_t kOneDigitMax = 47;
  if (rest.size() < 4 || rest[3] != '$') return false;
  std::array<size_t, 3> values;
  for (size_t i = 0; i < values.size(); ++i) {
    values[i] = kDigits.find(rest[i]);
    if (values[i] > kOneDigitMax) return false;
  }
  return WithinMemory(values[1] + 1, values[2] + 1, 1);
}

// N in one digit, r and p in five each, the lowest first.
bool ScryptWithinBounds(std::string_view rest) {
  if (rest.size() < 11) return false;
  std::array<uint64_t, 2> values{};
  for (size_t i = 0; i < 10; ++i) {
    const size_t digit = kDigits.find(rest[1 + i]);
    if (digit == std::string_view::npos) return false;
    values[i / 5] |= uint64_t{digit} << (6 * (i % 5));
  }
  return WithinMemory(kDigits.find(rest.front()), values[0], values[1]);
}

bool BcryptWithinBounds(std::string_view rest) {
  if (rest.size() < 3 || rest[2] != '$') return false;
  const auto cost = ParseCount(rest.starts_with('0') ? rest.substr(1, 1) : rest.substr(0, 2));
  return cost.has_value() && *cost <= kBcryptCostMax;
}

bool ShaCryptWithinBounds(std::string_view rest) {
  constexpr std::string_view kRounds = "rounds=";
  if (!rest.starts_with(kRounds)) return true;
  rest.remove_prefix(kRounds.size());
  const auto rounds = ParseCount(rest.substr(0, rest.find('$')));
  return rounds.has_value() && *rounds <= kShaCryptRoundsMax;
}

bool WithinBounds(std::string_view hash) {
  const size_t end = hash.find('$', 1);
  if (end == std::string_view::npos) return false;
  const std::string_view method = hash.substr(1, end - 1);
  const std::string_view rest = hash.substr(end + 1);
  if (method == "y" || method == "gy") return YescryptWithinBounds(rest);
  if (method == "7") return ScryptWithinBounds(rest);
  if (method == "6" || method == "5") return ShaCryptWithinBounds(rest);
  if (method.starts_with('2')) return BcryptWithinBounds(rest);
  return method == "1";  // Always 1,000 rounds.
}

// Whether libxcrypt can do something with it at all.
bool IsSound(std::string_view hash) {
  if (hash.size() >= CRYPT_OUTPUT_SIZE || !WithinBounds(hash)) return false;
  // Which of them are too weak is ours to say: libxcrypt calls sha256crypt legacy as well.
  const int verdict = crypt_checksalt(std::string(hash).c_str());
  return verdict == CRYPT_SALT_OK || verdict == CRYPT_SALT_METHOD_LEGACY;
}

template <Strength strength>
std::optional<Strength> Examine(const StoredPassword& stored) {
  return IsSound(stored.data) ? std::optional(strength) : std::nullopt;
}

HashVerdict Verify(const StoredPassword& stored, std::string_view password) {
  const std::string computed = ComputeCrypt(stored.data, password);
  if (computed.empty()) return HashVerdict::kUnusable;
  return base::EqualConstantTime(computed, stored.data) ? HashVerdict::kMatch
                                                        : HashVerdict::kMismatch;
}

}  // namespace

const SchemeFamily kCryptFamily = {.examine = &Examine<Strength::kStrong>, .verify = &Verify};
const SchemeFamily kMd5CryptFamily = {.examine = &Examine<Strength::kWeak>, .verify = &Verify};

std::string NewCryptSetting(const std::string& prefix, uint32_t cost) {
  std::array<char, CRYPT_GENSALT_OUTPUT_SIZE> setting{};
  const char* made = crypt_gensalt_rn(prefix.c_str(), cost, nullptr, 0, setting.data(),
                                      static_cast<int>(setting.size()));
  return made == nullptr ? "" : made;
}

std::string ComputeCrypt(std::string_view setting, std::string_view password) {
  // A C string of its own: libxcrypt wants a NUL behind each.
  std::array<char, CRYPT_MAX_PASSPHRASE_SIZE> phrase;
  const size_t phrase_bytes = password.copy(phrase.data(), phrase.size() - 1);
  phrase[phrase_bytes] = '\0';
  const std::string setting_text(setting);
  const auto scratch = std::make_unique<crypt_data>();
  const char* hash = crypt_rn(phrase.data(), setting_text.c_str(), scratch.get(),
                              static_cast<int>(sizeof(crypt_data)));
  std::string computed = hash == nullptr ? "" : hash;
  base::Wipe(phrase.data(), phrase.size());
  base::Wipe(scratch.get(), sizeof(crypt_data));
  return computed;
}

}  // namespace poplar::auth
