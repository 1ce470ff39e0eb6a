#include "auth/schemes/password_hasher.h"

#include <crypt.h>

#include <optional>
#include <utility>

#include "auth/schemes/argon2_scheme.h"
#include "auth/schemes/crypt_schemes.h"

namespace poplar::auth {

// How hashes are made: a setting is the parameters and a fresh salt, all of a hash but its end.
struct HashMaker {
  std::string (*new_setting)(const HashOptions& options);  // Empty: it cannot be.
  std::string (*compute)(std::string_view setting, std::string_view password);  // Empty: failed.
};

namespace {

static_assert(kHashablePasswordBytesMax == CRYPT_MAX_PASSPHRASE_SIZE - 1);

constexpr HashMaker kCryptMaker = {
    [](const HashOptions& options) { return NewCryptSetting(options.prefix, options.cost); },
    &ComputeCrypt};
constexpr HashMaker kArgon2Maker = {
    [](const HashOptions& options) { return NewArgon2Setting(options.cost); }, &ComputeArgon2};
constexpr HashMaker kScramMaker = {
    [](const HashOptions& options) { return NewScramSetting(options.cost); }, &ComputeScramSetting};

const HashMaker& MakerOf(const HashOptions& options) {
  if (options.prefix == kScramSha256Prefix) return kScramMaker;
  return options.prefix == kArgon2idPrefix ? kArgon2Maker : kCryptMaker;
}

StatusOr<StoredPassword> Usable(std::string_view stored, WeakSchemes weak) {
  if (stored.empty()) return MakeStatus(StatusCode::kInvalidArgument, "the hash is empty");
  const std::optional<StoredPassword> parsed = ParseStoredPassword(stored);
  if (!parsed) {
    return MakeStatus(StatusCode::kInvalidArgument,
                      "the hash is of no known scheme ($y$, $2b$, $6$, $argon2id$, {PBKDF2} and "
                      "others are; auth/README.md lists them)");
  }
  const std::string name(parsed->scheme->name);
  const std::optional<Strength> strength = parsed->scheme->family->examine(*parsed);
  if (!strength) {
    return MakeStatus(StatusCode::kInvalidArgument,
                      "the hash (" + name + ") is damaged, or asks for too much memory or time");
  }
  if (*strength == Strength::kWeak && weak == WeakSchemes::kRefuse) {
    return MakeStatus(StatusCode::kInvalidArgument,
                      "the hash is of a scheme too weak to be used (" + name + ")");
  }
  return *parsed;
}

}  // namespace

HashOptions HashOptionsOf(std::string_view scheme_name, uint32_t scram_iterations) {
  // libxcrypt's default for bcrypt, 5, dates from 1999. Its others are of today.
  constexpr uint32_t kBcryptCost = 12;
  if (scheme_name == "bcrypt") return {.prefix = "$2b$", .cost = kBcryptCost};
  if (scheme_name == "sha512crypt") return {.prefix = "$6$", .cost = 0};
  if (scheme_name == "argon2id") return {.prefix = std::string(kArgon2idPrefix), .cost = 0};
  if (scheme_name == "scram-sha-256") {
    return {.prefix = std::string(kScramSha256Prefix), .cost = scram_iterations};
  }
  return {};
}

Status CheckNewPassword(const base::Secret& password) {
  const std::string_view bytes = password.Reveal();
  if (bytes.empty()) return MakeStatus(StatusCode::kInvalidArgument, "the password is empty");
  if (bytes.size() > kHashablePasswordBytesMax) {
    return MakeStatus(StatusCode::kInvalidArgument, "the password is longer than 511 octets");
  }
  if (bytes.find_first_of(std::string_view("\0\r\n", 3)) != std::string_view::npos) {
    return MakeStatus(StatusCode::kInvalidArgument, "the password holds a NUL or a line end");
  }
  return OkStatus();
}

Status CheckStoredHash(std::string_view stored, WeakSchemes weak) {
  return Usable(stored, weak).status();
}

std::string WhyUnusable(std::string_view stored, WeakSchemes weak) {
  const Status fault = CheckStoredHash(stored, weak);
  if (fault.ok()) return "the stored password could not be compared: out of memory?";
  if (CheckStoredHash(stored, WeakSchemes::kAllow).ok()) {
    return "the stored password is of a weak scheme (" + std::string(SchemeName(stored)) +
           "), which counts only with weak_schemes = true, of the back end or the tenant";
  }
  return "the stored password cannot be used: " + std::string(Message(fault));
}

std::string_view SchemeName(std::string_view stored) {
  if (stored.empty()) return "none";
  const std::optional<StoredPassword> parsed = ParseStoredPassword(stored);
  return parsed ? parsed->scheme->name : "unknown";
}

PasswordHasher::PasswordHasher(HashOptions options)
    : options_(std::move(options)),
      maker_(MakerOf(options_)),
      decoy_setting_(maker_.new_setting(options_)) {}

StatusOr<std::string> PasswordHasher::Hash(const base::Secret& password) const {
  POP_RETURN_IF_ERROR(CheckNewPassword(password));
  const std::string setting = maker_.new_setting(options_);
  if (setting.empty()) {
    return MakeStatus(StatusCode::kInvalidArgument, "no hash can be made with scheme \"" +
                                                        options_.prefix + "\" and cost " +
                                                        std::to_string(options_.cost));
  }
  std::string hash = maker_.compute(setting, password.Reveal());
  if (hash.empty()) return MakeStatus(StatusCode::kUnavailable, "the hash could not be computed");
  POP_RETURN_IF_ERROR(CheckStoredHash(hash));
  return hash;
}

HashVerdict PasswordHasher::Verify(std::string_view stored, const base::Secret& password,
                                   WeakSchemes weak) const {
  const StatusOr<StoredPassword> readable = Usable(stored, WeakSchemes::kAllow);
  if (!readable.ok() || !CheckNewPassword(password).ok()) {
    SpendOne(password);
    return readable.ok() ? HashVerdict::kMismatch : HashVerdict::kUnusable;
  }
  HashVerdict verdict = readable->scheme->family->verify(*readable, password.Reveal());
  if (verdict == HashVerdict::kMatch && !Usable(stored, weak).ok())
    verdict = HashVerdict::kUnusable;
  if (verdict == HashVerdict::kUnusable ||
      (verdict == HashVerdict::kMismatch && !IsOfToday(*readable))) {
    SpendOne(password);
  }
  return verdict;
}

void PasswordHasher::SpendOne(const base::Secret& password) const {
  if (decoy_setting_.empty()) {
    ComputeCrypt("$6$poplar", password.Reveal());
  } else {
    maker_.compute(decoy_setting_, password.Reveal());
  }
}

bool PasswordHasher::NeedsRehash(std::string_view stored, const base::Secret& password) const {
  const std::optional<StoredPassword> parsed = ParseStoredPassword(stored);
  if (!parsed || parsed->scheme->family == &kScramFamily || decoy_setting_.empty()) return false;
  if (password.Reveal().size() > kBcryptPasswordBytesRead && parsed->scheme->name == "bcrypt") {
    return false;
  }
  return !IsOfToday(*parsed);
}

bool PasswordHasher::IsOfToday(const StoredPassword& stored) const {
  // What stands before the salt. bcrypt's hash follows its salt directly; SCRAM has a colon.
  const std::string_view setting = decoy_setting_;
  const size_t separator = setting.starts_with('$') ? setting.rfind('$') : setting.find(':');
  const std::string_view parameters = setting.substr(0, separator + 1);
  if (parameters.empty() || !stored.data.starts_with(parameters)) return false;
  // SHA-crypt names its cost only where it is not the default.
  return !stored.data.substr(parameters.size()).starts_with("rounds=");
}

}  // namespace poplar::auth
