#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstdio>
#include <utility>

#include "core/base/check.h"
#include "core/net/certificate_facts.h"
#include "core/net/tls_error.h"
#include "tests/unit/net/net_test_support.h"

namespace poplar::net {

void WriteCertificate(const std::string& certificate_path, const std::string& key_path,
                      const CertificateSpec& spec) {
  const int days = spec.days;
  EVP_PKEY* const key = spec.rsa ? EVP_RSA_gen(2048) : EVP_EC_gen("P-256");
  X509* const certificate = X509_new();
  POP_CHECK(key != nullptr && certificate != nullptr);
  X509_set_version(certificate, 2);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
  const long day_s = 24L * 3600;
  X509_gmtime_adj(X509_getm_notBefore(certificate), days < 0 ? day_s * days * 2 : 0);
  X509_gmtime_adj(X509_getm_notAfter(certificate), day_s * days);
  X509_set_pubkey(certificate, key);
  X509_NAME* const name = X509_get_subject_name(certificate);
  X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
                             reinterpret_cast<const unsigned char*>(spec.host.c_str()), -1, -1, 0);
  X509_set_issuer_name(certificate, name);
  X509_EXTENSION* const hosts =
      X509V3_EXT_conf_nid(nullptr, nullptr, NID_subject_alt_name, ("DNS:" + spec.host).c_str());
  POP_CHECK(hosts != nullptr && X509_add_ext(certificate, hosts, -1) == 1);
  X509_EXTENSION_free(hosts);
  POP_CHECK(X509_sign(certificate, key, EVP_sha256()) != 0);

  FILE* file = std::fopen(certificate_path.c_str(), "w");
  POP_CHECK(file != nullptr && PEM_write_X509(file, certificate) == 1 && std::fclose(file) == 0);
  file = std::fopen(key_path.c_str(), "w");
  POP_CHECK(file != nullptr &&
            PEM_write_PrivateKey(file, key, nullptr, nullptr, 0, nullptr, nullptr) == 1 &&
            std::fclose(file) == 0);
  X509_free(certificate);
  EVP_PKEY_free(key);
}

namespace {

std::string TakeLine(std::string& buffer, const std::function<bool()>& fill) {
  size_t feed;
  while ((feed = buffer.find('\n')) == std::string::npos)
    if (!fill()) return std::exchange(buffer, {});
  std::string line = buffer.substr(0, feed);
  buffer.erase(0, feed + 1);
  return line;
}

std::string TakeBytes(std::string& buffer, size_t bytes, const std::function<bool()>& fill) {
  while (buffer.size() < bytes)
    if (!fill()) break;
  std::string taken = buffer.substr(0, bytes);
  buffer.erase(0, taken.size());
  return taken;
}

void SendAll(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) return;  // The test finds out by what it does not get.
    bytes.remove_prefix(static_cast<size_t>(sent));
  }
}

}  // namespace

PlainClient::PlainClient(base::UniqueFd socket) : socket_(std::move(socket)) {}

void PlainClient::Send(std::string_view bytes) { SendAll(socket_.get(), bytes); }

bool PlainClient::Fill() {
  char bytes[16 * 1024];
  const ssize_t received = recv(socket_.get(), bytes, sizeof(bytes), 0);
  if (received < 0 && errno == EAGAIN) timed_out_ = true;
  if (received <= 0) return false;
  buffer_.append(bytes, static_cast<size_t>(received));
  return true;
}

std::string PlainClient::Line() {
  return TakeLine(buffer_, [this] { return Fill(); });
}
std::string PlainClient::Bytes(size_t bytes) {
  return TakeBytes(buffer_, bytes, [this] { return Fill(); });
}
std::string PlainClient::Rest() { return Bytes(~size_t{0}); }

