#include "core/net/tls_context.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <ctime>
#include <memory>

#include "tests/unit/net/net_test_support.h"

namespace poplar::net {
namespace {

using testing::HasSubstr;

struct FileClose {
  void operator()(FILE* file) const { std::fclose(file); }
};
using File = std::unique_ptr<FILE, FileClose>;

class TlsContextTest : public testing::Test {
 protected:
  TlsContextTest() { WriteCertificate(options_.certificate_path, options_.key_path); }

  std::string Fault() {
    const auto context = TlsContext::Load(options_, nullptr);
    return context.ok() ? "none" : std::string(Message(context.status()));
  }
  static void Write(const std::string& path, std::string_view text) {
    const File file(std::fopen(path.c_str(), "w"));
    ASSERT_NE(file, nullptr);
    std::fwrite(text.data(), 1, text.size(), file.get());
  }
  // With a cipher: sealed with the passphrase.
  void WriteKey(EVP_PKEY* key, const EVP_CIPHER* cipher, const char* passphrase) {
    const File file(std::fopen(options_.key_path.c_str(), "w"));
    ASSERT_NE(file, nullptr);
    PEM_write_PrivateKey(file.get(), key, cipher, nullptr, 0, nullptr,
                         const_cast<char*>(passphrase));
  }

  TestFolder folder_;
  TlsOptions options_ = {.certificate_path = folder_.Path("cert.pem"),
                         .key_path = folder_.Path("key.pem")};
};

TEST_F(TlsContextTest, LoadsAndKnowsItsEnd) {
  const auto context = TlsContext::Load(options_, nullptr);
  ASSERT_TRUE(context.ok()) << context.status();
  EXPECT_TRUE((*context)->warnings().empty());
  const int64_t month_s = 30 * 24 * 3600;
  EXPECT_NEAR(static_cast<double>((*context)->expires_s()),
              static_cast<double>(std::time(nullptr) + month_s), 100);
}

TEST_F(TlsContextTest, ExpiredCertificateIsAWarning) {
  WriteCertificate(options_.certificate_path, options_.key_path, {.days = -1});
  const auto context = TlsContext::Load(options_, nullptr);
  ASSERT_TRUE(context.ok());
  ASSERT_EQ((*context)->warnings().size(), 1u);
  EXPECT_THAT((*context)->warnings()[0], HasSubstr("it expired on"));
  EXPECT_THAT((*context)->warnings()[0], HasSubstr(options_.certificate_path));
}

TEST_F(TlsContextTest, FaultsNameTheFileAndTheReason) {
  const TlsOptions good = options_;
  options_.certificate_path = folder_.Path("nonesuch.pem");
  EXPECT_EQ(Fault(), "certificate " + options_.certificate_path + ": there is no such file");
  options_ = good;
  options_.key_path = "";
  EXPECT_EQ(Fault(), "key: no file is named");
  options_.key_path = folder_.Path("");
  EXPECT_THAT(Fault(), HasSubstr("this is a folder"));

  options_ = good;
  options_.certificate_path = folder_.Path("text.pem");
  Write(options_.certificate_path, "no certificate\n");
  EXPECT_THAT(Fault(), HasSubstr("no certificate in PEM form could be read"));
  options_ = good;
  options_.key_path = folder_.Path("text.pem");
  EXPECT_THAT(Fault(), HasSubstr("no private key in PEM form could be read"));

  options_ = good;
  options_.ciphers_tls12 = "NONESUCH";
  EXPECT_THAT(Fault(), HasSubstr("OpenSSL knows none of them"));
}

TEST_F(TlsContextTest, KeyOfAnotherCertificateIsFoundOut) {
  options_.key_path = folder_.Path("other.pem");
  WriteCertificate(folder_.Path("other-cert.pem"), options_.key_path);
  EXPECT_THAT(Fault(), HasSubstr("it does not belong to the certificate"));

  EVP_PKEY* const rsa = EVP_RSA_gen(2048);  // Of another kind, too.
  WriteKey(rsa, nullptr, nullptr);
  EVP_PKEY_free(rsa);
  EXPECT_THAT(Fault(), HasSubstr("it does not belong to the certificate"));
}

TEST_F(TlsContextTest, SealedKeyIsNotAskedForOnTheTerminal) {
  EVP_PKEY* const key = EVP_EC_gen("P-256");
  WriteKey(key, EVP_aes_128_cbc(), "secret");
  EVP_PKEY_free(key);
  EXPECT_THAT(Fault(), HasSubstr("sealed with a passphrase"));
}

class ManualClock : public base::Clock {
 public:
  uint64_t MonotonicUs() const override { return now_us; }
  int64_t WallUs() const override { return static_cast<int64_t>(now_us); }
  uint64_t now_us = 1'000'000;
};

class TicketKeysTest : public testing::Test {
 protected:
  struct Contexts {
    Contexts() {
      EVP_MAC* const hmac = EVP_MAC_fetch(nullptr, "HMAC", nullptr);
      mac = EVP_MAC_CTX_new(hmac);
      EVP_MAC_free(hmac);
    }
    ~Contexts() {
      EVP_CIPHER_CTX_free(cipher);
      EVP_MAC_CTX_free(mac);
    }
    EVP_CIPHER_CTX* cipher = EVP_CIPHER_CTX_new();
    EVP_MAC_CTX* mac;
  };
  using Name = std::array<unsigned char, 16>;

  Name Seal() {
    Contexts contexts;
    Name name{};
    unsigned char iv[16];
    EXPECT_EQ(keys_.Apply(name.data(), iv, contexts.cipher, contexts.mac, true, false), 1);
    return name;
  }
  int Open(Name name, bool for_once = false) {
    Contexts contexts;
    unsigned char iv[16] = {};
    return keys_.Apply(name.data(), iv, contexts.cipher, contexts.mac, false, for_once);
  }
  void Pass(uint64_t seconds) { clock_.now_us += seconds * 1'000'000; }

  ManualClock clock_;
  TicketKeys keys_{clock_};
};

TEST_F(TicketKeysTest, KeysChangeAndTheLastTwoStillOpen) {
  const Name first = Seal();
  EXPECT_EQ(Seal(), first);
  EXPECT_EQ(Open(first), 1);
  EXPECT_EQ(Open(first, /*for_once=*/true), 2);
  Pass(TicketKeys::kPeriodS);
  const Name second = Seal();
  EXPECT_NE(second, first);
  EXPECT_EQ(Open(first), 2) << "good, and to be replaced";
  Pass(TicketKeys::kPeriodS);
  Seal();
  EXPECT_EQ(Open(first), 2);
  EXPECT_EQ(Open(second), 2);
  Pass(TicketKeys::kPeriodS);
  EXPECT_EQ(Open(first), 0);
  EXPECT_EQ(Open(second), 2);
}

TEST_F(TicketKeysTest, KeysOfALongSilenceAreGone) {
  const Name first = Seal();
  Pass(TicketKeys::kPeriodS * 3 + 1);
  EXPECT_EQ(Open(first), 0);
}

TEST_F(TicketKeysTest, StrangersTicketsDoNotOpen) {
  Seal();
  EXPECT_EQ(Open(Name{}), 0);
}

}  // namespace
}  // namespace poplar::net
