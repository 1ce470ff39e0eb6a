#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <string>

#include "auth/sasl/gs2.h"
#include "auth/sasl/mechanism.h"
#include "auth/schemes/scram_keys.h"
#include "auth/schemes/stored_fields.h"

namespace poplar::auth {
namespace {

template <class Step>
const Step* As(const SaslStep& step) {
  return std::get_if<Step>(&step);
}

bool IsMalformed(const SaslStep& step) { return As<SaslMalformed>(step) != nullptr; }

std::string Challenge(const SaslStep& step) {
  const auto* challenge = As<SaslChallenge>(step);
  return challenge == nullptr ? "no challenge" : challenge->bytes;
}

Verifier Keys(std::string_view text) { return {.mechanism = "", .material = base::Secret(text)}; }

// RFC 5802 §5 and RFC 7677 §3: user "user", password "pencil".
struct Example {
  const char* mechanism;
  const char* keys;
  const char* client_first;
  const char* server_nonce;
  const char* server_first;
  const char* client_final;
  const char* server_final;
};

constexpr Example kSha1 = {
    "SCRAM-SHA-1",
    "{SCRAM-SHA-1}4096,QSXCR+Q6sek8bf92,6dlGYMOdZcOPutkcNY8U2g7vK9Y=,D+CSWLOshSulAsxiupA+qs2/fTE=",
    "n,,n=user,r=fyko+d2lbbFgONRv9qkxdawL",
    "3rfcNHYJY1ZVvWVs7j",
    "r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096",
    "c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=",
    "v=rmF9pqV8S7suAoZWja4dJRkFsKQ="};
constexpr Example kSha256 = {
    "SCRAM-SHA-256",
    "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:"
    "wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=",
    "n,,n=user,r=rOprNGfwEbeRWgbNEkqO",
    "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0",
    "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
    "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
    "p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
    "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="};

class ScramTest : public testing::TestWithParam<Example> {
 protected:
  static std::unique_ptr<SaslMechanism> Start() {
    return MakeSaslMechanism(GetParam().mechanism, {}, GetParam().server_nonce);
  }
  // After the first message and its answer.
  static std::unique_ptr<SaslMechanism> AtFinal() {
    auto scram = Start();
    scram->Step(GetParam().client_first);
    scram->TakeVerifier(Keys(GetParam().keys));
    return scram;
  }
};

TEST_P(ScramTest, AsTheRfcHasIt) {
  const Example& example = GetParam();
  const auto scram = Start();
  const SaslStep first = scram->Step(example.client_first);
  ASSERT_NE(As<SaslVerifierWanted>(first), nullptr);
  EXPECT_EQ(As<SaslVerifierWanted>(first)->user, "user");
  EXPECT_EQ(As<SaslVerifierWanted>(first)->mechanism, example.mechanism);
  EXPECT_EQ(Challenge(scram->TakeVerifier(Keys(example.keys))), example.server_first);
  EXPECT_EQ(Challenge(scram->Step(example.client_final)), example.server_final);
  const SaslStep end = scram->Step("");
  ASSERT_NE(As<SaslProof>(end), nullptr);
  EXPECT_TRUE(As<SaslProof>(end)->right);
  EXPECT_TRUE(IsMalformed(scram->Step(""))) << "it is over";
}

TEST_P(ScramTest, WithoutInitialResponse) {
  const auto scram = Start();
  EXPECT_EQ(Challenge(scram->Step(std::nullopt)), "");
  EXPECT_NE(As<SaslVerifierWanted>(scram->Step(GetParam().client_first)), nullptr);
}

TEST_P(ScramTest, AnotherProofIsWrong) {
  std::string final = GetParam().client_final;
  const size_t at = final.find(",p=") + 3;
  final[at] = final[at] == 'A' ? 'B' : 'A';
  const SaslStep end = AtFinal()->Step(final);
  ASSERT_NE(As<SaslProof>(end), nullptr);
  EXPECT_FALSE(As<SaslProof>(end)->right);
}

TEST_P(ScramTest, AProofOfAnotherLengthIsWrong) {
  std::string final = GetParam().client_final;
  final.resize(final.find(",p=") + 3);
  const SaslStep end = AtFinal()->Step(final + "AAAA");
  ASSERT_NE(As<SaslProof>(end), nullptr);
  EXPECT_FALSE(As<SaslProof>(end)->right);
}

TEST_P(ScramTest, AProofIsOfItsExchangeOnly) {
  auto other = MakeSaslMechanism(GetParam().mechanism, {}, "another nonce of the server");
  other->Step(GetParam().client_first);
  other->TakeVerifier(Keys(GetParam().keys));
  EXPECT_TRUE(IsMalformed(other->Step(GetParam().client_final))) << "replayed";
}

TEST_P(ScramTest, MalformedFinals) {
  const std::string good = GetParam().client_final;
  const auto with = [&](const std::string& old_text, const std::string& new_text) {
    std::string changed = good;
    changed.replace(changed.find(old_text), old_text.size(), new_text);
    return changed;
  };
  for (const std::string& message :
       {std::string(), std::string("c=biws"), with("c=biws", "c=eSws"), with("c=biws", "c=bi"),
        with("c=biws,", ""), with("r=", "r=x"), with(",p=", ",q="), with(",p=", ",p=*"),
        std::string("e=other-error")}) {
    EXPECT_TRUE(IsMalformed(AtFinal()->Step(message))) << message;
  }
  EXPECT_TRUE(IsMalformed(AtFinal()->Step(std::nullopt)));
  auto answered = AtFinal();
  answered->Step(good);
  EXPECT_TRUE(IsMalformed(answered->Step("what"))) << "the last answer is empty";
}

TEST_P(ScramTest, KeysOfAnotherHashAreRefused) {
  const Example& other = GetParam().mechanism == kSha1.mechanism ? kSha256 : kSha1;
  auto scram = Start();
  scram->Step(GetParam().client_first);
  EXPECT_TRUE(IsMalformed(scram->TakeVerifier(Keys(other.keys))));
  EXPECT_TRUE(IsMalformed(Start()->TakeVerifier(Keys(GetParam().keys)))) << "not asked for";
}

INSTANTIATE_TEST_SUITE_P(Rfcs, ScramTest, testing::Values(kSha1, kSha256));

SaslStep First(std::string_view message, const SaslConnection& connection = {},
               const char* mechanism = "SCRAM-SHA-256") {
  return MakeSaslMechanism(mechanism, connection, "nonce")->Step(message);
}

std::string UserOf(const SaslStep& step) {
  const auto* wanted = As<SaslVerifierWanted>(step);
  return wanted == nullptr ? "none" : wanted->user;
}

TEST(ScramFirstTest, NamesAreDecodedAndPrepared) {
  EXPECT_EQ(UserOf(First("n,,n=a=2Cb=3Dc,r=x")), "a,b=c");
  EXPECT_EQ(UserOf(First("n,a=a=2Cb,n=a=2Cb,r=x")), "a,b");
  EXPECT_EQ(UserOf(First("n,a=Tim,n=tim,r=x")), "tim");
  EXPECT_EQ(UserOf(First("n,,n=I\xc2\xadX,r=x")), "IX") << "RFC 4013 §3, example 1";
  EXPECT_EQ(UserOf(First("n,,n=\xe2\x85\xa8,r=x")), "IX") << "example 5";
  EXPECT_EQ(UserOf(First("n,,n=user,r=x,ext=may be,more=here")), "user");
}

TEST(ScramFirstTest, Malformed) {
  for (const char* message : {"",
                              "n",
                              "n,",
                              "n,,",
                              "x,,n=u,r=x",
                              "n,,r=x,n=u",
                              "n,,n=u",
                              "n,,n=,r=x",
                              "n,,n=u,r=",
                              "n,,n=a=b,r=x",
                              "n,,n=a=2cb,r=x",
                              "n,b=u,n=u,r=x",
                              "n,a=,n=u,r=x",
                              "n,a=other,n=u,r=x",
                              "n,,m=ext,n=u,r=x",
                              "F,n,,n=u,r=x",
                              "p=,,n=u,r=x",
                              "n,,n=\x07,r=x",
                              "n,,n=u,r=\xc3\xa4",
                              "n,,n=\xff\xfe,r=x",
                              "n,,n=u,r=a b"}) {
    EXPECT_TRUE(IsMalformed(First(message))) << message;
  }
  EXPECT_TRUE(IsMalformed(First("n,,n=" + std::string(400, 'u') + ",r=x")));
  EXPECT_TRUE(IsMalformed(First("n,,n=u,r=" + std::string(300, 'x'))));
}

// Each hash with its channel binding: the example whose keys are used, and what a client needs.
struct Plus {
  const char* mechanism;
  const Example& plain;
  const char* salt;
  const EVP_MD* (*digest)();
};

class ScramPlusTest : public testing::TestWithParam<Plus> {};

TEST_P(ScramPlusTest, TheChannelHasToBeBound) {
  const SaslConnection bound = {.tls_exporter = "EXPORTED", .binding_offered = true};
  const char* const plus = GetParam().mechanism;
  const char* const plain = GetParam().plain.mechanism;
  EXPECT_EQ(UserOf(First("p=tls-exporter,,n=u,r=x", bound, plus)), "u");
  EXPECT_TRUE(IsMalformed(First("n,,n=u,r=x", bound, plus)));
  EXPECT_TRUE(IsMalformed(First("y,,n=u,r=x", bound, plus)));
  EXPECT_TRUE(IsMalformed(First("p=tls-unique,,n=u,r=x", bound, plus)));
  EXPECT_TRUE(IsMalformed(First("p=tls-server-end-point,,n=u,r=x", bound, plus)))
      << "there is no such data";
  // Without -PLUS: "y" is right only where it was not offered.
  EXPECT_EQ(UserOf(First("n,,n=u,r=x", bound, plain)), "u");
  EXPECT_TRUE(IsMalformed(First("y,,n=u,r=x", bound, plain))) << "somebody took the offer away";
  EXPECT_EQ(UserOf(First("y,,n=u,r=x", {}, plain)), "u");
  EXPECT_TRUE(As<SaslVerifierWanted>(First("y,,n=u,r=x", {}, plain))->saw_no_binding);
  EXPECT_FALSE(As<SaslVerifierWanted>(First("n,,n=u,r=x", {}, plain))->saw_no_binding);
  EXPECT_TRUE(IsMalformed(First("p=tls-exporter,,n=u,r=x", bound, plain)));
}

size_t SizeOf(const EVP_MD* digest) { return static_cast<size_t>(EVP_MD_get_size(digest)); }

std::string Hmac(const EVP_MD* digest, const std::string& key, const std::string& text) {
  std::string mac(SizeOf(digest), '\0');
  HMAC(digest, key.data(), static_cast<int>(key.size()),
       reinterpret_cast<const unsigned char*>(text.data()), text.size(),
       reinterpret_cast<unsigned char*>(mac.data()), nullptr);
  return mac;
}

// The client's side of RFC 5802 §3.
std::string ProofOf(const Plus& plus, const std::string& password,
                    const std::string& auth_message) {
  const EVP_MD* const digest = plus.digest();
  const std::string salt = *DecodeBase64(plus.salt);
  std::string salted(SizeOf(digest), '\0');
  PKCS5_PBKDF2_HMAC(password.data(), static_cast<int>(password.size()),
                    reinterpret_cast<const unsigned char*>(salt.data()),
                    static_cast<int>(salt.size()), 4096, digest, static_cast<int>(salted.size()),
                    reinterpret_cast<unsigned char*>(salted.data()));
  std::string proof = Hmac(digest, salted, "Client Key");
  std::string stored(SizeOf(digest), '\0');
  EVP_Digest(proof.data(), proof.size(), reinterpret_cast<unsigned char*>(stored.data()), nullptr,
             digest, nullptr);
  const std::string signature = Hmac(digest, stored, auth_message);
  for (size_t i = 0; i < proof.size(); ++i) proof[i] = static_cast<char>(proof[i] ^ signature[i]);
  return EncodeBase64(proof);
}

// A client that binds to `binding`, of `type`, at a server whose channel is `connection`.
SaslStep Bind(const Plus& plus, const std::string& type, const std::string& binding,
              const SaslConnection& connection, const std::string& password = "pencil") {
  const auto scram = MakeSaslMechanism(plus.mechanism, connection, "server");
  const std::string gs2 = "p=" + type + ",,";
  const std::string bare = "n=user,r=client";
  SaslStep first = scram->Step(gs2 + bare);
  if (IsMalformed(first)) return first;
  const std::string server_first = Challenge(scram->TakeVerifier(Keys(plus.plain.keys)));
  const std::string without_proof = "c=" + EncodeBase64(gs2 + binding) + ",r=clientserver";
  const std::string auth_message = bare + "," + server_first + "," + without_proof;
  SaslStep last = scram->Step(without_proof + ",p=" + ProofOf(plus, password, auth_message));
  if (As<SaslChallenge>(last) == nullptr) return last;
  return scram->Step("");
}

bool IsProof(const SaslStep& step, bool right) {
  const auto* proof = As<SaslProof>(step);
  return proof != nullptr && proof->right == right;
}

TEST_P(ScramPlusTest, BothKindsOfBinding) {
  const std::string exporter("\x00\x01\xff exporter", 12);
  const std::string hash = "the certificate's hash";
  const SaslConnection connection = {
      .tls_exporter = exporter, .tls_server_end_point = hash, .binding_offered = true};
  const auto bind = [&](const char* type, const std::string& binding) {
    return Bind(GetParam(), type, binding, connection);
  };
  EXPECT_TRUE(IsProof(bind("tls-exporter", exporter), true));
  EXPECT_TRUE(IsProof(bind("tls-server-end-point", hash), true));
  EXPECT_TRUE(IsProof(Bind(GetParam(), "tls-exporter", exporter, connection, "another"), false));
  EXPECT_TRUE(IsMalformed(bind("tls-exporter", "of another channel")));
  EXPECT_TRUE(IsMalformed(bind("tls-exporter", "")));
  EXPECT_TRUE(IsMalformed(bind("tls-server-end-point", exporter)));
}

INSTANTIATE_TEST_SUITE_P(
    Hashes, ScramPlusTest,
    testing::Values(Plus{"SCRAM-SHA-1-PLUS", kSha1, "QSXCR+Q6sek8bf92", EVP_sha1},
                    Plus{"SCRAM-SHA-256-PLUS", kSha256, "W22ZaJ0SNY7soEsUEjb6gQ==", EVP_sha256}));

TEST(Gs2Test, Headers) {
  const auto header = ParseGs2Header("p=tls-exporter,a=b=2Cc,rest,of,it");
  ASSERT_TRUE(header);
  EXPECT_EQ(header->binding, Gs2Binding::kBound);
  EXPECT_EQ(header->binding_type, "tls-exporter");
  EXPECT_EQ(header->authzid, "b,c");
  EXPECT_EQ(header->text, "p=tls-exporter,a=b=2Cc,");
  EXPECT_EQ(ParseGs2Header("y,,")->binding, Gs2Binding::kUnasked);
  EXPECT_FALSE(ParseGs2Header("N,,"));
}

}  // namespace
}  // namespace poplar::auth
