#include "bench/load/tls.h"

#include <openssl/err.h>

#include <array>
#include <string>

#include "core/base/check.h"

namespace poplar::load {
namespace {

// Called with each ticket; 1 means that the session is ours now.
int KeepTicket(SSL* ssl, SSL_SESSION* session) {
  auto* ticket = static_cast<TlsTicket*>(SSL_get_app_data(ssl));
  ticket->session.reset(session);
  return 1;
}

}  // namespace

TlsContext::TlsContext(const TlsOptions& options)
    : options_(options), context_(SSL_CTX_new(TLS_client_method())) {
  POP_CHECK(context_ != nullptr);
  SSL_CTX* context = context_.get();
  SSL_CTX_set_verify(context, SSL_VERIFY_NONE, nullptr);
  SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                SSL_MODE_RELEASE_BUFFERS);
  // Whether a server says close_notify is for its functional tests to judge.
  SSL_CTX_set_options(context, SSL_OP_IGNORE_UNEXPECTED_EOF);
  // In the order of Thunderbird's library; of some servers the client's order counts.
  POP_CHECK(SSL_CTX_set_ciphersuites(context,
                                     "TLS_AES_128_GCM_SHA256:TLS_CHACHA20_POLY1305_SHA256:"
                                     "TLS_AES_256_GCM_SHA384") == 1);
  if (options.version != 0) {
    SSL_CTX_set_min_proto_version(context, options.version);
    SSL_CTX_set_max_proto_version(context, options.version);
  }
  if (options.resume) {
    SSL_CTX_set_session_cache_mode(context,
                                   SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL_STORE);
    SSL_CTX_sess_set_new_cb(context, KeepTicket);
  } else {
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  }
}

SslPtr TlsContext::NewClient(int fd, TlsTicket* ticket) {
  SslPtr ssl(SSL_new(context_.get()));
  POP_CHECK(ssl != nullptr);
  POP_CHECK(SSL_set_fd(ssl.get(), fd) == 1);
  SSL_set_connect_state(ssl.get());
  SSL_set_app_data(ssl.get(), ticket);
  if (options_.resume && ticket->session != nullptr) {
    // A copy: OpenSSL spends what it uses, and not every server gives a new one when it resumes.
    SslSessionPtr copy(SSL_SESSION_dup(ticket->session.get()));
    SSL_set_session(ssl.get(), copy.get());
  }
  return ssl;
}

std::string TlsErrorText() {
  unsigned long code = ERR_get_error();
  ERR_clear_error();
  if (code == 0) return "no reason given";
  std::array<char, 256> text;
  ERR_error_string_n(code, text.data(), text.size());
  return text.data();
}

}  // namespace poplar::load
