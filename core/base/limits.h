// Limits that more than one folder must agree on. Each folder's own limits stand in its own header.

#pragma once

#include <cstdint>

#include "core/base/units.h"

namespace poplar {

// RFC 5321 §4.5.3.1.1 and .2 give 64 + @ + 255 octets; RFC 6531 lets them be UTF-8.
inline constexpr uint32_t kAddressBytesMax = 320;

// An account id is opaque, given by the back end that knows the account (a row id, a UUID, a DN).
inline constexpr uint32_t kAccountIdBytesMax = 128;

// RFC 1939 §7: 1 to 70 characters, 0x21 to 0x7E.
inline constexpr uint32_t kUidlBytesMax = 70;

inline constexpr uint32_t kPasswordBytesMax = 1024;

// RFC 2449 §4 allows 255 octets a command line, CRLF included; RFC 5034 §4 asks for 12,288 in an
// authentication exchange. Bearer tokens of 10 KB, in base64, need some more.
inline constexpr uint32_t kPop3CommandLineBytesMax = 512;
// What PASS has room for, beside its name and the line's end: a longer password could be used by
// AUTH alone.
inline constexpr uint32_t kPassArgumentBytesMax = kPop3CommandLineBytesMax - 7;
inline constexpr uint32_t kSaslLineBytesMax = 16 * 1024;
static_assert(kPop3CommandLineBytesMax >= 255 && kPop3CommandLineBytesMax < kSaslLineBytesMax);

// RFC 5321 §4.5.3.1.4 and .5 give 512 and 1,000; SMTPUTF8, SIZE and long addresses need more room.
inline constexpr uint32_t kLmtpCommandLineBytesMax = 2048;

// RFC 5321 §4.5.3.1.8 asks for at least 100.
inline constexpr uint32_t kRecipientsPerTransactionMax = 1000;

// What one message may measure at most, whatever the configuration says: sizes fit 32 bits with
// room for stuffing.
inline constexpr uint64_t kMessageOctetsCeiling = 1 * kGiB;

// A mailbox holds at most so many messages; beyond it a delivery is refused with 452 4.2.2.
inline constexpr uint32_t kMessagesPerMaildropMax = 1'000'000;

}  // namespace poplar
