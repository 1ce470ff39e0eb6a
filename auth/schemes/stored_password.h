// A stored password, read: whose notation it is in, and what that family of schemes makes of it.
// A value is `{TAG}data` (the tag in any case, as Dovecot and OpenLDAP write it) or bare, as
// crypt(5), argon2, passlib and PostgreSQL write it. What has no known form is unusable: never is
// anything taken as clear text that does not say so.
//
// Stored values are not trusted: all is bounded before anything is computed. Any thread.

#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

struct evp_md_st;

namespace poplar::auth {

inline constexpr uint32_t kStoredPasswordBytesMax = 1024;

// Weak: whoever gets the database tries millions of passwords a second, or needs to try none.
enum class Strength : uint8_t { kWeak, kStrong };

enum class HashVerdict : uint8_t {
  kMatch,
  kMismatch,
  // Empty, damaged or too costly a hash; or too weak, and the password would be right. None fits.
  kUnusable,
};

// How the octets of a digest are written, where a tag says so: {SSHA.HEX}.
enum class Encoding : uint8_t { kAsUsual, kBase64, kHex };

struct Scheme;

// The views are into what was parsed.
struct StoredPassword {
  const Scheme* scheme = nullptr;
  Encoding encoding = Encoding::kAsUsual;
  std::string_view text;  // All of it.
  std::string_view data;  // What follows the tag, if there is one.
};

// Schemes that share a notation.
struct SchemeFamily {
  // Nothing: damaged, or it asks for more memory or time than the family's bounds. Computes
  // nothing.
  std::optional<Strength> (*examine)(const StoredPassword& stored);
  // REQUIRES: `examine` gave something.
  HashVerdict (*verify)(const StoredPassword& stored, std::string_view password);
};

struct Scheme {
  std::string_view name;  // For listings: "yescrypt".
  const SchemeFamily* family = nullptr;
  const evp_md_st* (*digest)() = nullptr;  // Where the scheme is made of one.
};

// Nothing: no known form.
std::optional<StoredPassword> ParseStoredPassword(std::string_view text);

// Of one that is stored in clear ({PLAIN}), a view into it; nothing of others.
std::optional<std::string_view> PasswordInClear(std::string_view stored);

}  // namespace poplar::auth
