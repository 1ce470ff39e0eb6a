#include <gtest/gtest.h>

#include <string>

#include "auth/plugins/oauth/claims.h"

namespace poplar::oauth {
namespace {

constexpr int64_t kNow = 1'800'000'000;

Settings TestSettings() {
  Settings settings;
  settings.issuer = "https://id.example.org";
  settings.audience = {"poplar", "mail"};
  return settings;
}

// With what must be there, and `more`, which may take its place.
std::string Claims(const std::string& more = "") {
  const Json base = ParseObject(R"({"iss":"https://id.example.org","aud":"poplar",
      "email":"alice@example.org","exp":1800000100})");
  const Json other = ParseObject("{" + more + "}");
  EXPECT_NE(other, nullptr) << more;
  json_object_update(base.get(), other.get());
  char* const text = json_dumps(base.get(), 0);
  std::string copy(text);
  free(text);
  return copy;
}

Verdict Check(const std::string& claims, const Settings& settings = TestSettings(),
              bool introspected = false) {
  return CheckClaims(ParseObject(claims).get(), settings, "alice@example.org", kNow, introspected);
}

poplar_outcome OutcomeOf(const std::string& more) { return Check(Claims(more)).outcome; }

TEST(OauthClaimsTest, GoodOnes) {
  EXPECT_EQ(OutcomeOf(""), POPLAR_OK);
  EXPECT_EQ(OutcomeOf(R"("aud":["other","mail"])"), POPLAR_OK);
  EXPECT_EQ(OutcomeOf(R"("email":"Alice@Example.org","email_verified":true)"), POPLAR_OK);
  EXPECT_EQ(OutcomeOf(R"("email_verified":"true")"), POPLAR_OK);
  EXPECT_EQ(OutcomeOf(R"("exp":1800000000.5,"nbf":1800000059)"), POPLAR_OK) << "clocks differ";
}

TEST(OauthClaimsTest, OfAnotherIssuer) {
  EXPECT_EQ(OutcomeOf(R"("iss":"https://id.example.org/")"), POPLAR_UNKNOWN);
  EXPECT_EQ(OutcomeOf(R"("iss":7)"), POPLAR_UNKNOWN);
  EXPECT_EQ(Check(R"({"aud":"poplar"})").outcome, POPLAR_UNKNOWN);
}

TEST(OauthClaimsTest, Refused) {
  for (const char* more :
       {R"("aud":"other")", R"("aud":[])", R"("aud":null)", R"("aud":{"poplar":1})", R"("aud":"")",
        R"("exp":1799999939)", R"("exp":"1900000000")", R"("exp":null)", R"("nbf":1800000061)",
        R"("nbf":"x")", R"("email":"bob@example.org")", R"("email":"")", R"("email":null)",
        R"("email":["alice@example.org"])", R"("email_verified":false)",
        R"("email_verified":"false")", R"("email_verified":"")"}) {
    const Verdict verdict = Check(Claims(more));
    EXPECT_EQ(verdict.outcome, POPLAR_REFUSED) << more;
    EXPECT_FALSE(verdict.reason.empty());
  }
  EXPECT_EQ(
      Check(R"({"iss":"https://id.example.org","aud":"mail","email":"alice@example.org"})").outcome,
      POPLAR_REFUSED)
      << "without an end";
}

TEST(OauthClaimsTest, Scopes) {
  Settings settings = TestSettings();
  settings.scope = {"pop", "mail"};
  const auto outcome = [&](const char* more) { return Check(Claims(more), settings).outcome; };
  EXPECT_EQ(outcome(R"("scope":"openid mail pop")"), POPLAR_OK);
  EXPECT_EQ(outcome(R"("scp":["pop","mail"])"), POPLAR_OK);
  EXPECT_EQ(outcome(""), POPLAR_REFUSED);
  EXPECT_EQ(outcome(R"("scope":"mail")"), POPLAR_REFUSED);
  EXPECT_EQ(outcome(R"("scope":"mail popular")"), POPLAR_REFUSED);
}

TEST(OauthClaimsTest, OtherUserClaims) {
  Settings settings = TestSettings();
  settings.user_claim = "preferred_username";
  settings.default_domain = "example.org";
  EXPECT_EQ(Check(Claims(R"("preferred_username":"Alice","email":"x@y")"), settings).outcome,
            POPLAR_OK);
  EXPECT_EQ(Check(Claims(R"("preferred_username":"alice@other.org")"), settings).outcome,
            POPLAR_REFUSED);
  EXPECT_EQ(Check(Claims(), settings).outcome, POPLAR_REFUSED);
}

// RFC 7662 §2.2: all but "active" may be missing; what is there has to be right.
TEST(OauthClaimsTest, Introspected) {
  const auto outcome = [](const char* claims) {
    return Check(claims, TestSettings(), /*introspected=*/true).outcome;
  };
  EXPECT_EQ(outcome(R"({"aud":"mail","email":"alice@example.org"})"), POPLAR_OK);
  EXPECT_EQ(outcome(R"({"email":"alice@example.org"})"), POPLAR_REFUSED) << "for whom?";
  EXPECT_EQ(outcome(R"({"aud":"mail","email":"alice@example.org","exp":1})"), POPLAR_REFUSED);
  EXPECT_EQ(outcome(R"({"aud":"mail","email":"alice@example.org","iss":"other"})"), POPLAR_UNKNOWN);
}

TEST(OauthClaimsTest, NothingButOneObjectIsRead) {
  for (const char* text : {"", "7", "[]", "{", "{}x", R"({"aud":1,"aud":2})", "null",
                           R"({"email":"alice@example.org\u0000.evil"})"}) {
    EXPECT_EQ(ParseObject(text), nullptr) << text;
  }
}

}  // namespace
}  // namespace poplar::oauth
