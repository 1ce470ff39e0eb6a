#include "core/net/tls_context.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <cstring>
#include <utility>

#include "core/net/pem_file.h"
#include "core/net/tls_error.h"
#include "core/net/tls_session.h"

namespace poplar::net {

// OpenSSL's callbacks find the context they belong to in the SSL_CTX.
struct TlsCallbacks {
  static const TlsContext& Of(SSL* ssl) {
    return *static_cast<const TlsContext*>(SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl)));
  }

  static int SelectProtocol(SSL* ssl, const unsigned char** out, unsigned char* out_bytes,
                            const unsigned char* in, unsigned int in_bytes, void*) {
    const std::string& ours = Of(ssl).alpn_;
    for (unsigned int at = 0; at < in_bytes;) {
      const unsigned int bytes = in[at++];
      if (bytes > in_bytes - at) break;
      if (bytes == ours.size() && std::memcmp(in + at, ours.data(), bytes) == 0) {
        *out = in + at;
        *out_bytes = static_cast<unsigned char>(bytes);
        return SSL_TLSEXT_ERR_OK;
      }
      at += bytes;
    }
    return SSL_TLSEXT_ERR_ALERT_FATAL;
  }

  static int ApplyTicketKey(SSL* ssl, unsigned char* key_name, unsigned char* iv,
                            EVP_CIPHER_CTX* cipher, EVP_MAC_CTX* mac, int seal) {
    return Of(ssl).tickets_->Apply(key_name, iv, cipher, mac, seal != 0,
                                   SSL_version(ssl) == TLS1_3_VERSION);
  }

  // The session goes on as one whose client is not known: the verdict stays with it
  // (SSL_get_verify_result).
  static int AcceptAnyway(int, X509_STORE_CTX*) { return 1; }
};

StatusOr<std::shared_ptr<const TlsContext>> TlsContext::Load(const TlsOptions& options,
                                                             std::shared_ptr<TicketKeys> tickets) {
  ERR_clear_error();
  SSL_CTX* const native = SSL_CTX_new(TLS_server_method());
  if (native == nullptr) return MakeStatus(StatusCode::kUnavailable, "OpenSSL: " + TakeTlsError());
  std::shared_ptr<TlsContext> context(new TlsContext(native, options, std::move(tickets)));
  POP_RETURN_IF_ERROR(context->Configure(options));
  POP_RETURN_IF_ERROR(context->LoadCertificate(options));
  if (!options.client_ca_path.empty()) {
    POP_RETURN_IF_ERROR(context->LoadClientCa(options.client_ca_path));
  }
  return std::shared_ptr<const TlsContext>(std::move(context));
}

TlsContext::TlsContext(SSL_CTX* context, const TlsOptions& options,
                       std::shared_ptr<TicketKeys> tickets)
    : context_(context),
      alpn_(options.alpn),
      client_name_(options.client_name),
      tickets_(std::move(tickets)) {}

TlsContext::~TlsContext() { SSL_CTX_free(context_); }

Status TlsContext::Configure(const TlsOptions& options) {
  SSL_CTX_set_app_data(context_, this);
  SSL_CTX_set_min_proto_version(context_, options.version_min == TlsOptions::Version::kTls13
                                              ? TLS1_3_VERSION
                                              : TLS1_2_VERSION);
  uint64_t flags = SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                   SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA;
  if (options.kernel_tls) flags |= SSL_OP_ENABLE_KTLS;
  if (!tickets_) flags |= SSL_OP_NO_TICKET;
  SSL_CTX_set_options(context_, flags);
  // Buffers are given back between records: an idle session keeps none. A write goes record by
  // record, from wherever the bytes are by then.
  SSL_CTX_set_mode(context_, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                                 SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  // RFC 8446 §9.1. OpenSSL would have AES-256 first, whose SHA-384 no CPU has instructions for.
  if (SSL_CTX_set_ciphersuites(context_,
                               "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:"
                               "TLS_CHACHA20_POLY1305_SHA256") != 1)
    return MakeStatus(StatusCode::kFailedPrecondition, "OpenSSL lacks ciphers of TLS 1.3");
  if (SSL_CTX_set_cipher_list(context_, options.ciphers_tls12.c_str()) != 1)
    return MakeStatus(StatusCode::kInvalidArgument,
                      "TLS 1.2 ciphers \"" + options.ciphers_tls12 +
                          "\": OpenSSL knows none of them (`openssl ciphers` lists its names)");

  // Tickets only: a cache of sessions would be shared between the shards. A client that resumes
  // gets a new one, so one is enough.
  SSL_CTX_set_session_cache_mode(context_, SSL_SESS_CACHE_OFF);
  if (tickets_) {
    SSL_CTX_set_timeout(context_, static_cast<long>(TicketKeys::kTicketLifetimeS));
    SSL_CTX_set_tlsext_ticket_key_evp_cb(context_, TlsCallbacks::ApplyTicketKey);
    SSL_CTX_set_num_tickets(context_, 1);
  } else {
    SSL_CTX_set_num_tickets(context_, 0);
  }
  SSL_CTX_set_client_hello_cb(context_, TlsSession::OnClientHello, nullptr);
  if (!alpn_.empty()) SSL_CTX_set_alpn_select_cb(context_, TlsCallbacks::SelectProtocol, nullptr);
  return OkStatus();
}

Status TlsContext::LoadCertificate(const TlsOptions& options) {
  const CertificateFiles files{options.certificate_path, options.key_path};
  POP_ASSIGN_OR_RETURN(certificates_, CertificateSet::Load({&files, 1}));
  if (certificates_->ShowOn(context_)) return OkStatus();
  return MakeStatus(StatusCode::kUnavailable, "OpenSSL: " + TakeTlsError());
}

Status TlsContext::LoadClientCa(const std::string& path) {
  POP_RETURN_IF_ERROR(CheckPemReadable("client CA", path));
  STACK_OF(X509_NAME)* const names = SSL_load_client_CA_file(path.c_str());
  if (names == nullptr || SSL_CTX_load_verify_locations(context_, path.c_str(), nullptr) != 1) {
    sk_X509_NAME_pop_free(names, X509_NAME_free);
    return PemFileError("client CA", path,
                        "no certificate in PEM form could be read (" + TakeTlsError() + ")");
  }
  // A ticket that was given under other CAs is none here: its client is looked at again.
  ticket_terms_ += ", clients vouched for by ";
  for (int i = 0; i < sk_X509_NAME_num(names); ++i) {
    const unsigned char* der = nullptr;
    size_t bytes = 0;
    if (X509_NAME_get0_der(sk_X509_NAME_value(names, i), &der, &bytes) != 1) continue;
    ticket_terms_.append(reinterpret_cast<const char*>(der), bytes);
  }
  SSL_CTX_set_client_CA_list(context_, names);
  SSL_CTX_set_verify(context_, SSL_VERIFY_PEER, TlsCallbacks::AcceptAnyway);
  return OkStatus();
}

}  // namespace poplar::net
