#include <gtest/gtest.h>

#include <cstdlib>
#include <string>

#include "auth/plugins/oauth/endpoint.h"
#include "auth/plugins/oauth/jwt.h"
#include "auth/plugins/oauth/settings.h"

namespace poplar::oauth {
namespace {

struct FreeKey {
  void operator()(cjose_jwk_t* key) const { cjose_jwk_release(key); }
};
using Key = std::unique_ptr<cjose_jwk_t, FreeKey>;

Key RsaKey(const char* id, size_t bits = 2048) {
  const uint8_t exponent[] = {1, 0, 1};
  cjose_err error;
  Key key(cjose_jwk_create_RSA_random(bits, exponent, sizeof exponent, &error));
  EXPECT_TRUE(cjose_jwk_set_kid(key.get(), id, std::string_view(id).size(), &error));
  return key;
}
Key EcKey(const char* id) {
  cjose_err error;
  Key key(cjose_jwk_create_EC_random(CJOSE_JWK_EC_P_256, &error));
  EXPECT_TRUE(cjose_jwk_set_kid(key.get(), id, std::string_view(id).size(), &error));
  return key;
}
std::string Public(const Key& key) {
  cjose_err error;
  char* const text = cjose_jwk_to_json(key.get(), /*priv=*/false, &error);
  std::string copy(text);
  std::free(text);
  return copy;
}

std::string Sign(const Key& key, const std::string& head, const std::string& claims) {
  cjose_err error;
  const Json header = ParseObject(head);
  cjose_jws_t* const jws =
      cjose_jws_sign(key.get(), reinterpret_cast<cjose_header_t*>(header.get()),
                     reinterpret_cast<const uint8_t*>(claims.data()), claims.size(), &error);
  EXPECT_NE(jws, nullptr) << head;
  const char* text = nullptr;
  EXPECT_TRUE(cjose_jws_export(jws, &text, &error));
  std::string copy(text);
  cjose_jws_release(jws);
  return copy;
}

std::shared_ptr<const KeySet> Set(const std::string& keys) {
  std::string fault;
  auto set = KeySet::Parse(R"({"keys":[)" + keys + "]}", fault);
  EXPECT_NE(set, nullptr) << fault;
  return set;
}
SignatureVerdict Verify(const std::string& token, const KeySet& keys) {
  std::optional<SignedToken> parsed = SignedToken::Parse(token);
  EXPECT_TRUE(parsed.has_value()) << token;
  return parsed.has_value() ? parsed->Verify(keys) : SignatureVerdict::kWrong;
}

constexpr char kClaims[] = R"({"iss":"x"})";

TEST(OauthJwtTest, EachAlgorithm) {
  const Key rsa = RsaKey("r");
  const Key ec = EcKey("e");
  const auto keys = Set(Public(rsa) + "," + Public(ec));
  for (const char* algorithm : {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"}) {
    const std::string head = std::string(R"({"kid":"r","alg":")") + algorithm + "\"}";
    const std::string token = Sign(rsa, head, kClaims);
    EXPECT_EQ(Verify(token, *keys), SignatureVerdict::kGood) << algorithm;
    EXPECT_EQ(SignedToken::Parse(token)->algorithm(), algorithm);
  }
  const std::string token = Sign(ec, R"({"kid":"e","alg":"ES256"})", kClaims);
  EXPECT_EQ(Verify(token, *keys), SignatureVerdict::kGood);
  std::optional<SignedToken> parsed = SignedToken::Parse(token);
  EXPECT_EQ(parsed->Verify(*keys), SignatureVerdict::kGood);
  EXPECT_STREQ(json_string_value(json_object_get(parsed->Claims().get(), "iss")), "x");
}

// RFC 8037 appendix A.
constexpr char kEd25519Key[] =
    R"({"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"})";
constexpr char kEd25519Token[] =
    "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc."
    "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";

TEST(OauthJwtTest, Ed25519) {
  const auto keys = Set(Public(RsaKey("r")) + "," + kEd25519Key);
  EXPECT_EQ(keys->size(), 2U);
  EXPECT_EQ(Verify(kEd25519Token, *keys), SignatureVerdict::kGood);
  std::optional<SignedToken> parsed = SignedToken::Parse(kEd25519Token);
  ASSERT_TRUE(parsed.has_value());
  EXPECT_EQ(parsed->algorithm(), "EdDSA");
  EXPECT_EQ(parsed->Claims(), nullptr) << "it says a sentence";
  EXPECT_EQ(Verify(kEd25519Token, *Set(Public(RsaKey("r")) + "," + Public(EcKey("e")))),
            SignatureVerdict::kNoKey);
  EXPECT_EQ(Verify(Sign(EcKey("e"), R"({"alg":"ES256"})", kClaims), *Set(kEd25519Key)),
            SignatureVerdict::kNoKey);
  // {"alg":"EdDSA"}.{"iss":"x"}, by nobody.
  std::optional<SignedToken> unsigned_one =
      SignedToken::Parse("eyJhbGciOiJFZERTQSJ9.eyJpc3MiOiJ4In0.");
  ASSERT_TRUE(unsigned_one.has_value());
  EXPECT_STREQ(json_string_value(json_object_get(unsigned_one->Claims().get(), "iss")), "x");
  EXPECT_EQ(unsigned_one->Verify(*keys), SignatureVerdict::kWrong);
}

// The same key and text, by the algorithm's other name (RFC 9864 §2.2).
TEST(OauthJwtTest, Ed25519HasTwoNames) {
  const std::string token =
      "eyJhbGciOiJFZDI1NTE5In0.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc."
      "UxhIYLHGg39NVCLpQAVD_UcfOmnGSCzLFZoXYkLiIbFccmOb_qObsgjzLKsf"
      "Jw-4NlccUgvYrEHrRbNV0HcZAQ";
  const std::string key = kEd25519Key;
  const auto named = [&](const std::string& name) {
    return Set(R"({"alg":")" + name + "\"," + key.substr(1));
  };
  EXPECT_EQ(SignedToken::Parse(token)->algorithm(), "EdDSA");
  EXPECT_EQ(Verify(token, *Set(key)), SignatureVerdict::kGood);
  for (const char* const name : {"EdDSA", "Ed25519"}) {
    EXPECT_EQ(Verify(token, *named(name)), SignatureVerdict::kGood) << name;
    EXPECT_EQ(Verify(kEd25519Token, *named(name)), SignatureVerdict::kGood) << name;
  }
  std::string changed = token;
  changed[token.size() - 4] = token[token.size() - 4] == 'A' ? 'B' : 'A';
  EXPECT_EQ(Verify(changed, *Set(key)), SignatureVerdict::kWrong);
  EXPECT_EQ(Verify(token, *named("Ed448")), SignatureVerdict::kNoKey);
  EXPECT_EQ(Verify(token, *Set(Public(RsaKey("r")) + "," + Public(EcKey("e")))),
            SignatureVerdict::kNoKey);
  // {"alg":"Ed448"}
  EXPECT_FALSE(SignedToken::Parse("eyJhbGciOiJFZDQ0OCJ9" + token.substr(token.find('.'))));
}

TEST(OauthJwtTest, NothingOfEd25519IsGoodThatWasChanged) {
  const auto keys = Set(kEd25519Key);
  const std::string token = kEd25519Token;
  const size_t first = token.find('.');
  const size_t second = token.rfind('.');
  for (const size_t at : {first + 3, second + 5, token.size() - 4}) {
    std::string changed = token;
    changed[at] = changed[at] == 'A' ? 'B' : 'A';
    EXPECT_EQ(Verify(changed, *keys), SignatureVerdict::kWrong) << at;
  }
  EXPECT_EQ(Verify(token.substr(0, token.size() - 4), *keys), SignatureVerdict::kWrong);
  EXPECT_EQ(Verify(token + "AAAA", *keys), SignatureVerdict::kWrong);
  for (const std::string& text :
       {token.substr(0, second), token + ".AAAA", token.substr(0, second) + ".!!!!",
        std::string("eyJhbGciOiJFZERTQSJ9"), std::string("eyJhbGciOiJFZERTQSJ9.e30")}) {
    EXPECT_FALSE(SignedToken::Parse(text).has_value()) << text;
  }
}

TEST(OauthJwtTest, KeysOfEd25519ThatAreNotFit) {
  const std::string key = kEd25519Key;
  const auto with = [&](const std::string& from, const std::string& to) {
    std::string changed = key;
    return changed.replace(changed.find(from), from.size(), to);
  };
  std::string fault;
  for (const std::string& unfit :
       {with("Ed25519", "Ed448"), with("OKP", "EC"), with("URo", "UR"), with("11qY", "11qY11qY"),
        with("11qY", "1.qY"), with(R"("x")", R"("y")"), with(R"("kty")", R"("use":"enc","kty")")}) {
    EXPECT_EQ(KeySet::Parse(R"({"keys":[)" + unfit + "]}", fault), nullptr) << unfit;
  }
  EXPECT_EQ(Verify(kEd25519Token, *Set(with(R"("kty")", R"("alg":"EdDSA","kty")"))),
            SignatureVerdict::kGood);
  EXPECT_EQ(Verify(kEd25519Token, *Set(with(R"("kty")", R"("alg":"ES256","kty")"))),
            SignatureVerdict::kNoKey);
}

TEST(OauthJwtTest, KeysAreFoundByNameAndKind) {
  const Key first = RsaKey("first");
  const Key second = RsaKey("second");
  const Key ec = EcKey("first");
  const auto keys = Set(Public(ec) + "," + Public(first) + "," + Public(second));
  EXPECT_EQ(Verify(Sign(second, R"({"kid":"second","alg":"RS256"})", kClaims), *keys),
            SignatureVerdict::kGood);
  EXPECT_EQ(Verify(Sign(second, R"({"alg":"RS256"})", kClaims), *keys), SignatureVerdict::kGood)
      << "without a name, whichever fits";
  EXPECT_EQ(Verify(Sign(second, R"({"kid":"first","alg":"RS256"})", kClaims), *keys),
            SignatureVerdict::kWrong);
  EXPECT_EQ(Verify(Sign(second, R"({"kid":"third","alg":"RS256"})", kClaims), *keys),
            SignatureVerdict::kNoKey);
  EXPECT_EQ(Verify(Sign(EcKey("second"), R"({"kid":"second","alg":"ES256"})", kClaims), *keys),
            SignatureVerdict::kNoKey);
}

TEST(OauthJwtTest, NothingIsGoodThatWasChanged) {
  const Key ec = EcKey("e");
  const auto keys = Set(Public(ec));
  const std::string token = Sign(ec, R"({"kid":"e","alg":"ES256"})", kClaims);
  const size_t first = token.find('.');
  const size_t second = token.rfind('.');
  for (const size_t at : {first + 3, second + 5}) {
    std::string changed = token;
    changed[at] = changed[at] == 'A' ? 'B' : 'A';
    EXPECT_EQ(Verify(changed, *keys), SignatureVerdict::kWrong) << at;
  }
}

// Neither no signature, nor one by which the public key would be a password.
TEST(OauthJwtTest, NoneAndHmacsHaveNoKey) {
  const Key rsa = RsaKey("r");
  const auto keys = Set(Public(rsa));
  const std::string modulus = Public(rsa);
  cjose_err error;
  const Key hmac(cjose_jwk_create_oct_spec(reinterpret_cast<const uint8_t*>(modulus.data()),
                                           modulus.size(), &error));
  EXPECT_EQ(Verify(Sign(hmac, R"({"kid":"r","alg":"HS256"})", kClaims), *keys),
            SignatureVerdict::kNoKey);
  // {"alg":"none"}.{"iss":"x"}.
  const std::optional<SignedToken> none =
      SignedToken::Parse("eyJhbGciOiJub25lIn0.eyJpc3MiOiJ4In0.");
  if (none.has_value()) {
    EXPECT_EQ(Verify("eyJhbGciOiJub25lIn0.eyJpc3MiOiJ4In0.", *keys), SignatureVerdict::kNoKey);
  }
}

TEST(OauthJwtTest, WhatIsNoTokenOfOurs) {
  for (const char* text : {"", "x", "a.b.c", "..", "ya29.opaque", "eyJ9.eyJ9.eyJ9"}) {
    EXPECT_FALSE(SignedToken::Parse(text).has_value()) << text;
  }
  const std::string critical = Sign(EcKey("e"), R"({"alg":"ES256","crit":["b64"]})", kClaims);
  EXPECT_FALSE(SignedToken::Parse(critical).has_value());
}

TEST(OauthJwtTest, KeysThatAreNotFit) {
  std::string fault;
  for (const std::string& text :
       {std::string("{}"), std::string("[]"), std::string(R"({"keys":[]})"), std::string("x"),
        std::string(R"({"keys":[7,{"kty":"RSA"},{"kty":"oct","k":"AAAA"}]})"),
        R"({"keys":[)" + Public(RsaKey("short", 1024)) + "]}"}) {
    fault.clear();
    EXPECT_EQ(KeySet::Parse(text, fault), nullptr) << text;
    EXPECT_FALSE(fault.empty());
  }
  std::string for_encryption = Public(RsaKey("enc"));
  for_encryption.insert(1, R"("use":"enc",)");
  EXPECT_EQ(Set(for_encryption + "," + Public(EcKey("e")))->size(), 1U);
  std::string of_ps256 = Public(RsaKey("r"));
  of_ps256.insert(1, R"("alg":"PS256",)");
  const Key other = RsaKey("r");
  EXPECT_EQ(Verify(Sign(other, R"({"kid":"r","alg":"RS256"})", kClaims), *Set(of_ps256)),
            SignatureVerdict::kNoKey)
      << "a key is for the algorithm that it names";
}

// A NULL-terminated list as the host gives it.
std::string FaultOf(std::initializer_list<poplar_setting> given) {
  std::vector<poplar_setting> list(given);
  list.push_back({nullptr, nullptr});
  std::string fault;
  return ReadSettings(list.data(), fault).has_value() ? "none" : fault;
}

TEST(OauthEndpointTest, AFormHasNothingButWhatMayStandThere) {
  EXPECT_EQ(UrlEncode("aZ09-._~"), "aZ09-._~");
  EXPECT_EQ(UrlEncode("a b+c=d&/\xc3\xbc%"), "a%20b%2Bc%3Dd%26%2F%C3%BC%25");
}

TEST(OauthSettingsTest, FaultsSayWhatToWrite) {
  const poplar_setting issuer = {"issuer", "https://id"};
  const poplar_setting audience = {"audience", "poplar"};
  const poplar_setting keys = {"jwks_file", "keys.json"};
  EXPECT_EQ(FaultOf({issuer, audience, keys}), "none");
  EXPECT_EQ(FaultOf({audience, {"introspection_url", "https://id/introspect"}}), "none");
  EXPECT_EQ(FaultOf({issuer, audience, {"jwks_url", "http://127.0.0.1:80/keys"}}), "none");
  EXPECT_EQ(FaultOf({issuer, audience, {"jwks_url", "http://id/keys"}}),
            "jwks_url: secrets would travel to http://id/keys in clear: write https://");
  EXPECT_EQ(
      FaultOf({issuer, audience, {"jwks_url", "http://127.0.0.1.evil/keys"}}),
      "jwks_url: secrets would travel to http://127.0.0.1.evil/keys in clear: write https://");
  EXPECT_NE(FaultOf({issuer, audience, {"jwks_url", "ftp://id/keys"}}).find("is not as"),
            std::string::npos);
  EXPECT_EQ(FaultOf({issuer, audience}), "write one of jwks_url, jwks_file and introspection_url");
  EXPECT_EQ(FaultOf({audience, keys}),
            "write issuer = \"https://…\", as it stands in the tokens (\"iss\")");
  EXPECT_NE(FaultOf({issuer, keys}).find("write audience"), std::string::npos);
  EXPECT_NE(FaultOf({issuer, audience, keys, {"algorithms", "none"}}).find("\"none\""),
            std::string::npos);
  EXPECT_NE(FaultOf({issuer, audience, keys, {"algorithms", "HS256"}}).find("\"HS256\""),
            std::string::npos);
  EXPECT_NE(FaultOf({issuer, audience, keys, {"isuer", "x"}}).find("\"isuer\""), std::string::npos);
  EXPECT_EQ(FaultOf({issuer, audience, keys, {"leeway_s", "601"}}),
            "leeway_s is a number from 0 to 600");
  EXPECT_EQ(FaultOf({issuer, audience, keys, {"client_id", "x"}}),
            "client_id and client_secret (or client_secret_file) belong together");
  EXPECT_EQ(FaultOf({issuer, issuer, audience, keys}), "issuer has one value");
  EXPECT_EQ(FaultOf({issuer, audience, keys, {"connections", "0"}}),
            "connections is a number from 1 to 64");
}

TEST(OauthSettingsTest, WhatIsRead) {
  const auto read = [](std::vector<poplar_setting> list) {
    list.insert(list.end(), {{"issuer", "https://id"},
                             {"audience", "poplar"},
                             {"jwks_file", "keys.json"},
                             {nullptr, nullptr}});
    std::string fault;
    std::optional<Settings> settings = ReadSettings(list.data(), fault);
    EXPECT_TRUE(settings.has_value()) << fault;
    return settings.value_or(Settings());
  };
  const std::vector<std::string> by_default = {"RS256", "PS256", "ES256", "EdDSA"};
  EXPECT_EQ(read({}).algorithms, by_default);
  EXPECT_EQ(read({}).limits.timeout_ms, 4'000U);
  const std::vector<std::string> chosen = {"ES384", "EdDSA"};
  EXPECT_EQ(read({{"algorithms", "ES384"}, {"algorithms", "Ed25519"}}).algorithms, chosen);
  EXPECT_EQ(read({{"timeout_ms", "500"}}).limits.timeout_ms, 500U);
}

}  // namespace
}  // namespace poplar::oauth
