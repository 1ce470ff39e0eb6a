// Schemes of libxcrypt: yescrypt, gost-yescrypt, scrypt, bcrypt, SHA-crypt, and MD5-crypt. DES and
// its like are left out.
//
// Any thread.

#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "auth/schemes/stored_password.h"

namespace poplar::auth {

// What a stored hash may ask for: on a core of 2020, some seconds. crypt(5) would let it have hours
// and gigabytes.
inline constexpr uint64_t kCryptMemoryBytesMax = 256 * 1024 * 1024;  // yescrypt, scrypt.
inline constexpr uint32_t kBcryptCostMax = 15;
inline constexpr uint32_t kShaCryptRoundsMax = 5'000'000;

// Of a password, however long it is.
inline constexpr uint32_t kBcryptPasswordBytesRead = 72;

extern const SchemeFamily kCryptFamily;
extern const SchemeFamily kMd5CryptFamily;

// Parameters and a fresh salt, from the kernel's generator: `$y$j9T$salt`. `prefix` and `cost` as
// crypt(5) has them, 0 for its default. Empty: libxcrypt refuses them.
std::string NewCryptSetting(const std::string& prefix, uint32_t cost);

// The hash of a password with the parameters and salt of `setting`, which may be a hash itself.
// Empty: it could not be computed. Takes 32 KiB of heap, which is wiped, beside the scheme's own.
std::string ComputeCrypt(std::string_view setting, std::string_view password);

}  // namespace poplar::auth
