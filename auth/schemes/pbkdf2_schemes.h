// PBKDF2 (RFC 8018), by OpenSSL, as three worlds write it:
//
//   Dovecot   {PBKDF2}$1$salt$rounds$hex          HMAC-SHA1; the salt as it stands
//   passlib   $pbkdf2-sha256$rounds$salt$hash     base64, adapted; $pbkdf2$ is SHA-1
//   OpenLDAP  {PBKDF2-SHA256}rounds$salt$hash     the same; {PBKDF2} is SHA-1
//
// The derived key is as long as the digest in all of them. Any thread.

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "auth/schemes/stored_password.h"

namespace poplar::auth {

// A core of 2020 needs some seconds for so many, with SHA-512.
inline constexpr uint32_t kPbkdf2RoundsMax = 5'000'000;
// RFC 8018 §4.2 asks for at least so many; with fewer it is weak.
inline constexpr uint32_t kPbkdf2RoundsStrongMin = 1'000;

extern const SchemeFamily kPbkdf2DovecotFamily;
extern const SchemeFamily kPbkdf2PasslibFamily;
extern const SchemeFamily kPbkdf2LdapFamily;

// As many octets as the digest has. Nothing: OpenSSL refused.
std::optional<std::string> DerivePbkdf2(const evp_md_st* digest, std::string_view password,
                                        std::string_view salt, uint32_t rounds);

}  // namespace poplar::auth
