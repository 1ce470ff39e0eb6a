#include "core/net/tls_context.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <utility>

#include "core/net/tls_error.h"

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
    return Of(ssl).tickets_->Apply(key_name, iv, cipher, mac, seal != 0);
  }

  // The session goes on as one whose client is not known: the verdict stays with it
  // (SSL_get_verify_result).
  static int AcceptAnyway(int, X509_STORE_CTX*) { return 1; }

  // Without it OpenSSL would ask on the terminal.
  static int RefusePassphrase(char*, int, int, void* asked) {
    *static_cast<bool*>(asked) = true;
    return -1;
  }
};

namespace {

Status FileError(const char* what, const std::string& path, std::string_view why) {
  return MakeStatus(StatusCode::kFailedPrecondition,
                    std::string(what) + " " + path + ": " + std::string(why));
}

Status CheckReadable(const char* what, const std::string& path) {
  if (path.empty())
    return MakeStatus(StatusCode::kInvalidArgument, std::string(what) + ": no file is named");
  struct stat status;
  if (stat(path.c_str(), &status) != 0) {
    if (errno == ENOENT) return FileError(what, path, "there is no such file");
    return FileError(what, path, std::strerror(errno));
  }
  if (S_ISDIR(status.st_mode)) return FileError(what, path, "this is a folder, not a file");
  if (access(path.c_str(), R_OK) != 0)
    return FileError(what, path, "the server's user may not read it");
  return OkStatus();
}

int64_t SecondsOf(const ASN1_TIME* time) {
  tm parts{};
  if (ASN1_TIME_to_tm(time, &parts) != 1) return 0;
  return timegm(&parts);
}

std::string DateOf(int64_t seconds) {
  const time_t time = seconds;
  tm parts{};
  gmtime_r(&time, &parts);
  char text[32];
  strftime(text, sizeof(text), "%Y-%m-%d %H:%M UTC", &parts);
  return text;
}

}  // namespace

StatusOr<std::shared_ptr<const TlsContext>> TlsContext::Load(const TlsOptions& options,
                                                             std::shared_ptr<TicketKeys> tickets) {
  ERR_clear_error();
  SSL_CTX* const native = SSL_CTX_new(TLS_server_method());
  if (native == nullptr) return MakeStatus(StatusCode::kUnavailable, "OpenSSL: " + TakeTlsError());
  std::shared_ptr<TlsContext> context(new TlsContext(native, options, std::move(tickets)));
  POP_RETURN_IF_ERROR(context->Configure(options));
  POP_RETURN_IF_ERROR(context->LoadFiles(options));
  if (!options.client_ca_path.empty()) {
    POP_RETURN_IF_ERROR(context->LoadClientCa(options.client_ca_path));
  }
  context->Inspect(options);
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
  if (SSL_CTX_set_cipher_list(context_, options.ciphers_tls12.c_str()) != 1)
    return MakeStatus(StatusCode::kInvalidArgument,
                      "TLS 1.2 ciphers \"" + options.ciphers_tls12 +
                          "\": OpenSSL knows none of them (`openssl ciphers` lists its names)");

  // Tickets only: a cache of sessions would be shared between the shards. A client that resumes
  // gets a new one, so one is enough.
  SSL_CTX_set_session_cache_mode(context_, SSL_SESS_CACHE_OFF);
  constexpr std::string_view kSessionContext = "poplar";
  SSL_CTX_set_session_id_context(context_,
                                 reinterpret_cast<const unsigned char*>(kSessionContext.data()),
                                 static_cast<unsigned int>(kSessionContext.size()));
  if (tickets_) {
    SSL_CTX_set_timeout(context_, static_cast<long>(TicketKeys::kTicketLifetimeS));
    SSL_CTX_set_tlsext_ticket_key_evp_cb(context_, TlsCallbacks::ApplyTicketKey);
    SSL_CTX_set_num_tickets(context_, 1);
  } else {
    SSL_CTX_set_num_tickets(context_, 0);
  }
  if (!alpn_.empty()) SSL_CTX_set_alpn_select_cb(context_, TlsCallbacks::SelectProtocol, nullptr);
  return OkStatus();
}

