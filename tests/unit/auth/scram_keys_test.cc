#include "auth/schemes/scram_keys.h"

#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <string>

#include "auth/schemes/password_hasher.h"
#include "auth/schemes/stored_fields.h"

namespace poplar::auth {
namespace {

using base::Secret;

std::string Hmac(const EVP_MD* digest, const std::string& key, const std::string& text) {
  std::string mac(static_cast<size_t>(EVP_MD_get_size(digest)), '\0');
  HMAC(digest, key.data(), static_cast<int>(key.size()),
       reinterpret_cast<const unsigned char*>(text.data()), text.size(),
       reinterpret_cast<unsigned char*>(mac.data()), nullptr);
  return mac;
}

std::string Digest(const EVP_MD* digest, const std::string& text) {
  std::string result(static_cast<size_t>(EVP_MD_get_size(digest)), '\0');
  EVP_Digest(text.data(), text.size(), reinterpret_cast<unsigned char*>(result.data()), nullptr,
             digest, nullptr);
  return result;
}

// A conversation as an RFC prints it, of user "user" with password "pencil".
struct Conversation {
  ScramHash hash;
  const EVP_MD* (*digest)();
  const char* stored;
  const char* client_first_bare;
  const char* server_first;
  const char* client_final_without_proof;
  const char* proof;
  const char* server_signature;
};

const Conversation kConversations[] = {
    {ScramHash::kSha1, &EVP_sha1,  // RFC 5802 §5.
     "{SCRAM-SHA-1}4096,QSXCR+Q6sek8bf92,6dlGYMOdZcOPutkcNY8U2g7vK9Y=,D+CSWLOshSulAsxiupA+qs2/fTE=",
     "n=user,r=fyko+d2lbbFgONRv9qkxdawL",
     "r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096",
     "c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j",
     "v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=", "rmF9pqV8S7suAoZWja4dJRkFsKQ="},
    {ScramHash::kSha256, &EVP_sha256,  // RFC 7677 §3.
     "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:"
     "wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=",
     "n=user,r=rOprNGfwEbeRWgbNEkqO",
     "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
     "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0",
     "dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
     "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="},
};

TEST(ScramKeysTest, AreThoseOfTheRfcsConversations) {
  for (const Conversation& c : kConversations) {
    const auto keys = ParseScramKeys(c.stored);
    ASSERT_TRUE(keys) << c.stored;
    EXPECT_EQ(keys->hash, c.hash);
    EXPECT_EQ(keys->iterations, 4096U);
    const std::string message = std::string(c.client_first_bare) + "," + c.server_first + "," +
                                c.client_final_without_proof;
    EXPECT_EQ(EncodeBase64(Hmac(c.digest(), keys->server_key, message)), c.server_signature);
    std::string client_key = *DecodeBase64(c.proof);
    const std::string signature = Hmac(c.digest(), keys->stored_key, message);
    for (size_t i = 0; i < client_key.size(); ++i) {
      client_key[i] = static_cast<char>(client_key[i] ^ signature[i]);
    }
    EXPECT_EQ(Digest(c.digest(), client_key), keys->stored_key);
  }
}

TEST(ScramKeysTest, BothNotationsReadAlikeAndAreWrittenAsRfc5803Has) {
  const std::string fields = "WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=";
  const std::string server = "wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=";
  const std::string rfc = "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$" + fields + ":" + server;
  const auto dovecot =
      ParseScramKeys("{scram-sha-256}4096,W22ZaJ0SNY7soEsUEjb6gQ==," + fields + "," + server);
  ASSERT_TRUE(dovecot);
  EXPECT_EQ(ParseScramKeys(rfc), dovecot);
  EXPECT_EQ(FormatScramKeys(*dovecot), rfc);
}

TEST(ScramKeysTest, WhatIsMadeIsVerified) {
  const PasswordHasher hasher({.prefix = "$y$", .cost = 1});
  for (const ScramHash hash : {ScramHash::kSha1, ScramHash::kSha256}) {
    const auto keys = MakeScramKeys(hash, Secret("correct horse"), 4096);
    ASSERT_TRUE(keys.ok()) << keys.status();
    const std::string stored = FormatScramKeys(*keys);
    EXPECT_EQ(ParseScramKeys(stored), *keys);
    EXPECT_TRUE(CheckStoredHash(stored).ok());
    EXPECT_EQ(hasher.Verify(stored, Secret("correct horse")), HashVerdict::kMatch);
    EXPECT_EQ(hasher.Verify(stored, Secret("correct horsf")), HashVerdict::kMismatch);
    EXPECT_NE(MakeScramKeys(hash, Secret("correct horse"), 4096)->salt, keys->salt);
  }
  EXPECT_EQ(MakeScramKeys(ScramHash::kSha256, Secret("x"))->iterations, kScramIterations);
  for (const uint32_t bad : {0U, kScramIterationsMax + 1}) {
    EXPECT_EQ(MakeScramKeys(ScramHash::kSha256, Secret("x"), bad).status().code(),
              StatusCode::kInvalidArgument);
  }
}

TEST(ScramKeysTest, FewIterationsAreWeak) {
  const std::string stored = FormatScramKeys(*MakeScramKeys(ScramHash::kSha256, Secret("x"), 4095));
  EXPECT_FALSE(CheckStoredHash(stored).ok());
  EXPECT_TRUE(CheckStoredHash(stored, WeakSchemes::kAllow).ok());
}

// SASLprep turns the ligature into two letters. Keys that were made of either, computed by Python.
TEST(ScramKeysTest, PasswordsBeyondAsciiArePrepared) {
  const PasswordHasher hasher({.prefix = "$y$", .cost = 1});
  const std::string head = "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$";
  const std::string of_fish = head +
                              "7VmT3kxYrHoFs+Oh9R4hUQ9Z7WW0fbXm4YxRIevSNC0=:"
                              "Nc17H1VBsqwH3buaV///0Uode0x2nyVVezTVr7xdPXA=";
  const std::string of_ligature = head +
                                  "REyQcveoFgy/Y3YpByB8imBYLbO1heUC5FE8tnT5LNo=:"
                                  "imhItK5dkmNs2UHJfDAa08DD3ai/AmwF93XhyAKZ7js=";
  EXPECT_EQ(hasher.Verify(of_fish, Secret("fish")), HashVerdict::kMatch);
  EXPECT_EQ(hasher.Verify(of_fish, Secret("\xef\xac\x81sh")), HashVerdict::kMatch);
  EXPECT_EQ(hasher.Verify(of_ligature, Secret("\xef\xac\x81sh")), HashVerdict::kMatch)
      << "made as it came";
  EXPECT_EQ(hasher.Verify(of_ligature, Secret("fish")), HashVerdict::kMismatch);
  const auto made = MakeScramKeys(ScramHash::kSha256, Secret("\xef\xac\x81sh"), 4096);
  EXPECT_EQ(hasher.Verify(FormatScramKeys(*made), Secret("fish")), HashVerdict::kMatch);
}

TEST(ScramKeysTest, WhatSaslprepForbidsIsTakenAsItIs) {
  const PasswordHasher hasher({.prefix = "$y$", .cost = 1});
  for (const char* password : {"\xff\xfe", "caf\xe9", "\xc3", "\xe2\x80\xa8", "\xc2\xad"}) {
    const auto keys = MakeScramKeys(ScramHash::kSha256, Secret(password), 4096);
    ASSERT_TRUE(keys.ok());
    EXPECT_EQ(hasher.Verify(FormatScramKeys(*keys), Secret(password)), HashVerdict::kMatch);
    EXPECT_EQ(hasher.Verify(FormatScramKeys(*keys), Secret("x")), HashVerdict::kMismatch);
  }
}

}  // namespace
}  // namespace poplar::auth
