// The certificates of one name, one for each kind of key (RSA, ECDSA), each with its chain and its
// private key. OpenSSL shows a client the one that it can check.
//
// Immutable once loaded; any thread. Loading reads files: not on a reactor.

#pragma once

#include <openssl/types.h>

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "core/base/status.h"

struct stack_st_X509;  // OpenSSL's.

namespace poplar::net {

struct CertificateFiles {
  std::string certificate_path;  // PEM: the certificate, then the chain that leads to its root.
  std::string key_path;          // PEM, without a passphrase.
};

class CertificateSet {
 public:
  // Errors are sentences: which file, what is wrong with it. Weaker keys than the machine's policy
  // of OpenSSL allows are errors, too. REQUIRES: some files.
  static StatusOr<std::shared_ptr<const CertificateSet>> Load(
      std::span<const CertificateFiles> files);
  CertificateSet(const CertificateSet&) = delete;
  CertificateSet& operator=(const CertificateSet&) = delete;
  ~CertificateSet();

  // These and no others are shown from here on. False: memory has run out.
  bool ShowOn(SSL_CTX* context) const;
  bool ShowOn(SSL* ssl) const;

  size_t size() const { return pairs_.size(); }
  // Octets that tell these certificates from any others.
  const std::string& identity() const { return identity_; }
  // What works but should be looked at: an expired certificate, one that is not valid yet.
  const std::vector<std::string>& warnings() const { return warnings_; }
  // When the first of them ends, in seconds since 1970.
  int64_t expires_s() const { return expires_s_; }
  // Whether all of them are for this host.
  bool Names(const std::string& host) const;

 private:
  struct Pair {
    X509* certificate = nullptr;
    EVP_PKEY* key = nullptr;
    stack_st_X509* chain = nullptr;  // May be null: none.
  };

  CertificateSet() = default;
  // Reads one pair by way of `scratch`.
  Status Add(SSL_CTX* scratch, const CertificateFiles& files);
  void Inspect(const X509* certificate, const std::string& path);

  std::vector<Pair> pairs_;
  std::string identity_;
  std::vector<std::string> warnings_;
  int64_t expires_s_ = 0;
};

}  // namespace poplar::net
