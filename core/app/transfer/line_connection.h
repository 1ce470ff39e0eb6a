// A blocking connection to a server that speaks in lines: a Unix socket, or TCP with TLS from its
// start or later. Used by one thread at a time. Every wait ends after the timeout.
//
// Errors: kUnavailable and kDeadlineExceeded where the other side fails or is slow;
// kFailedPrecondition where nobody listens; kUnauthenticated where its certificate is not trusted.

#pragma once

#include <openssl/ssl.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "core/base/fd.h"
#include "core/base/status.h"

namespace poplar::app {

inline constexpr uint32_t kPeerTimeoutS = 300;
// A line longer than this is no reply of a mail server.
inline constexpr size_t kPeerLineBytesMax = 64 * 1024;

// Whom to believe.
struct TlsTrust {
  std::string ca_file;  // Empty: the system's.
  bool insecure = false;
  // Goes on with one that is not trusted, but remembers why. For whom it is, is not looked at.
  bool only_note = false;
};

class LineConnection {
 public:
  static StatusOr<LineConnection> ToUnix(const std::string& path,
                                         uint32_t timeout_s = kPeerTimeoutS);
  // To a socket of this server's own, which was there when the work began: where nobody listens any
  // more, kUnavailable, as for every server that went away.
  static StatusOr<LineConnection> ToOwn(const std::string& path);
  static StatusOr<LineConnection> ToTcp(const std::string& host, uint16_t port,
                                        uint32_t timeout_s = kPeerTimeoutS);

  // What was received in clear before is dropped.
  Status StartTls(const std::string& host, const TlsTrust& trust);
  // With `only_note`: why the certificate is not trusted; empty: it is.
  std::string certificate_fault() const;
  // REQUIRES: TLS. Whether one of the certificate's names is this host's, or address.
  bool CertificateIsFor(const std::string& host) const;

  Status Write(std::string_view bytes);
  // Without its line end, CRLF or LF.
  StatusOr<std::string> ReadLine();
  // What was received and not taken yet, at least one octet; valid until the next call.
  StatusOr<std::string_view> Peek();
  // REQUIRES: no more than Peek gave.
  void Take(size_t bytes);

 private:
  struct SslFree {
    void operator()(SSL* ssl) const { SSL_free(ssl); }
  };

  LineConnection(base::UniqueFd fd, std::string name, uint32_t timeout_s);
  Status Failed(int error_number) const;
  Status Receive();

  base::UniqueFd fd_;
  std::string name_;
  std::unique_ptr<SSL, SslFree> ssl_;  // Null: in clear.
  std::string received_;
  size_t taken_ = 0;  // Of `received_`.
};

}  // namespace poplar::app
