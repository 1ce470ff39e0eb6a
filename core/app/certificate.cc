#include "core/app/certificate.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <memory>

#include "core/base/check.h"
#include "core/base/fd.h"

namespace poplar::app {
namespace {

constexpr int64_t kHourS = 3600;
constexpr int64_t kDayS = 24 * kHourS;
constexpr int64_t kValidDays = 825;
constexpr int64_t kWarnDays = 14;

template <auto free_function>
struct Freer {
  template <class T>
  void operator()(T* object) const {
    free_function(object);
  }
};
using KeyPtr = std::unique_ptr<EVP_PKEY, Freer<EVP_PKEY_free>>;
using X509Ptr = std::unique_ptr<X509, Freer<X509_free>>;
using BioPtr = std::unique_ptr<BIO, Freer<BIO_free>>;
using ExtensionPtr = std::unique_ptr<X509_EXTENSION, Freer<X509_EXTENSION_free>>;
using SslCtxPtr = std::unique_ptr<SSL_CTX, Freer<SSL_CTX_free>>;

// The reason of the first error in OpenSSL's queue, which is emptied.
std::string OpenSslReason() {
  const unsigned long code = ERR_get_error();
  ERR_clear_error();
  const char* reason = ERR_reason_error_string(code);
  return reason == nullptr ? "no reason given" : reason;
}

Status OpenSslFailed(std::string_view what) {
  return MakeStatus(StatusCode::kInternal,
                    "cannot make " + std::string(what) + ": " + OpenSslReason());
}

bool IsIpAddress(const std::string& name) {
  in6_addr address{};
  return inet_pton(AF_INET, name.c_str(), &address) == 1 ||
         inet_pton(AF_INET6, name.c_str(), &address) == 1;
}

bool AddExtension(X509* certificate, int nid, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, certificate, certificate, nullptr, nullptr, 0);
  const ExtensionPtr extension(X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str()));
  return extension != nullptr && X509_add_ext(certificate, extension.get(), -1) == 1;
}

// Serial numbers are random: two certificates of one machine must not share one.
bool SetRandomSerial(X509* certificate) {
  std::array<unsigned char, 16> bytes{};
  if (RAND_bytes(bytes.data(), bytes.size()) != 1) return false;
  bytes[0] &= 0x7F;
  BIGNUM* number = BN_bin2bn(bytes.data(), bytes.size(), nullptr);
  const bool set = number != nullptr &&
                   BN_to_ASN1_INTEGER(number, X509_get_serialNumber(certificate)) != nullptr;
  BN_free(number);
  return set;
}

bool Fill(X509* certificate, EVP_PKEY* key, std::span<const std::string> names) {
  std::string alternatives;
  for (const std::string& name : names) {
    if (!alternatives.empty()) alternatives += ',';
    alternatives += (IsIpAddress(name) ? "IP:" : "DNS:") + name;
  }
  X509_NAME* subject = X509_get_subject_name(certificate);
  constexpr size_t kCommonNameBytesMax = 64;
  const std::string common_name = names.front().substr(0, kCommonNameBytesMax);
  const int version_3 = 2;
  // It signs nothing but handshakes: mail programs refuse a CA's certificate as a server's.
  return X509_set_version(certificate, version_3) == 1 && SetRandomSerial(certificate) &&
         X509_gmtime_adj(X509_getm_notBefore(certificate), -kHourS) != nullptr &&
         X509_gmtime_adj(X509_getm_notAfter(certificate), kValidDays * kDayS - kHourS) != nullptr &&
         X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8,
                                    reinterpret_cast<const unsigned char*>(common_name.c_str()), -1,
                                    -1, 0) == 1 &&
         X509_set_issuer_name(certificate, subject) == 1 &&
         X509_set_pubkey(certificate, key) == 1 &&
         AddExtension(certificate, NID_basic_constraints, "critical,CA:FALSE") &&
         AddExtension(certificate, NID_key_usage, "critical,digitalSignature") &&
         AddExtension(certificate, NID_ext_key_usage, "serverAuth") &&
         AddExtension(certificate, NID_subject_alt_name, alternatives) &&
         AddExtension(certificate, NID_subject_key_identifier, "hash") &&
         X509_sign(certificate, key, EVP_sha256()) != 0;
}

std::string_view Contents(BIO* bio) {
  char* data = nullptr;
  const long length = BIO_get_mem_data(bio, &data);
  return {data, static_cast<size_t>(length)};
}

// Why `path` cannot be read, or nothing.
std::string CannotRead(const std::string& path) {
  if (access(path.c_str(), R_OK) == 0) return "";
  const Status status = ErrnoStatus(errno, "cannot read " + path);
  return std::string(Message(status)) +
         "; name the file that is there, or make one with `poplar init`";
}

