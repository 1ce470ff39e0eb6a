#include "auth/schemes/password_hasher.h"

#include <crypt.h>

#include <array>
#include <utility>

#include "core/base/check.h"

namespace poplar::auth {
namespace {

static_assert(kHashablePasswordBytesMax == CRYPT_MAX_PASSPHRASE_SIZE - 1);

constexpr std::string_view kCryptTag = "{CRYPT}";

struct Scheme {
  std::string_view prefix;
  std::string_view name;
};
constexpr std::array<Scheme, 8> kStrongSchemes = {{{"$y$", "yescrypt"},
                                                   {"$gy$", "gost-yescrypt"},
                                                   {"$7$", "scrypt"},
                                                   {"$2b$", "bcrypt"},
                                                   {"$2a$", "bcrypt"},
                                                   {"$2y$", "bcrypt"},
                                                   {"$6$", "sha512crypt"},
                                                   {"$5$", "sha256crypt"}}};

std::string_view WithoutTag(std::string_view stored) {
  if (stored.size() < kCryptTag.size()) return stored;
  for (size_t i = 0; i < kCryptTag.size(); ++i) {
    const char c = stored[i];
    if ((c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c) != kCryptTag[i]) return stored;
  }
  return stored.substr(kCryptTag.size());
}

const Scheme* FindScheme(std::string_view stored) {
  for (const Scheme& scheme : kStrongSchemes) {
    if (stored.starts_with(scheme.prefix)) return &scheme;
  }
  return nullptr;
}

}  // namespace

HashOptions HashOptionsOf(std::string_view scheme_name) {
  // libxcrypt's default for bcrypt, 5, dates from 1999. Its others are of today.
  constexpr uint32_t kBcryptCost = 12;
  if (scheme_name == "bcrypt") return {.prefix = "$2b$", .cost = kBcryptCost};
  if (scheme_name == "sha512crypt") return {.prefix = "$6$", .cost = 0};
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

Status CheckStoredHash(std::string_view stored) {
  const std::string_view hash = WithoutTag(stored);
  if (hash.empty()) return MakeStatus(StatusCode::kInvalidArgument, "the hash is empty");
  if (hash.size() >= CRYPT_OUTPUT_SIZE || hash.find('\0') != std::string_view::npos) {
    return MakeStatus(StatusCode::kInvalidArgument, "the hash is too long or holds a NUL");
  }
  // Our own list decides: libxcrypt calls sha256crypt legacy too, but directories are full of it.
  const int verdict = crypt_checksalt(std::string(hash).c_str());
  const bool known = FindScheme(hash) != nullptr;
  if (!known && verdict == CRYPT_SALT_METHOD_LEGACY) {
    return MakeStatus(StatusCode::kInvalidArgument,
                      "the hash is of a scheme too weak to be used (DES, MD5 or the like)");
  }
  if (!known || (verdict != CRYPT_SALT_OK && verdict != CRYPT_SALT_METHOD_LEGACY)) {
    return MakeStatus(StatusCode::kInvalidArgument,
                      "the hash is of no known scheme ($y$, $gy$, $7$, $2b$, $6$, $5$ are)");
  }
  return OkStatus();
}

std::string_view SchemeName(std::string_view stored) {
  const std::string_view hash = WithoutTag(stored);
  if (hash.empty()) return "none";
  const Scheme* scheme = FindScheme(hash);
  return scheme == nullptr ? "unknown" : scheme->name;
}

PasswordHasher::PasswordHasher(HashOptions options)
    : options_(std::move(options)), scratch_(std::make_unique<crypt_data>()) {}

PasswordHasher::~PasswordHasher() = default;

StatusOr<std::string> PasswordHasher::Hash(const base::Secret& password) {
  POP_RETURN_IF_ERROR(CheckNewPassword(password));
  std::array<char, CRYPT_GENSALT_OUTPUT_SIZE> setting{};
  // Without bytes of ours, libxcrypt takes the salt from the kernel's generator.
  if (crypt_gensalt_rn(options_.prefix.c_str(), options_.cost, nullptr, 0, setting.data(),
                       static_cast<int>(setting.size())) == nullptr) {
    return MakeStatus(StatusCode::kInvalidArgument, "no hash can be made with scheme \"" +
                                                        options_.prefix + "\" and cost " +
                                                        std::to_string(options_.cost));
  }
  POP_RETURN_IF_ERROR(CheckStoredHash(setting.data()));
  const std::string_view hash = Compute(setting.data(), password.Reveal());
  if (hash.empty()) return MakeStatus(StatusCode::kUnavailable, "the hash could not be computed");
  return std::string(hash);
}

HashVerdict PasswordHasher::Verify(std::string_view stored, const base::Secret& password) {
  const std::string_view bytes = password.Reveal();
  const bool usable = CheckStoredHash(stored).ok();
  const bool possible = CheckNewPassword(password).ok();
  if (!usable || !possible) {
    Compute(DecoySetting(), bytes);
    return usable ? HashVerdict::kMismatch : HashVerdict::kUnusable;
  }
  const std::string_view expected = WithoutTag(stored);
  const std::string_view computed = Compute(expected, bytes);
  if (computed.empty()) return HashVerdict::kUnusable;
  return base::EqualConstantTime(computed, expected) ? HashVerdict::kMatch : HashVerdict::kMismatch;
}

void PasswordHasher::SpendOne(const base::Secret& password) {
  Compute(DecoySetting(), password.Reveal());
}

std::string_view PasswordHasher::Compute(std::string_view setting, std::string_view password) {
  // A C string of its own: libxcrypt wants a NUL behind each.
  std::array<char, CRYPT_MAX_PASSPHRASE_SIZE> phrase;
  const size_t phrase_bytes = password.copy(phrase.data(), phrase.size() - 1);
  phrase[phrase_bytes] = '\0';
  const std::string setting_text(setting);
  const char* hash = crypt_rn(phrase.data(), setting_text.c_str(), scratch_.get(),
                              static_cast<int>(sizeof(crypt_data)));
  computed_ = hash == nullptr ? "" : hash;
  base::Wipe(phrase.data(), phrase.size());
  base::Wipe(scratch_.get(), sizeof(crypt_data));
  return computed_;
}

std::string_view PasswordHasher::DecoySetting() {
  if (decoy_setting_.empty()) {
    std::array<char, CRYPT_GENSALT_OUTPUT_SIZE> setting{};
    const char* made = crypt_gensalt_rn(options_.prefix.c_str(), options_.cost, nullptr, 0,
                                        setting.data(), static_cast<int>(setting.size()));
    decoy_setting_ = made == nullptr ? "$6$poplar" : made;
  }
  return decoy_setting_;
}

}  // namespace poplar::auth
