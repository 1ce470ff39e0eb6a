#include "auth/schemes/stored_password.h"

#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <string>

#include "auth/schemes/argon2_scheme.h"
#include "auth/schemes/crypt_schemes.h"
#include "auth/schemes/digest_schemes.h"
#include "auth/schemes/pbkdf2_schemes.h"
#include "auth/schemes/scram_keys.h"

namespace poplar::auth {
namespace {

constexpr Scheme kYescrypt = {"yescrypt", &kCryptFamily};
constexpr Scheme kGostYescrypt = {"gost-yescrypt", &kCryptFamily};
constexpr Scheme kScrypt = {"scrypt", &kCryptFamily};
constexpr Scheme kBcrypt = {"bcrypt", &kCryptFamily};
constexpr Scheme kSha512Crypt = {"sha512crypt", &kCryptFamily};
constexpr Scheme kSha256Crypt = {"sha256crypt", &kCryptFamily};
constexpr Scheme kMd5Crypt = {"md5crypt", &kMd5CryptFamily};
constexpr Scheme kArgon2id = {"argon2id", &kArgon2Family};
constexpr Scheme kArgon2i = {"argon2i", &kArgon2Family};
constexpr Scheme kPbkdf2Dovecot = {"pbkdf2-sha1", &kPbkdf2DovecotFamily, &EVP_sha1};
constexpr Scheme kPbkdf2Sha1 = {"pbkdf2-sha1", &kPbkdf2PasslibFamily, &EVP_sha1};
constexpr Scheme kPbkdf2Sha256 = {"pbkdf2-sha256", &kPbkdf2PasslibFamily, &EVP_sha256};
constexpr Scheme kPbkdf2Sha512 = {"pbkdf2-sha512", &kPbkdf2PasslibFamily, &EVP_sha512};
constexpr Scheme kPbkdf2LdapSha1 = {"pbkdf2-sha1", &kPbkdf2LdapFamily, &EVP_sha1};
constexpr Scheme kPbkdf2LdapSha256 = {"pbkdf2-sha256", &kPbkdf2LdapFamily, &EVP_sha256};
constexpr Scheme kPbkdf2LdapSha512 = {"pbkdf2-sha512", &kPbkdf2LdapFamily, &EVP_sha512};
constexpr Scheme kScramSha1 = {"scram-sha-1", &kScramFamily};
constexpr Scheme kScramSha256 = {"scram-sha-256", &kScramFamily};
constexpr Scheme kSsha = {"ssha", &kSaltedDigestFamily, &EVP_sha1};
constexpr Scheme kSsha256 = {"ssha256", &kSaltedDigestFamily, &EVP_sha256};
constexpr Scheme kSsha512 = {"ssha512", &kSaltedDigestFamily, &EVP_sha512};
constexpr Scheme kSmd5 = {"smd5", &kSaltedDigestFamily, &EVP_md5};
constexpr Scheme kSha = {"sha", &kDigestFamily, &EVP_sha1};
constexpr Scheme kSha256 = {"sha256", &kDigestFamily, &EVP_sha256};
constexpr Scheme kSha512 = {"sha512", &kDigestFamily, &EVP_sha512};
constexpr Scheme kMd5 = {"md5", &kDigestFamily, &EVP_md5};
constexpr Scheme kPlain = {"plain", &kPlainFamily};

// A value that has one of the tags, or none where it may be bare, and then begins with the prefix.
struct Notation {
  std::string_view prefix;
  bool bare;
  std::array<std::string_view, 3> tags;
  const Scheme* scheme;
};

constexpr auto kNotations = std::to_array<Notation>({
    {"$y$", true, {"CRYPT"}, &kYescrypt},
    {"$gy$", true, {"CRYPT"}, &kGostYescrypt},
    {"$7$", true, {"CRYPT"}, &kScrypt},
    {"$2b$", true, {"CRYPT", "BLF-CRYPT"}, &kBcrypt},
    {"$2a$", true, {"CRYPT", "BLF-CRYPT"}, &kBcrypt},
    {"$2y$", true, {"CRYPT", "BLF-CRYPT"}, &kBcrypt},
    {"$6$", true, {"CRYPT", "SHA512-CRYPT"}, &kSha512Crypt},
    {"$5$", true, {"CRYPT", "SHA256-CRYPT"}, &kSha256Crypt},
    {"$1$", true, {"CRYPT", "MD5-CRYPT", "MD5"}, &kMd5Crypt},
    {"$argon2id$", true, {"ARGON2ID", "ARGON2"}, &kArgon2id},
    {"$argon2i$", true, {"ARGON2I", "ARGON2"}, &kArgon2i},
    {"$pbkdf2$", true, {}, &kPbkdf2Sha1},
    {"$pbkdf2-sha256$", true, {}, &kPbkdf2Sha256},
    {"$pbkdf2-sha512$", true, {}, &kPbkdf2Sha512},
    // Dovecot's before OpenLDAP's of the same tag, which begins with its rounds.
    {"$1$", false, {"PBKDF2"}, &kPbkdf2Dovecot},
    {"", false, {"PBKDF2", "PBKDF2-SHA1"}, &kPbkdf2LdapSha1},
    {"", false, {"PBKDF2-SHA256"}, &kPbkdf2LdapSha256},
    {"", false, {"PBKDF2-SHA512"}, &kPbkdf2LdapSha512},
    {"SCRAM-SHA-1$", true, {}, &kScramSha1},
    {"SCRAM-SHA-256$", true, {}, &kScramSha256},
    {"", false, {"SCRAM-SHA-1"}, &kScramSha1},
    {"", false, {"SCRAM-SHA-256"}, &kScramSha256},
    {"", false, {"SSHA"}, &kSsha},
    {"", false, {"SSHA256"}, &kSsha256},
    {"", false, {"SSHA512"}, &kSsha512},
    {"", false, {"SMD5"}, &kSmd5},
    {"", false, {"SHA", "SHA1"}, &kSha},
    {"", false, {"SHA256"}, &kSha256},
    {"", false, {"SHA512"}, &kSha512},
    {"", false, {"MD5", "LDAP-MD5", "PLAIN-MD5"}, &kMd5},
    {"", false, {"PLAIN", "CLEAR", "CLEARTEXT"}, &kPlain},
});

// An empty entry of `tags` is no tag.
bool Fits(const Notation& notation, std::string_view tag, bool tagged, std::string_view data) {
  if (!data.starts_with(notation.prefix)) return false;
  if (!tagged) return notation.bare;
  return !tag.empty() &&
         std::find(notation.tags.begin(), notation.tags.end(), tag) != notation.tags.end();
}

// Cuts the end off that names an encoding.
Encoding TakeEncoding(std::string& tag) {
  const size_t dot = tag.find('.');
  if (dot == std::string::npos) return Encoding::kAsUsual;
  const std::string name = tag.substr(dot + 1);
  if (name != "HEX" && name != "B64" && name != "BASE64") return Encoding::kAsUsual;
  tag.resize(dot);
  return name == "HEX" ? Encoding::kHex : Encoding::kBase64;
}

bool TakesEncoding(const Scheme& scheme) {
  return scheme.family == &kDigestFamily || scheme.family == &kSaltedDigestFamily;
}

}  // namespace

std::optional<StoredPassword> ParseStoredPassword(std::string_view text) {
  if (text.size() > kStoredPasswordBytesMax || text.find('\0') != std::string_view::npos) {
    return std::nullopt;
  }
  StoredPassword stored;
  stored.text = text;
  std::string tag;
  const bool tagged = text.starts_with('{');
  if (tagged) {
    const size_t end = text.find('}');
    if (end == std::string_view::npos) return std::nullopt;
    tag = text.substr(1, end - 1);
    for (char& c : tag) {
      if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
    }
    stored.encoding = TakeEncoding(tag);
    text.remove_prefix(end + 1);
  }
  stored.data = text;
  for (const Notation& notation : kNotations) {
    if (!Fits(notation, tag, tagged, text)) continue;
    if (stored.encoding != Encoding::kAsUsual && !TakesEncoding(*notation.scheme)) continue;
    stored.scheme = notation.scheme;
    return stored;
  }
  return std::nullopt;
}

std::optional<std::string_view> PasswordInClear(std::string_view stored) {
  const std::optional<StoredPassword> parsed = ParseStoredPassword(stored);
  if (!parsed || parsed->scheme->family != &kPlainFamily || parsed->data.empty()) {
    return std::nullopt;
  }
  return parsed->data;
}

}  // namespace poplar::auth
