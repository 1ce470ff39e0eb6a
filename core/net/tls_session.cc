#include "core/net/tls_session.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "core/base/check.h"
#include "core/net/certificate_facts.h"
#include "core/net/host_name.h"
#include "core/net/tls_error.h"

namespace poplar::net {
namespace {

// A source BIO that takes from the receiver, so that ciphertext is not copied once more into a
// memory BIO, and an idle session holds no such buffer.
int ReadFromReceiver(BIO* bio, char* into, int bytes) {
  BIO_clear_retry_flags(bio);
  auto* const receiver = static_cast<Receiver*>(BIO_get_data(bio));
  const std::string_view input = receiver->input();
  if (input.empty()) {
    BIO_set_retry_read(bio);
    return -1;
  }
  const size_t taken = std::min(input.size(), static_cast<size_t>(bytes));
  std::memcpy(into, input.data(), taken);
  receiver->Consume(taken);
  return static_cast<int>(taken);
}

long ControlReceiver(BIO*, int command, long, void*) { return command == BIO_CTRL_FLUSH ? 1 : 0; }

// Made once and never freed, like OpenSSL's own.
const BIO_METHOD* ReceiverBioMethod() {
  static const BIO_METHOD* const method = [] {
    BIO_METHOD* made = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "receiver");
    POP_CHECK(made != nullptr);
    BIO_meth_set_read(made, ReadFromReceiver);
    BIO_meth_set_ctrl(made, ControlReceiver);
    return made;
  }();
  return method;
}

}  // namespace

TlsSession::TlsSession(std::shared_ptr<const TlsContext> context, int fd, Receiver& receiver)
    : context_(std::move(context)), ssl_(SSL_new(context_->native())) {
  // OpenSSL fails here only when memory has run out.
  POP_CHECK(ssl_ != nullptr);
  BIO* const source = BIO_new(ReceiverBioMethod());
  BIO* const sink = BIO_new_socket(fd, BIO_NOCLOSE);
  POP_CHECK(source != nullptr && sink != nullptr);
  BIO_set_data(source, &receiver);
  BIO_set_init(source, 1);
  SSL_set0_rbio(ssl_, source);
  SSL_set0_wbio(ssl_, sink);
  SSL_set_app_data(ssl_, this);
  SSL_set_accept_state(ssl_);
}

TlsSession::~TlsSession() { SSL_free(ssl_); }

TlsStep TlsSession::Judge(int result) {
  switch (SSL_get_error(ssl_, result)) {
    case SSL_ERROR_NONE:
      return TlsStep::kDone;
    case SSL_ERROR_WANT_READ:
      return TlsStep::kWantInput;
    case SSL_ERROR_WANT_WRITE:
      return TlsStep::kWantOutput;
    case SSL_ERROR_WANT_CLIENT_HELLO_CB:
      return TlsStep::kWantCertificate;
    case SSL_ERROR_ZERO_RETURN:
      return TlsStep::kPeerClosed;
    default:
      break;
  }
  const unsigned long error = ERR_peek_last_error();
  failed_by_alpn_ =
      ERR_GET_LIB(error) == ERR_LIB_SSL && ERR_GET_REASON(error) == SSL_R_NO_APPLICATION_PROTOCOL;
  // Without an entry in the queue it was the socket: the peer is gone.
  failure_ = error == 0 ? "the connection was cut" : TakeTlsError();
  ERR_clear_error();
  broken_ = true;
  return TlsStep::kFailed;
}

TlsStep TlsSession::Handshake() {
  ERR_clear_error();
  const TlsStep step = Judge(SSL_accept(ssl_));
  if (step == TlsStep::kDone) kernel_sends_ = BIO_get_ktls_send(SSL_get_wbio(ssl_)) == 1;
  return step;
}

// Before OpenSSL looks at a ticket, and again with each step until it returns anything but "retry".
int TlsSession::OnClientHello(SSL* ssl, int* alert, void*) {
  TlsSession& session = *static_cast<TlsSession*>(SSL_get_app_data(ssl));
  if (!std::exchange(session.hello_heard_, true)) session.TakeServerName();
  if (session.certificates_ == nullptr) return SSL_CLIENT_HELLO_RETRY;
  if (session.SetUpForHost()) return SSL_CLIENT_HELLO_SUCCESS;
  *alert = SSL_AD_INTERNAL_ERROR;
  return SSL_CLIENT_HELLO_ERROR;
}

