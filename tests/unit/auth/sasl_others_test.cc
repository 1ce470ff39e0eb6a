// Mechanisms that send no password, but for SCRAM: APOP, EXTERNAL, OAUTHBEARER, XOAUTH2.

#include <gtest/gtest.h>

#include <string>

#include "auth/sasl/mechanism.h"

namespace poplar::auth {
namespace {

template <class Step>
const Step* As(const SaslStep& step) {
  return std::get_if<Step>(&step);
}

bool IsMalformed(const SaslStep& step) { return As<SaslMalformed>(step) != nullptr; }

// RFC 1939 §7: the example.
const SaslConnection kGreeted = {.apop_timestamp = "<1896.697170952@dbc.mtview.ca.us>"};

bool ApopProves(const char* digest, const char* password) {
  const auto apop = MakeSaslMechanism("APOP", kGreeted);
  const SaslStep first = apop->Step(std::string("mrose ") + digest);
  EXPECT_NE(As<SaslVerifierWanted>(first), nullptr);
  EXPECT_EQ(As<SaslVerifierWanted>(first)->user, "mrose");
  EXPECT_EQ(As<SaslVerifierWanted>(first)->mechanism, "APOP");
  const SaslStep end =
      apop->TakeVerifier({.mechanism = "APOP", .material = base::Secret(password)});
  EXPECT_TRUE(IsMalformed(apop->Step("mrose x"))) << "it is over";
  return As<SaslProof>(end)->right;
}

TEST(ApopTest, AsTheRfcHasIt) {
  EXPECT_TRUE(ApopProves("c4c9334bac560ecc979e58001b3e22fb", "tanstaaf"));
  EXPECT_TRUE(ApopProves("C4C9334BAC560ECC979E58001B3E22FB", "tanstaaf"));
  EXPECT_FALSE(ApopProves("c4c9334bac560ecc979e58001b3e22fb", "Tanstaaf"));
  EXPECT_FALSE(ApopProves("c4c9334bac560ecc979e58001b3e22fc", "tanstaaf"));
}

TEST(ApopTest, Malformed) {
  for (const char* message :
       {"", "mrose", "mrose ", "mrose c4c9", " ", " c4c9334bac560ecc979e58001b3e22fb",
        "mrose c4c9334bac560ecc979e58001b3e22f", "mrose x4c9334bac560ecc979e58001b3e22fb",
        "mrose c4c9334bac560ecc979e58001b3e22fb00"}) {
    EXPECT_TRUE(IsMalformed(MakeSaslMechanism("APOP", kGreeted)->Step(message))) << message;
  }
  EXPECT_TRUE(IsMalformed(MakeSaslMechanism("APOP", kGreeted)->Step(std::nullopt)));
}

std::string External(std::vector<std::string> names, std::string_view authzid) {
  const SaslStep step =
      MakeSaslMechanism("EXTERNAL", {.certificate_names = std::move(names)})->Step(authzid);
  const auto* identity = As<SaslIdentity>(step);
  return identity == nullptr ? "malformed" : identity->user;
}

TEST(ExternalTest, TheCertificateSaysWhoItIs) {
  EXPECT_EQ(External({"alice@example.org"}, ""), "alice@example.org");
  EXPECT_EQ(External({"alice@example.org"}, "Alice@example.org"), "alice@example.org");
  EXPECT_EQ(External({"a@example.org", "b@example.org"}, "b@example.org"), "b@example.org");
  EXPECT_EQ(External({"alice@example.org"}, "bob@example.org"), "malformed");
  EXPECT_EQ(External({"a@example.org", "b@example.org"}, ""), "malformed") << "which?";
  EXPECT_EQ(External({}, "alice@example.org"), "malformed");
  EXPECT_EQ(External({}, ""), "malformed");
  EXPECT_EQ(External({"alice@example.org"}, std::string_view("a\0", 2)), "malformed");
  EXPECT_EQ(External({std::string(400, 'a')}, ""), "malformed");
  const auto asked = MakeSaslMechanism("EXTERNAL", {.certificate_names = {"a@b"}});
  EXPECT_NE(As<SaslChallenge>(asked->Step(std::nullopt)), nullptr);
  EXPECT_NE(As<SaslIdentity>(asked->Step("")), nullptr);
  EXPECT_TRUE(IsMalformed(asked->Step("")));
}

// "USER TOKEN", or "malformed".
std::string Bearer(const char* mechanism, std::string_view message) {
  const SaslStep step = MakeSaslMechanism(mechanism)->Step(message);
  const auto* token = As<SaslToken>(step);
  return token == nullptr ? "malformed" : token->user + " " + std::string(token->token.Reveal());
}

TEST(OauthBearerTest, AsRfc7628HasIt) {
  // §4.1.
  EXPECT_EQ(Bearer("OAUTHBEARER",
                   "n,a=user@example.com,\x01host=server.example.com\x01port=143\x01"
                   "auth=Bearer vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==\x01\x01"),
            "user@example.com vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==");
  EXPECT_EQ(Bearer("OAUTHBEARER",
                   "y,a=u=2Cv,\x01"
                   "auth=bearer  t\x01\x01"),
            "u,v t");
}

TEST(OauthBearerTest, WithoutANameItIsNobodys) {
  const SaslStep step = MakeSaslMechanism("OAUTHBEARER")
                            ->Step(
                                "n,,\x01"
                                "auth=Bearer t\x01\x01");
  ASSERT_TRUE(IsMalformed(step));
  EXPECT_EQ(As<SaslMalformed>(step)->reason, "the client does not say whose token it is (a=)");
}

TEST(OauthBearerTest, Malformed) {
  for (const char* message : {"", "n,,", "n,a=u,\x01", "n,a=u,\x01\x01",
                              "n,,\x01"
                              "auth=Bearer t\x01\x01",
                              "n,a=u,\x01"
                              "auth=Bearer t\x01",
                              "n,a=u,\x01"
                              "auth=Bearer t\x01\x01x",
                              "n,a=u,\x01"
                              "auth=Bearer \x01\x01",
                              "n,a=u,\x01"
                              "auth=Basic dDp0\x01\x01",
                              "n,a=u,\x01"
                              "auth=Bearer t t\x01\x01",
                              "n,a=u,\x01"
                              "auth=Bearer t\x01"
                              "auth=Bearer v\x01\x01",
                              "n,a=u,\x01"
                              "auth\x01\x01",
                              "n,a=u,auth=Bearer t\x01\x01",
                              "p=tls-exporter,a=u,\x01"
                              "auth=Bearer t\x01\x01",
                              "n,a=u,\x01user=v\x01"
                              "auth=Bearer t\x01\x01",
                              "n,a=u,\x01"
                              "auth=Bearer ==\x01\x01",
                              "n,a=u,\x01"
                              "auth=Bearer a=b\x01\x01"}) {
    EXPECT_EQ(Bearer("OAUTHBEARER", message), "malformed") << message;
  }
}

TEST(Xoauth2Test, Messages) {
  EXPECT_EQ(Bearer("XOAUTH2",
                   "user=someuser@example.com\x01"
                   "auth=Bearer ya29.vF9dft4qmT\x01\x01"),
            "someuser@example.com ya29.vF9dft4qmT");
  for (const char* message : {"", "user=u", "user=u\x01\x01", "auth=Bearer t\x01\x01",
                              "user=\x01"
                              "auth=Bearer t\x01\x01",
                              "user=u\x01"
                              "auth=Bearer t\x01",
                              "user=u\x01user=v\x01"
                              "auth=Bearer t\x01\x01"}) {
    EXPECT_EQ(Bearer("XOAUTH2", message), "malformed") << message;
  }
  const std::string longest(10'000, 't');
  EXPECT_EQ(Bearer("XOAUTH2",
                   "user=u\x01"
                   "auth=Bearer " +
                       longest + "\x01\x01"),
            "u " + longest);
}

TEST(BearerTest, ARefusalIsToldInJson) {
  const auto bearer = MakeSaslMechanism("OAUTHBEARER");
  EXPECT_NE(As<SaslChallenge>(bearer->Step(std::nullopt)), nullptr);
  EXPECT_NE(As<SaslToken>(bearer->Step("n,a=u,\x01"
                                       "auth=Bearer t\x01\x01")),
            nullptr);
  EXPECT_EQ(bearer->RefuseToken().bytes, R"({"status":"invalid_token"})");
  EXPECT_TRUE(IsMalformed(bearer->Step("\x01"))) << "it is over";
  EXPECT_EQ(MakeSaslMechanism("XOAUTH2")->RefuseToken().bytes,
            R"({"status":"400","schemes":"Bearer"})");
}

}  // namespace
}  // namespace poplar::auth
