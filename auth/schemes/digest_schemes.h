// Digests of a password, with a salt ({SSHA}, {SSHA256}, {SSHA512}, {SMD5}: base64 of the digest
// and then the salt) or without ({SHA}, {SHA256}, {SHA512}, {MD5}), and clear text ({PLAIN}). A
// digest without salt may be in hexadecimal too, which its length tells. All of them are weak.
//
// Any thread.

#pragma once

#include "auth/schemes/stored_password.h"

namespace poplar::auth {

extern const SchemeFamily kDigestFamily;
extern const SchemeFamily kSaltedDigestFamily;
extern const SchemeFamily kPlainFamily;

}  // namespace poplar::auth
