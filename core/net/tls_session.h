// The TLS of one connection, as steps that never wait. Ciphertext comes from the stream's receiver
// and goes straight to the socket; OpenSSL's BIO for the latter is what lets the kernel take the
// sending keys over (kernel TLS). Then bytes are sent on the descriptor in clear, by whatever
// means, and the kernel seals them; Write is not used any more.
//
// Lives on its stream's shard.

#pragma once

#include <openssl/types.h>

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/net/receiver.h"
#include "core/net/tls_context.h"

namespace poplar::net {

enum class TlsStep : uint8_t {
  kDone,
  kWantInput,        // Again when the receiver has more.
  kWantOutput,       // Again when the socket can take more.
  kWantCertificate,  // Again after ShowCertificates: server_name() is known.
  kPeerClosed,       // close_notify came: nothing follows.
  kFailed,           // Over; failure() says why. An alert was sent where one is due.
};

class TlsSession {
 public:
  // Both must outlive this.
  TlsSession(std::shared_ptr<const TlsContext> context, int fd, Receiver& receiver);
  TlsSession(const TlsSession&) = delete;
  TlsSession& operator=(const TlsSession&) = delete;
  ~TlsSession();

  TlsStep Handshake();
  // Those of server_name(); null: it has none of its own. REQUIRES: kWantCertificate.
  void ShowCertificates(const std::shared_ptr<const CertificateSet>& certificates);
  // Decrypts at most into.size() bytes; `bytes` says how many. kDone: at least one.
  TlsStep Read(std::span<char> into, size_t& bytes);
  // Seals and sends from the front of `from`; `bytes` says how many were taken. After kWantOutput
  // the same bytes must come again (from any place in memory). REQUIRES: !kernel_sends().
  TlsStep Write(std::string_view from, size_t& bytes);
  // Sends close_notify, if the socket takes it.
  void CloseNotify();

  bool kernel_sends() const { return kernel_sends_; }
  // The peer asked for a new sending key, and the kernel cannot change it: what is being sent may
  // be finished, then the connection must be closed (RFC 8446 §4.6.3 wants an answer before more
  // is sent, which peers do not insist on).
  bool must_close() const { return must_close_; }

  // The host that the client asked for (SNI), a NormalHostName; empty: none. It is no secret, and
  // nothing says that the client speaks the truth.
  const std::string& server_name() const { return server_name_; }

  // Of a finished handshake.
  int version() const;  // TLS1_2_VERSION or TLS1_3_VERSION.
  std::string_view version_name() const;
  std::string_view cipher_name() const;
  bool resumed() const;
  // Whether there is any channel binding.
  bool binds_channel() const { return !ServerEndPointBinding().empty() || has_exporter(); }
  // The data of channel bindings, octets: tls-exporter (RFC 9266; TLS 1.3) and
  // tls-server-end-point (RFC 5929 §4). Empty: there is none.
  std::string ExporterBinding() const;
  std::string ServerEndPointBinding() const;
  // Users whom the peer's certificate names (TlsOptions::client_name); none unless it showed one
  // that is good.
  std::vector<std::string> ClientNames() const;

  // After kFailed. For logs: it names no secret.
  const std::string& failure() const { return failure_; }
  bool failed_by_alpn() const { return failed_by_alpn_; }

  // OpenSSL's, for contexts (SSL_CTX_set_client_hello_cb).
  static int OnClientHello(SSL* ssl, int* alert, void*);

 private:
  bool has_exporter() const;
  void TakeServerName();
  bool SetUpForHost();
  // What the call's result means.
  TlsStep Judge(int result);

  const std::shared_ptr<const TlsContext> context_;  // Its callbacks look into it.
  SSL* const ssl_;
  std::string server_name_;
  bool hello_heard_ = false;
  bool set_up_ = false;                                 // For the host.
  std::shared_ptr<const CertificateSet> certificates_;  // Null: not known yet.
  bool kernel_sends_ = false;
  bool must_close_ = false;
  bool broken_ = false;  // After a fatal error not even a close_notify may be sent.
  bool failed_by_alpn_ = false;
  std::string failure_;
};

}  // namespace poplar::net
