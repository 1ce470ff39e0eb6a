#include "core/net/certificate_facts.h"

#include <openssl/evp.h>
#include <openssl/objects.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <array>
#include <memory>
#include <string_view>

namespace poplar::net {
namespace {

struct FreeNames {
  void operator()(GENERAL_NAMES* names) const { GENERAL_NAMES_free(names); }
};

void Add(const ASN1_STRING* text, std::vector<std::string>& names) {
  unsigned char* utf8 = nullptr;
  const int bytes = ASN1_STRING_to_UTF8(&utf8, text);
  if (bytes < 0) return;
  const std::string_view name(reinterpret_cast<const char*>(utf8), static_cast<size_t>(bytes));
  const bool sound = !name.empty() && std::all_of(name.begin(), name.end(), [](char c) {
    return static_cast<unsigned char>(c) >= 0x20 && c != 0x7F;
  });
  if (sound) names.emplace_back(name);
  OPENSSL_free(utf8);
}

}  // namespace

std::vector<std::string> NamesOf(const X509* certificate, ClientName kind) {
  std::vector<std::string> names;
  if (kind == ClientName::kCommonName) {
    const X509_NAME* const subject = X509_get_subject_name(certificate);
    const int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
    // A second one would make it a matter of who reads it.
    if (at < 0 || X509_NAME_get_index_by_NID(subject, NID_commonName, at) >= 0) return names;
    Add(X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)), names);
    return names;
  }
  const std::unique_ptr<GENERAL_NAMES, FreeNames> all(static_cast<GENERAL_NAMES*>(
      X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)));
  for (int i = 0; all != nullptr && i < sk_GENERAL_NAME_num(all.get()); ++i) {
    const GENERAL_NAME* const name = sk_GENERAL_NAME_value(all.get(), i);
    if (name->type == GEN_EMAIL) Add(name->d.rfc822Name, names);
  }
  return names;
}

std::string EndPointBinding(const X509* certificate) {
  int digest_id = NID_undef;
  if (certificate == nullptr ||
      X509_get_signature_info(const_cast<X509*>(certificate), &digest_id, nullptr, nullptr,
                              nullptr) != 1 ||
      digest_id == NID_undef) {
    return "";
  }
  const EVP_MD* const digest =
      digest_id == NID_md5 || digest_id == NID_sha1 ? EVP_sha256() : EVP_get_digestbynid(digest_id);
  std::array<unsigned char, EVP_MAX_MD_SIZE> hash;
  unsigned int bytes = 0;
  if (digest == nullptr || X509_digest(certificate, digest, hash.data(), &bytes) != 1) return "";
  return {reinterpret_cast<const char*>(hash.data()), bytes};
}

}  // namespace poplar::net