Status TlsContext::LoadFiles(const TlsOptions& options) {
  POP_RETURN_IF_ERROR(CheckReadable("certificate", options.certificate_path));
  POP_RETURN_IF_ERROR(CheckReadable("key", options.key_path));
  bool passphrase_asked = false;
  SSL_CTX_set_default_passwd_cb(context_, TlsCallbacks::RefusePassphrase);
  SSL_CTX_set_default_passwd_cb_userdata(context_, &passphrase_asked);
  const bool has_certificate =
      SSL_CTX_use_certificate_chain_file(context_, options.certificate_path.c_str()) == 1;
  const bool has_key =
      has_certificate &&
      SSL_CTX_use_PrivateKey_file(context_, options.key_path.c_str(), SSL_FILETYPE_PEM) == 1;
  SSL_CTX_set_default_passwd_cb_userdata(context_, nullptr);
  if (!has_certificate)
    return FileError("certificate", options.certificate_path,
                     "no certificate in PEM form could be read (" + TakeTlsError() + ")");
  if (passphrase_asked)
    return FileError("key", options.key_path,
                     "it is sealed with a passphrase; store it in clear, readable by the server's "
                     "user only (openssl pkey -in OLD -out NEW)");
  const bool fits = has_key && SSL_CTX_check_private_key(context_) == 1;
  const unsigned long error = ERR_peek_last_error();
  const std::string reason = TakeTlsError();
  if (fits) return OkStatus();
  // A key of another kind than the certificate's is loaded, and found out only by the check.
  if (has_key ||
      (ERR_GET_LIB(error) == ERR_LIB_X509 && ERR_GET_REASON(error) == X509_R_KEY_VALUES_MISMATCH))
    return FileError("key", options.key_path,
                     "it does not belong to the certificate " + options.certificate_path);
  return FileError("key", options.key_path,
                   "no private key in PEM form could be read (" + reason + ")");
}

Status TlsContext::LoadClientCa(const std::string& path) {
  POP_RETURN_IF_ERROR(CheckReadable("client CA", path));
  STACK_OF(X509_NAME)* const names = SSL_load_client_CA_file(path.c_str());
  if (names == nullptr || SSL_CTX_load_verify_locations(context_, path.c_str(), nullptr) != 1) {
    sk_X509_NAME_pop_free(names, X509_NAME_free);
    return FileError("client CA", path,
                     "no certificate in PEM form could be read (" + TakeTlsError() + ")");
  }
  // A ticket that was given under other CAs is none here: its client is looked at again.
  std::string all_names = "poplar, clients vouched for by ";
  for (int i = 0; i < sk_X509_NAME_num(names); ++i) {
    const unsigned char* der = nullptr;
    size_t bytes = 0;
    if (X509_NAME_get0_der(sk_X509_NAME_value(names, i), &der, &bytes) != 1) continue;
    all_names.append(reinterpret_cast<const char*>(der), bytes);
  }
  SSL_CTX_set_client_CA_list(context_, names);
  SSL_CTX_set_verify(context_, SSL_VERIFY_PEER, TlsCallbacks::AcceptAnyway);
  std::array<unsigned char, EVP_MAX_MD_SIZE> id;
  unsigned int id_bytes = 0;
  if (EVP_Digest(all_names.data(), all_names.size(), id.data(), &id_bytes, EVP_sha256(), nullptr) !=
      1) {
    return MakeStatus(StatusCode::kUnavailable, "OpenSSL: " + TakeTlsError());
  }
  SSL_CTX_set_session_id_context(context_, id.data(),
                                 std::min<unsigned int>(id_bytes, SSL_MAX_SID_CTX_LENGTH));
  return OkStatus();
}

void TlsContext::Inspect(const TlsOptions& options) {
  const X509* const certificate = SSL_CTX_get0_certificate(context_);
  if (certificate == nullptr) return;
  expires_s_ = SecondsOf(X509_get0_notAfter(certificate));
  const int64_t begins_s = SecondsOf(X509_get0_notBefore(certificate));
  const int64_t now_s = std::time(nullptr);
  if (expires_s_ <= now_s)
    warnings_.push_back("certificate " + options.certificate_path + ": it expired on " +
                        DateOf(expires_s_));
  if (begins_s > now_s)
    warnings_.push_back("certificate " + options.certificate_path + ": it is not valid before " +
                        DateOf(begins_s));
}

}  // namespace poplar::net