// A key with a passphrase must not make a server ask for it.
int NoPassphrase(char*, int, int, void*) { return 0; }

void CheckDates(const X509* certificate, const std::string& path, int64_t now_s,
                CertificateFaults& faults) {
  time_t now = now_s;
  time_t soon = now_s + kWarnDays * kDayS;
  const auto is_before = [](const ASN1_TIME* time, time_t* then) {
    return X509_cmp_time(time, then) < 0;
  };
  if (!is_before(X509_get0_notBefore(certificate), &now))
    faults.certificate = path + " is not valid yet; is the clock right?";
  else if (is_before(X509_get0_notAfter(certificate), &now))
    faults.certificate = path + " has expired; replace it, and its key, by new ones";
  else if (is_before(X509_get0_notAfter(certificate), &soon))
    faults.warnings.push_back(path + " expires within " + std::to_string(kWarnDays) +
                              " days; replace it soon");
}

}  // namespace

StatusOr<SelfSigned> MakeSelfSigned(std::span<const std::string> names) {
  POP_CHECK(!names.empty());
  const KeyPtr key(EVP_EC_gen("P-256"));
  if (key == nullptr) return OpenSslFailed("a key");
  const X509Ptr certificate(X509_new());
  if (certificate == nullptr || !Fill(certificate.get(), key.get(), names))
    return OpenSslFailed("a certificate");

  const BioPtr certificate_bio(BIO_new(BIO_s_mem()));
  const BioPtr key_bio(BIO_new(BIO_s_secmem()));
  if (PEM_write_bio_X509(certificate_bio.get(), certificate.get()) != 1 ||
      PEM_write_bio_PKCS8PrivateKey(key_bio.get(), key.get(), nullptr, nullptr, 0, nullptr,
                                    nullptr) != 1)
    return OpenSslFailed("PEM text");
  return SelfSigned{std::string(Contents(certificate_bio.get())),
                    base::Secret(Contents(key_bio.get()))};
}

std::vector<std::string> OwnNames() {
  std::vector<std::string> names = {"localhost", "127.0.0.1", "::1"};
  std::array<char, HOST_NAME_MAX + 1> buffer{};
  if (gethostname(buffer.data(), buffer.size() - 1) != 0) return names;
  const std::string own = buffer.data();
  const bool is_host_name = !own.empty() && std::ranges::all_of(own, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.';
  });
  if (is_host_name && std::ranges::find(names, own) == names.end())
    names.insert(names.begin(), own);
  return names;
}

std::string CheckAuthorities(const std::string& path) {
  if (std::string fault = CannotRead(path); !fault.empty()) return fault;
  const SslCtxPtr context(SSL_CTX_new(TLS_server_method()));
  POP_CHECK(context != nullptr);
  if (SSL_CTX_load_verify_locations(context.get(), path.c_str(), nullptr) == 1) return "";
  return path + " holds no certificate that can be used (" + OpenSslReason() +
         "); write those of the authorities, in PEM form";
}

CertificateFaults CheckCertificate(const std::string& certificate_path, const std::string& key_path,
                                   int64_t now_s) {
  CertificateFaults faults;
  faults.certificate = CannotRead(certificate_path);
  faults.key = CannotRead(key_path);
  if (!faults.certificate.empty() || !faults.key.empty()) return faults;

  const SslCtxPtr context(SSL_CTX_new(TLS_server_method()));
  POP_CHECK(context != nullptr);
  SSL_CTX_set_default_passwd_cb(context.get(), &NoPassphrase);
  if (SSL_CTX_use_certificate_chain_file(context.get(), certificate_path.c_str()) != 1) {
    faults.certificate = certificate_path + " holds no certificate that can be used (" +
                         OpenSslReason() + "); write it in PEM form, the server's own first";
    return faults;
  }
  if (SSL_CTX_use_PrivateKey_file(context.get(), key_path.c_str(), SSL_FILETYPE_PEM) != 1 ||
      SSL_CTX_check_private_key(context.get()) != 1) {
    faults.key = key_path + " is no private key for " + certificate_path + " (" + OpenSslReason() +
                 "); write the key that belongs to it, in PEM form, without a passphrase";
    return faults;
  }
  CheckDates(SSL_CTX_get0_certificate(context.get()), certificate_path, now_s, faults);
  struct stat key_file{};
  if (stat(key_path.c_str(), &key_file) == 0 && (key_file.st_mode & S_IRWXO) != 0)
    faults.warnings.push_back(key_path + " can be read by everybody; `chmod o= " + key_path +
                              "` mends that");
  return faults;
}

}  // namespace poplar::app
