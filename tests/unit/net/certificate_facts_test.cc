#include "core/net/certificate_facts.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/x509v3.h>

#include <memory>
#include <string>

namespace poplar::net {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

struct Free {
  void operator()(X509* certificate) const { X509_free(certificate); }
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
};
using Certificate = std::unique_ptr<X509, Free>;
using Key = std::unique_ptr<EVP_PKEY, Free>;

struct Wanted {
  std::vector<std::string> common_names = {};
  std::string alternative_names = {};  // As x509v3_config(5) has them.
  const EVP_MD* digest = EVP_sha256();
  bool eddsa = false;
};

Certificate Make(const Wanted& wanted) {
  const Key key(wanted.eddsa ? EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519")
                             : EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", "P-256"));
  Certificate certificate(X509_new());
  for (const std::string& name : wanted.common_names) {
    X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate.get()), "CN", MBSTRING_UTF8,
                               reinterpret_cast<const unsigned char*>(name.data()),
                               static_cast<int>(name.size()), -1, 0);
  }
  if (!wanted.alternative_names.empty()) {
    X509_EXTENSION* const names = X509V3_EXT_conf_nid(nullptr, nullptr, NID_subject_alt_name,
                                                      wanted.alternative_names.c_str());
    X509_add_ext(certificate.get(), names, -1);
    X509_EXTENSION_free(names);
  }
  X509_set_pubkey(certificate.get(), key.get());
  EXPECT_GT(X509_sign(certificate.get(), key.get(), wanted.eddsa ? nullptr : wanted.digest), 0);
  return certificate;
}

std::string DigestOf(const Certificate& certificate, const EVP_MD* digest) {
  unsigned char hash[EVP_MAX_MD_SIZE];
  unsigned int bytes = 0;
  EXPECT_EQ(X509_digest(certificate.get(), digest, hash, &bytes), 1);
  return {reinterpret_cast<const char*>(hash), bytes};
}

TEST(CertificateFacts, EmailAddresses) {
  const auto certificate = Make({.common_names = {"cn@example.org"},
                                 .alternative_names = "email:a@example.org,DNS:example.org,"
                                                      "email:b@example.org"});
  EXPECT_THAT(NamesOf(certificate.get(), ClientName::kEmail),
              ElementsAre("a@example.org", "b@example.org"));
  EXPECT_THAT(NamesOf(Make({.common_names = {"cn@example.org"}}).get(), ClientName::kEmail),
              IsEmpty());
}

TEST(CertificateFacts, CommonNames) {
  const auto names = [](const std::vector<std::string>& common_names) {
    return NamesOf(Make({.common_names = common_names}).get(), ClientName::kCommonName);
  };
  EXPECT_THAT(names({"alice@example.org"}), ElementsAre("alice@example.org"));
  EXPECT_THAT(names({"J\xc3\xb6rg"}), ElementsAre("J\xc3\xb6rg"));
  EXPECT_THAT(names({}), IsEmpty());
  EXPECT_THAT(names({"a", "b"}), IsEmpty()) << "which?";
  EXPECT_THAT(names({std::string("a@example.org\0.evil", 19)}), IsEmpty());
  EXPECT_THAT(names({"a\nb"}), IsEmpty());
}

TEST(CertificateFacts, EndPointsAreHashedAsTheirSignature) {
  for (const EVP_MD* digest : {EVP_sha256(), EVP_sha384(), EVP_sha512()}) {
    const auto certificate = Make({.digest = digest});
    EXPECT_EQ(EndPointBinding(certificate.get()), DigestOf(certificate, digest));
  }
  const auto old = Make({.digest = EVP_sha1()});
  EXPECT_EQ(EndPointBinding(old.get()), DigestOf(old, EVP_sha256())) << "RFC 5929 §4.1";
  EXPECT_EQ(EndPointBinding(Make({.eddsa = true}).get()), "");
  EXPECT_EQ(EndPointBinding(nullptr), "");
}

}  // namespace
}  // namespace poplar::net
