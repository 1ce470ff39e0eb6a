#include "core/app/certificate.h"

#include <openssl/pem.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <array>
#include <climits>

#include "tests/unit/app/command_test.h"

namespace poplar::app {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr int64_t kDayS = 86'400;

X509* ReadPem(const std::string& pem) {
  BIO* bio = BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size()));
  X509* certificate = PEM_read_bio_X509(bio, nullptr, nullptr, nullptr);
  BIO_free(bio);
  return certificate;
}

// As a mail program that was given the certificate verifies it: for TLS servers, with this name.
bool IsTrustedFor(X509* certificate, const std::string& name, bool is_address) {
  X509_STORE* store = X509_STORE_new();
  X509_STORE_add_cert(store, certificate);
  X509_STORE_CTX* context = X509_STORE_CTX_new();
  X509_STORE_CTX_init(context, store, certificate, nullptr);
  X509_STORE_CTX_set_default(context, "ssl_server");
  X509_VERIFY_PARAM* parameters = X509_STORE_CTX_get0_param(context);
  if (is_address)
    X509_VERIFY_PARAM_set1_ip_asc(parameters, name.c_str());
  else
    X509_VERIFY_PARAM_set1_host(parameters, name.c_str(), name.size());
  const bool trusted = X509_verify_cert(context) == 1;
  X509_STORE_CTX_free(context);
  X509_STORE_free(store);
  return trusted;
}

TEST(SelfSigned, IsTrustedForItsNamesAndNoOther) {
  const std::vector<std::string> names = {"mail.example.org", "localhost", "127.0.0.1", "::1"};
  const auto made = MakeSelfSigned(names);
  ASSERT_TRUE(made.ok()) << made.status();
  X509* certificate = ReadPem(made->certificate_pem);
  ASSERT_NE(certificate, nullptr);
  EXPECT_TRUE(IsTrustedFor(certificate, "mail.example.org", false));
  EXPECT_TRUE(IsTrustedFor(certificate, "localhost", false));
  EXPECT_TRUE(IsTrustedFor(certificate, "127.0.0.1", true));
  EXPECT_TRUE(IsTrustedFor(certificate, "::1", true));
  EXPECT_FALSE(IsTrustedFor(certificate, "example.org", false));
  EXPECT_FALSE(IsTrustedFor(certificate, "127.0.0.2", true));
  EXPECT_EQ(X509_check_ca(certificate), 0);
  EXPECT_EQ(EVP_PKEY_get_bits(X509_get0_pubkey(certificate)), 256);
  int days = 0, seconds = 0;
  ASN1_TIME_diff(&days, &seconds, X509_get0_notBefore(certificate),
                 X509_get0_notAfter(certificate));
  EXPECT_EQ(days, 825);
  X509_free(certificate);
  EXPECT_THAT(std::string(made->key_pem.Reveal()), HasSubstr("BEGIN PRIVATE KEY"));
  EXPECT_NE(made->certificate_pem, MakeSelfSigned(names)->certificate_pem);
}

TEST(SelfSigned, IsForThisMachine) {
  const auto names = OwnNames();
  EXPECT_THAT(names, Contains("localhost"));
  EXPECT_THAT(names, Contains("127.0.0.1"));
  EXPECT_THAT(names, Contains("::1"));
  std::array<char, HOST_NAME_MAX + 1> host_name{};
  ASSERT_EQ(gethostname(host_name.data(), host_name.size() - 1), 0);
  EXPECT_THAT(names, Contains(std::string(host_name.data())));
  EXPECT_TRUE(MakeSelfSigned(names).ok());
}

class CheckCertificateTest : public CommandTest {
 protected:
  void SetUp() override {
    CommandTest::SetUp();
    certificate_ = folder_ / "cert.pem";
    key_ = folder_ / "key.pem";
    const std::vector<std::string> names = {"localhost"};
    const auto made = MakeSelfSigned(names);
    ASSERT_TRUE(made.ok());
    Write(certificate_, made->certificate_pem);
    Write(key_, std::string(made->key_pem.Reveal()));
    chmod(key_.c_str(), 0600);
  }
  CertificateFaults Faults(int64_t days_from_now = 0) {
    return CheckCertificate(certificate_, key_, time(nullptr) + days_from_now * kDayS);
  }

  std::string certificate_;
  std::string key_;
};

TEST_F(CheckCertificateTest, APairIsRight) {
  const auto faults = Faults();
  EXPECT_EQ(faults.certificate, "");
  EXPECT_EQ(faults.key, "");
  EXPECT_THAT(faults.warnings, IsEmpty());
}

TEST_F(CheckCertificateTest, DatesCount) {
  EXPECT_THAT(Faults(-1).certificate, HasSubstr("is not valid yet"));
  EXPECT_EQ(Faults(810).certificate, "");
  EXPECT_THAT(Faults(810).warnings, IsEmpty());
  EXPECT_EQ(Faults(820).certificate, "");
  EXPECT_THAT(Faults(820).warnings, ElementsAre(HasSubstr("expires within 14 days")));
  EXPECT_THAT(Faults(826).certificate, HasSubstr("has expired"));
}

TEST_F(CheckCertificateTest, FilesThatAreMissingOrWrong) {
  const auto other = MakeSelfSigned(std::vector<std::string>{"other"});
  Write(key_, std::string(other->key_pem.Reveal()));
  EXPECT_THAT(Faults().key, HasSubstr("is no private key for"));
  Write(key_, "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n");
  EXPECT_THAT(Faults().key, HasSubstr("without a passphrase"));
  Write(certificate_, "hello");
  EXPECT_THAT(Faults().certificate, HasSubstr("holds no certificate"));
  std::filesystem::remove(certificate_);
  std::filesystem::remove(key_);
  EXPECT_THAT(Faults().certificate, HasSubstr("No such file"));
  EXPECT_THAT(Faults().key, HasSubstr("No such file"));
}

TEST_F(CheckCertificateTest, AKeyForAllToReadIsWarnedOf) {
  chmod(key_.c_str(), 0644);
  EXPECT_THAT(Faults().warnings, ElementsAre(HasSubstr("can be read by everybody")));
}

}  // namespace
}  // namespace poplar::app
