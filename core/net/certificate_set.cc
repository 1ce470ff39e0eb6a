#include "core/net/certificate_set.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <array>
#include <ctime>
#include <utility>

#include "core/base/check.h"
#include "core/net/pem_file.h"
#include "core/net/tls_error.h"

namespace poplar::net {
namespace {

struct FreeContext {
  void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
};

// Without it OpenSSL would ask on the terminal.
int RefusePassphrase(char*, int, int, void* asked) {
  *static_cast<bool*>(asked) = true;
  return -1;
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

Status OpenSslError() { return MakeStatus(StatusCode::kUnavailable, "OpenSSL: " + TakeTlsError()); }

// Reads both files into the context.
Status Read(SSL_CTX* context, const CertificateFiles& files) {
  POP_RETURN_IF_ERROR(CheckPemReadable("certificate", files.certificate_path));
  POP_RETURN_IF_ERROR(CheckPemReadable("key", files.key_path));
  bool passphrase_asked = false;
  SSL_CTX_set_default_passwd_cb(context, RefusePassphrase);
  SSL_CTX_set_default_passwd_cb_userdata(context, &passphrase_asked);
  const bool has_certificate =
      SSL_CTX_use_certificate_chain_file(context, files.certificate_path.c_str()) == 1;
  const bool has_key =
      has_certificate &&
      SSL_CTX_use_PrivateKey_file(context, files.key_path.c_str(), SSL_FILETYPE_PEM) == 1;
  SSL_CTX_set_default_passwd_cb_userdata(context, nullptr);
  if (!has_certificate)
    return PemFileError("certificate", files.certificate_path,
                        "no certificate in PEM form could be read (" + TakeTlsError() + ")");
  if (passphrase_asked)
    return PemFileError("key", files.key_path,
                        "it is sealed with a passphrase; store it in clear, readable by the "
                        "server's user only (openssl pkey -in OLD -out NEW)");
  const bool fits = has_key && SSL_CTX_check_private_key(context) == 1;
  const unsigned long error = ERR_peek_last_error();
  const std::string reason = TakeTlsError();
  if (fits) return OkStatus();
  // A key of another kind than the certificate's is loaded, and found out only by the check.
  if (has_key ||
      (ERR_GET_LIB(error) == ERR_LIB_X509 && ERR_GET_REASON(error) == X509_R_KEY_VALUES_MISMATCH))
    return PemFileError("key", files.key_path,
                        "it does not belong to the certificate " + files.certificate_path);
  return PemFileError("key", files.key_path,
                      "no private key in PEM form could be read (" + reason + ")");
}

}  // namespace

StatusOr<std::shared_ptr<const CertificateSet>> CertificateSet::Load(
    std::span<const CertificateFiles> files) {
  POP_CHECK(!files.empty());
  ERR_clear_error();
  // A context of its own reads a pair: it checks what it takes, as the one that serves would.
  const std::unique_ptr<SSL_CTX, FreeContext> scratch(SSL_CTX_new(TLS_server_method()));
  if (scratch == nullptr) return OpenSslError();
  std::shared_ptr<CertificateSet> set(new CertificateSet());
  for (const CertificateFiles& each : files) {
    POP_RETURN_IF_ERROR(set->Add(scratch.get(), each));
  }
  return std::shared_ptr<const CertificateSet>(std::move(set));
}

CertificateSet::~CertificateSet() {
  for (const Pair& pair : pairs_) {
    X509_free(pair.certificate);
    EVP_PKEY_free(pair.key);
    sk_X509_pop_free(pair.chain, X509_free);
  }
}

Status CertificateSet::Add(SSL_CTX* scratch, const CertificateFiles& files) {
  POP_RETURN_IF_ERROR(Read(scratch, files));
  X509* const certificate = SSL_CTX_get0_certificate(scratch);
  EVP_PKEY* const key = SSL_CTX_get0_privatekey(scratch);
  STACK_OF(X509)* chain = nullptr;
  SSL_CTX_get0_chain_certs(scratch, static_cast<void*>(&chain));
  for (const Pair& pair : pairs_) {
    if (EVP_PKEY_get_base_id(pair.key) != EVP_PKEY_get_base_id(key)) continue;
    return PemFileError("certificate", files.certificate_path,
                        "there is another one for a key of the same kind; remove one of the two");
  }
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest;
  unsigned int digest_bytes = 0;
  if (X509_digest(certificate, EVP_sha256(), digest.data(), &digest_bytes) != 1) {
    return OpenSslError();
  }
  identity_.append(reinterpret_cast<const char*>(digest.data()), digest_bytes);
  X509_up_ref(certificate);
  EVP_PKEY_up_ref(key);
  pairs_.push_back({.certificate = certificate,
                    .key = key,
                    .chain = chain == nullptr ? nullptr : X509_chain_up_ref(chain)});
  Inspect(certificate, files.certificate_path);
  return OkStatus();
}

void CertificateSet::Inspect(const X509* certificate, const std::string& path) {
  const int64_t expires_s = SecondsOf(X509_get0_notAfter(certificate));
  const int64_t begins_s = SecondsOf(X509_get0_notBefore(certificate));
  const int64_t now_s = std::time(nullptr);
  if (expires_s <= now_s)
    warnings_.push_back("certificate " + path + ": it expired on " + DateOf(expires_s));
  if (begins_s > now_s)
    warnings_.push_back("certificate " + path + ": it is not valid before " + DateOf(begins_s));
  expires_s_ = pairs_.size() == 1 ? expires_s : std::min(expires_s_, expires_s);
}

bool CertificateSet::ShowOn(SSL_CTX* context) const {
  bool shown = true;
  for (const Pair& pair : pairs_) {
    shown =
        shown && SSL_CTX_use_cert_and_key(context, pair.certificate, pair.key, pair.chain, 1) == 1;
  }
  return shown;
}

bool CertificateSet::ShowOn(SSL* ssl) const {
  SSL_certs_clear(ssl);
  bool shown = true;
  for (const Pair& pair : pairs_) {
    shown = shown && SSL_use_cert_and_key(ssl, pair.certificate, pair.key, pair.chain, 1) == 1;
  }
  return shown;
}

bool CertificateSet::Names(const std::string& host) const {
  bool names = true;
  for (const Pair& pair : pairs_) {
    names = names && X509_check_host(pair.certificate, host.data(), host.size(), 0, nullptr) == 1;
  }
  return names;
}

}  // namespace poplar::net
