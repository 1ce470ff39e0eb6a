// What all TLS connections of a listener share: the certificate of clients that ask for no host, or
// for one that has none; versions, ciphers, ALPN, tickets. Immutable once loaded, so all shards use
// one. A reload loads another one and swaps the pointer; sessions keep the one they began with.
//
// Any thread. Loading reads files: not on a reactor.
//
// OpenSSL writes to the socket by write(2), which has no MSG_NOSIGNAL: the process must ignore
// SIGPIPE (core/app does so first of all).

#pragma once

#include <openssl/types.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/status.h"
#include "core/net/certificate_facts.h"
#include "core/net/certificate_set.h"
#include "core/net/tls_tickets.h"

namespace poplar::net {

struct TlsOptions {
  enum class Version : uint8_t { kTls12, kTls13 };

  std::string certificate_path =
      {};                     // PEM: the certificate, then the chain that leads to its root.
  std::string key_path = {};  // PEM, without a passphrase.
  // PEM: who vouches for clients. They are asked for a certificate; none, or one that is not good,
  // keeps nobody from coming in. Empty: they are not asked.
  std::string client_ca_path = {};
  ClientName client_name = ClientName::kEmail;
  Version version_min = Version::kTls12;
  // Of TLS 1.2, in OpenSSL's notation. Forward secrecy and authenticated encryption only; these
  // are also what the kernel can encrypt.
  std::string ciphers_tls12 =
      "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"
      "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:"
      "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305";
  // A client that names protocols (RFC 7301) must name this one; others get the alert
  // no_application_protocol. Empty: what clients name is not looked at.
  std::string alpn = "pop3";
  bool kernel_tls = true;  // Where the kernel has it.
};

class TlsContext {
 public:
  // Errors are sentences: which file, what is wrong with it. `tickets` may be null: then every
  // handshake is a full one.
  static StatusOr<std::shared_ptr<const TlsContext>> Load(const TlsOptions& options,
                                                          std::shared_ptr<TicketKeys> tickets);
  TlsContext(const TlsContext&) = delete;
  TlsContext& operator=(const TlsContext&) = delete;
  ~TlsContext();

  // What works but should be looked at: an expired certificate, one that is not valid yet.
  const std::vector<std::string>& warnings() const { return certificates_->warnings(); }
  // When the certificate ends, in seconds since 1970.
  int64_t expires_s() const { return certificates_->expires_s(); }
  // Never null.
  const std::shared_ptr<const CertificateSet>& certificates() const { return certificates_; }
  ClientName client_name() const { return client_name_; }
  // What a ticket is good for beside its host and certificate: the authorities for clients.
  const std::string& ticket_terms() const { return ticket_terms_; }
  SSL_CTX* native() const { return context_; }

 private:
  TlsContext(SSL_CTX* context, const TlsOptions& options, std::shared_ptr<TicketKeys> tickets);

  Status LoadCertificate(const TlsOptions& options);
  Status LoadClientCa(const std::string& path);
  Status Configure(const TlsOptions& options);

  SSL_CTX* const context_;
  const std::string alpn_;
  const ClientName client_name_;
  const std::shared_ptr<TicketKeys> tickets_;
  std::shared_ptr<const CertificateSet> certificates_;
  std::string ticket_terms_ = "poplar";

  friend struct TlsCallbacks;
};

}  // namespace poplar::net
