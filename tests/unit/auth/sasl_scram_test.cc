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

TEST(ScramPlusTest, TheChannelHasToBeBound) {
  const SaslConnection bound = {.tls_exporter = "EXPORTED", .binding_offered = true};
  const char* const plus = "SCRAM-SHA-256-PLUS";
  EXPECT_EQ(UserOf(First("p=tls-exporter,,n=u,r=x", bound, plus)), "u");
  EXPECT_TRUE(IsMalformed(First("n,,n=u,r=x", bound, plus)));
  EXPECT_TRUE(IsMalformed(First("y,,n=u,r=x", bound, plus)));
  EXPECT_TRUE(IsMalformed(First("p=tls-unique,,n=u,r=x", bound, plus)));
  EXPECT_TRUE(IsMalformed(First("p=tls-server-end-point,,n=u,r=x", bound, plus)))
      << "there is no such data";
  // Without -PLUS: "y" is right only where it was not offered.
  EXPECT_EQ(UserOf(First("n,,n=u,r=x", bound)), "u");
  EXPECT_TRUE(IsMalformed(First("y,,n=u,r=x", bound))) << "somebody took the offer away";
  EXPECT_EQ(UserOf(First("y,,n=u,r=x")), "u");
  EXPECT_TRUE(IsMalformed(First("p=tls-exporter,,n=u,r=x", bound)));
}

std::string Hmac(const std::string& key, const std::string& text) {
  std::string mac(32, '\0');
  HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()),
       reinterpret_cast<const unsigned char*>(text.data()), text.size(),
       reinterpret_cast<unsigned char*>(mac.data()), nullptr);
  return mac;
}

// The client's side of RFC 5802 §3, with the keys of kSha256.
std::string ProofOf(const std::string& password, const std::string& auth_message) {
  const std::string salt = *DecodeBase64("W22ZaJ0SNY7soEsUEjb6gQ==");
  std::string salted(32, '\0');
  PKCS5_PBKDF2_HMAC(password.data(), static_cast<int>(password.size()),
                    reinterpret_cast<const unsigned char*>(salt.data()),
                    static_cast<int>(salt.size()), 4096, EVP_sha256(), 32,
                    reinterpret_cast<unsigned char*>(salted.data()));
  std::string proof = Hmac(salted, "Client Key");
  std::string stored(32, '\0');
  EVP_Digest(proof.data(), proof.size(), reinterpret_cast<unsigned char*>(stored.data()), nullptr,
             EVP_sha256(), nullptr);
  const std::string signature = Hmac(stored, auth_message);
  for (size_t i = 0; i < proof.size(); ++i) proof[i] = static_cast<char>(proof[i] ^ signature[i]);
  return EncodeBase64(proof);
}

// A client that binds to `binding`, of `type`, at a server whose channel is `connection`.
SaslStep Bind(const std::string& type, const std::string& binding,
              const SaslConnection& connection) {
  const auto scram = MakeSaslMechanism("SCRAM-SHA-256-PLUS", connection, "server");
  const std::string gs2 = "p=" + type + ",,";
  const std::string bare = "n=user,r=client";
  SaslStep first = scram->Step(gs2 + bare);
  if (IsMalformed(first)) return first;
  const std::string server_first = Challenge(scram->TakeVerifier(Keys(kSha256.keys)));
  const std::string without_proof = "c=" + EncodeBase64(gs2 + binding) + ",r=clientserver";
  const std::string auth_message = bare + "," + server_first + "," + without_proof;
  SaslStep last = scram->Step(without_proof + ",p=" + ProofOf("pencil", auth_message));
  if (As<SaslChallenge>(last) == nullptr) return last;
  return scram->Step("");
}

TEST(ScramPlusTest, BothKindsOfBinding) {
  const std::string exporter("\x00\x01\xff exporter", 12);
  const SaslConnection connection = {.tls_exporter = exporter,
                                     .tls_server_end_point = "the certificate's hash",
                                     .binding_offered = true};
  EXPECT_NE(As<SaslProof>(Bind("tls-exporter", exporter, connection)), nullptr);
  EXPECT_NE(As<SaslProof>(Bind("tls-server-end-point", "the certificate's hash", connection)),
            nullptr);
  EXPECT_TRUE(IsMalformed(Bind("tls-exporter", "of another channel", connection)));
  EXPECT_TRUE(IsMalformed(Bind("tls-exporter", "", connection)));
  EXPECT_TRUE(IsMalformed(Bind("tls-server-end-point", exporter, connection)));
}

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