TlsClient::TlsClient(base::UniqueFd socket, const TlsClientOptions& options)
    : socket_(std::move(socket)), context_(SSL_CTX_new(TLS_client_method())) {
  SSL_CTX_set_session_cache_mode(context_, SSL_SESS_CACHE_CLIENT);
  if (options.version != 0) {
    SSL_CTX_set_min_proto_version(context_, options.version);
    SSL_CTX_set_max_proto_version(context_, options.version);
  }
  ssl_ = SSL_new(context_);
  SSL_set_fd(ssl_, socket_.get());
  if (!options.alpn.empty())
    SSL_set_alpn_protos(ssl_, reinterpret_cast<const unsigned char*>(options.alpn.data()),
                        static_cast<unsigned int>(options.alpn.size()));
  if (!options.host.empty()) SSL_set_tlsext_host_name(ssl_, options.host.c_str());
  if (!options.signatures.empty()) SSL_set1_sigalgs_list(ssl_, options.signatures.c_str());
  if (options.resume != nullptr) SSL_set_session(ssl_, options.resume);
}

TlsClient::~TlsClient() {
  SSL_free(ssl_);
  SSL_CTX_free(context_);
}

bool TlsClient::Handshake() {
  ERR_clear_error();
  if (SSL_connect(ssl_) == 1) return true;
  failure_ = TakeTlsError();
  return false;
}

void TlsClient::Send(std::string_view bytes) {
  ERR_clear_error();
  if (!bytes.empty()) (void)SSL_write(ssl_, bytes.data(), static_cast<int>(bytes.size()));
}

bool TlsClient::Fill() {
  char bytes[16 * 1024];
  ERR_clear_error();
  const int received = SSL_read(ssl_, bytes, sizeof(bytes));
  if (received <= 0) {
    failure_ = TakeTlsError();
    return false;
  }
  buffer_.append(bytes, static_cast<size_t>(received));
  return true;
}

std::string TlsClient::Line() {
  return TakeLine(buffer_, [this] { return Fill(); });
}
std::string TlsClient::Bytes(size_t bytes) {
  return TakeBytes(buffer_, bytes, [this] { return Fill(); });
}

void TlsClient::RequestKeyUpdate() { SSL_key_update(ssl_, SSL_KEY_UPDATE_REQUESTED); }

bool TlsClient::EndsInOrder() {
  while (Fill()) {
  }
  return (SSL_get_shutdown(ssl_) & SSL_RECEIVED_SHUTDOWN) != 0;
}

// A copy: the end of its context would make the session itself unfit to be resumed.
SSL_SESSION* TlsClient::TakeSession() { return SSL_SESSION_dup(SSL_get0_session(ssl_)); }
std::string TlsClient::Ticket() const {
  const unsigned char* ticket = nullptr;
  size_t bytes = 0;
  SSL_SESSION_get0_ticket(SSL_get0_session(ssl_), &ticket, &bytes);
  return {reinterpret_cast<const char*>(ticket), bytes};
}
bool TlsClient::resumed() const { return SSL_session_reused(ssl_) == 1; }
std::string_view TlsClient::version() const { return SSL_get_version(ssl_); }

std::string TlsClient::shown() const {
  X509* const certificate = SSL_get0_peer_certificate(ssl_);
  if (certificate == nullptr) return "none";
  char name[128] = "";
  X509_NAME_get_text_by_NID(X509_get_subject_name(certificate), NID_commonName, name, sizeof(name));
  const bool rsa = EVP_PKEY_get_base_id(X509_get0_pubkey(certificate)) == EVP_PKEY_RSA;
  return std::string(name) + (rsa ? " rsa" : " ecdsa");
}

std::string TlsClient::EndPointBinding() const {
  return net::EndPointBinding(SSL_get0_peer_certificate(ssl_));
}

std::string TlsClient::alpn() const {
  const unsigned char* name = nullptr;
  unsigned int bytes = 0;
  SSL_get0_alpn_selected(ssl_, &name, &bytes);
  return name == nullptr ? std::string() : std::string(reinterpret_cast<const char*>(name), bytes);
}

}  // namespace poplar::net
