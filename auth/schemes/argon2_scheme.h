// argon2id and argon2i (RFC 9106), by libargon2, in its own notation:
// `$argon2id$v=19$m=KiB,t=passes,p=lanes$salt$hash`. All lanes run on the caller's thread.
//
// Any thread. A computation takes the memory that the hash names, for its time.

#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "auth/schemes/stored_password.h"

namespace poplar::auth {

// What a stored hash may ask for: 256 MiB, and about two seconds on a core of 2020. The format
// would let it have terabytes and years.
inline constexpr uint32_t kArgon2MemoryKibMax = 256 * 1024;
inline constexpr uint64_t kArgon2WorkKibMax = 2 * 1024 * 1024;  // Memory times passes.
inline constexpr uint32_t kArgon2LanesMax = 16;
inline constexpr uint32_t kArgon2SaltBytesMin = 8;
inline constexpr uint32_t kArgon2SaltBytesMax = 64;
inline constexpr uint32_t kArgon2HashBytesMin = 16;
inline constexpr uint32_t kArgon2HashBytesMax = 64;
// With less than a quarter of what OWASP calls the least, it is weak.
inline constexpr uint64_t kArgon2WorkKibStrongMin = 8 * 1024;

// New hashes: OWASP's recommendation of 19 MiB, two passes, one lane. It costs about what yescrypt
// does by default, and POP3 clients log in all day; RFC 9106's second choice (64 MiB, three passes)
// is five times the work. Each thread of the hash pool holds so much memory at most.
inline constexpr std::string_view kArgon2idPrefix = "$argon2id$";
inline constexpr uint32_t kArgon2MemoryKib = 19 * 1024;
inline constexpr uint32_t kArgon2Passes = 2;

extern const SchemeFamily kArgon2Family;

// Parameters and a fresh salt: all of a hash but its last field. `memory_kib` 0:
// kArgon2MemoryKib. Empty: it is out of bounds.
std::string NewArgon2Setting(uint32_t memory_kib);

// The hash of a password with the parameters and salt of `setting`. Empty: they are out of bounds,
// or there is no memory.
std::string ComputeArgon2(std::string_view setting, std::string_view password);

}  // namespace poplar::auth