void TlsSession::TakeServerName() {
  const unsigned char* extension = nullptr;
  size_t bytes = 0;
  if (SSL_client_hello_get0_ext(ssl_, TLSEXT_TYPE_server_name, &extension, &bytes) == 1) {
    server_name_ = HostNameInExtension({reinterpret_cast<const char*>(extension), bytes});
  }
  if (server_name_.empty()) certificates_ = context_->certificates();
}

void TlsSession::ShowCertificates(const std::shared_ptr<const CertificateSet>& certificates) {
  certificates_ = certificates == nullptr ? context_->certificates() : certificates;
}

// A ticket is good for the host and the certificate that it was given for, and no other (RFC 6066
// §3, RFC 8446 §4.6.1).
bool TlsSession::SetUpForHost() {
  if (set_up_) return true;  // A second hello of the same handshake.
  const bool is_default = certificates_ == context_->certificates();
  if (!is_default && !certificates_->ShowOn(ssl_)) return false;
  const std::string terms =
      context_->ticket_terms() + '\0' + server_name_ + '\0' + certificates_->identity();
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest;
  unsigned int digest_bytes = 0;
  set_up_ =
      EVP_Digest(terms.data(), terms.size(), digest.data(), &digest_bytes, EVP_sha256(), nullptr) ==
          1 &&
      SSL_set_session_id_context(ssl_, digest.data(),
                                 std::min<unsigned int>(digest_bytes, SSL_MAX_SID_CTX_LENGTH)) == 1;
  return set_up_;
}

TlsStep TlsSession::Read(std::span<char> into, size_t& bytes) {
  bytes = 0;
  ERR_clear_error();
  const TlsStep step = Judge(SSL_read_ex(ssl_, into.data(), into.size(), &bytes));
  if (kernel_sends_ && SSL_get_key_update_type(ssl_) != SSL_KEY_UPDATE_NONE) must_close_ = true;
  return step;
}

TlsStep TlsSession::Write(std::string_view from, size_t& bytes) {
  POP_CHECK(!kernel_sends_);
  bytes = 0;
  ERR_clear_error();
  return Judge(SSL_write_ex(ssl_, from.data(), from.size(), &bytes));
}

void TlsSession::CloseNotify() {
  // OpenSSL forbids it after a fatal error, and during a handshake there is nothing to close.
  if (broken_ || SSL_in_init(ssl_)) return;
  ERR_clear_error();
  (void)SSL_shutdown(ssl_);
  ERR_clear_error();
}

int TlsSession::version() const { return SSL_version(ssl_); }
std::string_view TlsSession::version_name() const { return SSL_get_version(ssl_); }
std::string_view TlsSession::cipher_name() const { return SSL_get_cipher_name(ssl_); }
bool TlsSession::resumed() const { return SSL_session_reused(ssl_) == 1; }

// With TLS 1.2 it would be unique only together with an extension that few have.
bool TlsSession::has_exporter() const { return version() == TLS1_3_VERSION; }

std::string TlsSession::ExporterBinding() const {
  constexpr std::string_view kLabel = "EXPORTER-Channel-Binding";
  if (!has_exporter()) return "";
  std::array<unsigned char, 32> data;
  if (SSL_export_keying_material(ssl_, data.data(), data.size(), kLabel.data(), kLabel.size(),
                                 nullptr, 0, 0) != 1) {
    return "";
  }
  return {reinterpret_cast<const char*>(data.data()), data.size()};
}

// A session that is resumed does not say which of two certificates its client saw.
std::string TlsSession::ServerEndPointBinding() const {
  if (resumed() && certificates_->size() > 1) return "";
  return EndPointBinding(SSL_get_certificate(ssl_));
}

std::vector<std::string> TlsSession::ClientNames() const {
  const X509* const certificate = SSL_get0_peer_certificate(ssl_);
  if (certificate == nullptr || SSL_get_verify_result(ssl_) != X509_V_OK) return {};
  return NamesOf(certificate, context_->client_name());
}

}  // namespace poplar::net
