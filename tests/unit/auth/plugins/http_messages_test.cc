// What an API is asked, and what each answer of its means.

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>

#include "auth/plugins/http/messages.h"

namespace poplar::http {
namespace {

std::string FaultOf(std::string_view body, poplar_operation operation = POPLAR_VERIFY_PASSWORD) {
  std::string fault;
  EXPECT_FALSE(Decode(body, operation, fault).has_value()) << body;
  return fault;
}
Answer Read(std::string_view body, poplar_operation operation = POPLAR_VERIFY_PASSWORD) {
  std::string fault;
  std::optional<Answer> answer = Decode(body, operation, fault);
  EXPECT_TRUE(answer.has_value()) << fault;
  return answer.has_value() ? std::move(*answer) : Answer();
}
nlohmann::json Sent(const Request& request) {
  const SecretText body = Encode(request);
  return nlohmann::json::parse(body.begin(), body.end());
}

TEST(HttpMessages, Requests) {
  EXPECT_EQ(Sent({.operation = POPLAR_VERIFY_PASSWORD,
                  .login = "alice@a.example",
                  .password = "a\"b\\c\n€",
                  .client_address = "192.0.2.7"}),
            nlohmann::json({{"operation", "verify_password"},
                            {"login", "alice@a.example"},
                            {"password", "a\"b\\c\n€"},
                            {"client_address", "192.0.2.7"}}));
  EXPECT_EQ(
      Sent({.operation = POPLAR_RESOLVE, .login = "\",\"login\":\"bob", .password = "x"}),
      nlohmann::json(
          {{"operation", "resolve"}, {"login", "\",\"login\":\"bob"}, {"client_address", ""}}));
  EXPECT_EQ(Sent({.operation = POPLAR_RESOLVE, .login = "a", .mechanism = "EXTERNAL"}),
            nlohmann::json({{"operation", "resolve"},
                            {"login", "a"},
                            {"mechanism", "EXTERNAL"},
                            {"client_address", ""}}));
  EXPECT_EQ(Sent({.operation = POPLAR_FETCH_VERIFIER, .login = "a", .mechanism = "SCRAM-SHA-256"}),
            nlohmann::json({{"operation", "fetch_verifier"},
                            {"login", "a"},
                            {"mechanism", "SCRAM-SHA-256"},
                            {"client_address", ""}}));
}

TEST(HttpMessages, Answers) {
  const Answer answer = Read(
      R"({"outcome":"ok","account":"5f","address":"a@b.example","quota_octets":1000,
          "quota_messages":0,"reason":"fine","stored_password":"{PLAIN}x","verifier":"y","more":[]})");
  EXPECT_EQ(answer.outcome, POPLAR_OK);
  EXPECT_EQ(answer.account, "5f");
  EXPECT_EQ(answer.address, "a@b.example");
  EXPECT_EQ(answer.quota_octets, "1000");
  EXPECT_EQ(answer.quota_messages, "0");
  EXPECT_EQ(answer.reason, "fine");
  EXPECT_EQ(answer.stored_password, "{PLAIN}x");
  EXPECT_EQ(answer.verifier, "") << "nobody asked for it";
  EXPECT_EQ(Read(R"({"outcome":"ok","account":"5f","verifier":"y","stored_password":"x"})",
                 POPLAR_FETCH_VERIFIER)
                .verifier,
            "y");
  EXPECT_EQ(Read(R"({"outcome":"ok","account":"5","quota_octets":null,"address":null})").address,
            "");
  EXPECT_EQ(
      Read(R"({"outcome":"ok","account":"5","quota_octets":18446744073709551615})").quota_octets,
      "18446744073709551615");
}

TEST(HttpMessages, OutcomesThatFit) {
  EXPECT_EQ(Read(R"({"outcome":"unknown"})").outcome, POPLAR_UNKNOWN);
  EXPECT_EQ(Read(R"({"outcome":"refused"})").outcome, POPLAR_REFUSED);
  EXPECT_EQ(Read(R"({"outcome":"disabled"})").outcome, POPLAR_DISABLED);
  EXPECT_EQ(Read(R"({"outcome":"temporary"})").outcome, POPLAR_TEMPORARY);
  EXPECT_EQ(Read(R"({"outcome":"disabled"})", POPLAR_RESOLVE).outcome, POPLAR_DISABLED);
  EXPECT_EQ(Read(R"({"outcome":"unsupported"})", POPLAR_FETCH_VERIFIER).outcome,
            POPLAR_UNSUPPORTED);
  const std::string unfit = "the answer has no outcome that fits the question";
  EXPECT_EQ(FaultOf(R"({"outcome":"refused"})", POPLAR_RESOLVE), unfit);
  EXPECT_EQ(FaultOf(R"({"outcome":"unsupported"})"), unfit);
  EXPECT_EQ(FaultOf(R"({"outcome":"OK","account":"5"})"), unfit);
  EXPECT_EQ(FaultOf(R"({"account":"5"})"), unfit);
}

TEST(HttpMessages, WhatIsNoAnswer) {
  for (const char* body : {"", "ok", "null", "[]", "{", "{\"outcome\":\"ok\"", "\"ok\"",
                           "{\"outcome\":\"ok\",\"account\":\"5\"} x", "{\"a\":\"\xff\"}"}) {
    EXPECT_EQ(FaultOf(body), "the answer is no JSON object") << body;
  }
  EXPECT_EQ(FaultOf(R"({"outcome":"ok"})"), "the answer names no account");
  EXPECT_EQ(FaultOf(R"({"outcome":"ok","account":""})"), "the answer names no account");
  EXPECT_EQ(FaultOf(R"({"outcome":"ok","account":5})"), "account is no text");
  EXPECT_EQ(FaultOf(R"({"outcome":true})"), "outcome is no text");
  for (const char* number : {"-1", "1.5", "1e3", "\"1000\"", "true", "18446744073709551616"}) {
    EXPECT_EQ(
        FaultOf(R"({"outcome":"ok","account":"5","quota_octets":)" + std::string(number) + "}"),
        "quota_octets is no whole number")
        << number;
  }
  // Deep nesting is no reason to run out of stack.
  EXPECT_EQ(FaultOf(std::string(60'000, '[')), "the answer is no JSON object");
}

}  // namespace
}  // namespace poplar::http
