// What TLS sessions want to know of certificates. Pure; any thread.

#pragma once

#include <openssl/types.h>

#include <cstdint>
#include <string>
#include <vector>

namespace poplar::net {

// Where a client's certificate names its user: an rfc822Name among its alternative names
// (RFC 5280 §4.2.1.6), or the common name of its subject.
enum class ClientName : uint8_t { kEmail, kCommonName };

// In UTF-8, those with a NUL or control characters left out.
std::vector<std::string> NamesOf(const X509* certificate, ClientName kind);

// RFC 5929 §4.1: the certificate's hash, by that of its signature, but SHA-256 for MD5 and SHA-1.
// Empty: its signature has no hash of its own (EdDSA), for which no RFC says what to do.
std::string EndPointBinding(const X509* certificate);

}  // namespace poplar::net
