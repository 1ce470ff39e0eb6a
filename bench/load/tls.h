// The client's side of TLS. Certificates are not verified: the servers are this machine's own, with
// certificates of their own making. Not thread-safe: one context a worker thread.

#pragma once

#include <openssl/ssl.h>

#include <memory>

#include "core/base/status.h"

namespace poplar::load {

template <auto Free>
struct TlsFree {
  template <class T>
  void operator()(T* object) const {
    Free(object);
  }
};
using SslPtr = std::unique_ptr<SSL, TlsFree<SSL_free>>;
using SslCtxPtr = std::unique_ptr<SSL_CTX, TlsFree<SSL_CTX_free>>;
using SslSessionPtr = std::unique_ptr<SSL_SESSION, TlsFree<SSL_SESSION_free>>;

// The ticket that one client got last. Must outlive the connections that use it.
struct TlsTicket {
  SslSessionPtr session;
};

struct TlsOptions {
  int version = 0;      // TLS1_2_VERSION, TLS1_3_VERSION, or 0 for the best both can
  bool resume = false;  // offer the ticket of the last connection
};

class TlsContext {
 public:
  explicit TlsContext(const TlsOptions& options);

  // A client on a connected socket, which it does not own. Its new ticket goes to `ticket`.
  SslPtr NewClient(int fd, TlsTicket* ticket);

 private:
  TlsOptions options_;
  SslCtxPtr context_;
};

// What OpenSSL's error queue says, which is emptied.
std::string TlsErrorText();

}  // namespace poplar::load
