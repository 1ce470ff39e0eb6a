// What a server does wrong must be found, and be called by its name; what it does right must pass.

#include <gtest/gtest.h>

#include "bench/load/dots.h"
#include "bench/load/run.h"
#include "tests/unit/bench/scripted_maildrop.h"
#include "tests/unit/bench/scripted_server.h"

namespace poplar::load {
namespace {

// One operation against the script; the kind of the error, or nothing.
std::string ErrorOf(const Script& script, const std::string& profile,
                    std::vector<std::string> auth_lines = {}) {
  ScriptedServer server(script);
  Options options;
  options.profile = profile;
  StatusOr<Endpoint> endpoint = ParseEndpoint(server.endpoint());
  EXPECT_TRUE(endpoint.ok());
  options.pop3 = options.http = *endpoint;
  options.user_pattern = "u";
  options.warmup_seconds = 0;
  options.operations_max = 1;
  options.errors_max = 1;
  options.timeout_ms = 300;
  options.delete_fetched = true;
  if (profile == "slow") options.read_bytes_per_second = 1'000'000;
  options.auth_lines = std::move(auth_lines);
  StatusOr<RunResult> result = RunLoad(options);
  EXPECT_TRUE(result.ok());
  if (result->meter.errors_by_kind().empty()) {
    EXPECT_EQ(result->meter.operations(), 1U);
    return "";
  }
  EXPECT_EQ(result->meter.operations(), 0U);
  return result->meter.errors_by_kind().begin()->first;
}

std::string ErrorWith(const std::string& verb, const std::string& said,
                      const std::string& profile) {
  Script script = GoodScript();
  script[verb] = said;
  return ErrorOf(script, profile);
}

TEST(WrongRepliesTest, TheRightOnesPass) {
  for (const char* profile : {"session", "poll", "handshake", "fetch", "retr", "slow"}) {
    EXPECT_EQ(ErrorOf(GoodScript(), profile), "") << profile;
  }
}

TEST(WrongRepliesTest, Refusals) {
  for (const char* verb : {"", "USER", "PASS", "STAT", "UIDL", "LIST", "QUIT"}) {
    EXPECT_EQ(ErrorWith(verb, "-ERR no\r\n", "poll"), "reply") << verb;
  }
  for (const char* verb : {"", "QUIT"}) {
    EXPECT_EQ(ErrorWith(verb, "-ERR no\r\n", "handshake"), "reply") << verb;
  }
  EXPECT_EQ(ErrorWith("RETR", "-ERR no\r\n", "fetch"), "reply");
  EXPECT_EQ(ErrorWith("DELE", "-ERR no\r\n", "fetch"), "reply");
}

TEST(WrongRepliesTest, AuthTakesThePlaceOfUserAndPass) {
  Script script = GoodScript();
  script.erase("USER");
  script.erase("PASS");
  for (auto& [said, error] : {std::pair{"+OK\r\n", ""}, {"-ERR no\r\n", "reply"}}) {
    script["AUTH"] = said;
    EXPECT_EQ(ErrorOf(script, "session", {"PLAIN AHUAcA=="}), error) << said;
  }
}

TEST(WrongRepliesTest, WhatIsNoReplyAtAll) {
  EXPECT_EQ(ErrorWith("STAT", "+OK 1\r\n", "session"), "reply");
  EXPECT_EQ(ErrorWith("STAT", "+OK one 2\r\n", "session"), "reply");
  EXPECT_EQ(ErrorWith("USER", "+OKAY\r\n", "session"), "reply");
  EXPECT_EQ(ErrorWith("USER", "+OK\n", "session"), "reply");
  EXPECT_EQ(ErrorWith("UIDL", "+OK\r\n1\r\n.\r\n", "poll"), "reply");
  EXPECT_EQ(ErrorWith("UIDL", "+OK\r\n1 a\x07\r\n.\r\n", "poll"), "reply");
  EXPECT_EQ(ErrorWith("QUIT", "+OK\r\n+OK\r\n", "session"), "reply");
}

TEST(WrongRepliesTest, SilenceAndHangUps) {
  Script silent = GoodScript();
  silent.erase("STAT");
  EXPECT_EQ(ErrorOf(silent, "session"), "timeout");
  EXPECT_EQ(ErrorWith("STAT", std::string(kHangUp), "session"), "connection");
  EXPECT_EQ(ErrorWith("RETR", "+OK\r\nSubject: half\r\n", "fetch"), "timeout");
}

TEST(WrongRepliesTest, NumbersThatDoNotAgree) {
  EXPECT_EQ(ErrorWith("STAT", "+OK 2 720\r\n", "poll"), "count");
  EXPECT_EQ(ErrorWith("STAT", "+OK 1 719\r\n", "poll"), "count");
  EXPECT_EQ(ErrorWith("LIST", "+OK\r\n2 720\r\n.\r\n", "poll"), "count");
  EXPECT_EQ(ErrorWith("UIDL", "+OK\r\n1 a\r\n2 a\r\n.\r\n", "poll"), "count");
  EXPECT_EQ(ErrorWith("UIDL", "+OK\r\n.\r\n", "fetch"), "count");
  EXPECT_EQ(ErrorWith("LIST", "+OK\r\n1 721\r\n.\r\n", "fetch"), "count");
  EXPECT_EQ(ErrorWith("RETR", "+OK 721 octets\r\n" + Stuff(Mail()), "fetch"), "count");
}

TEST(WrongRepliesTest, MessagesThatAreNotWhatWasSent) {
  std::string changed = Mail();
  changed[500] = changed[500] == 'x' ? 'y' : 'x';
  std::string longer = Mail() + "more\r\n";
  std::string bare = Stuff(Mail());
  bare.erase(bare.find("\r\n", 400), 1);
  for (const std::string& wire : {Stuff(changed), Stuff(longer), bare,
                                  std::string("Subject: not ours\r\n\r\nhello\r\n.\r\n")}) {
    EXPECT_EQ(ErrorWith("RETR", "+OK\r\n" + wire, "fetch"), "content");
    EXPECT_EQ(ErrorWith("RETR", "+OK\r\n" + wire, "retr"), "content");
    EXPECT_EQ(ErrorWith("RETR", "+OK\r\n" + wire, "slow"), "content");
  }
}

std::string Http(const std::string& content, const std::string& fields = "Server: x\r\n") {
  return "HTTP/1.1 200 OK\r\n" + fields + "content-length: " + std::to_string(content.size()) +
         "\r\n\r\n" + content;
}

std::string ErrorOfGet(const std::string& said) { return ErrorOf({{"GET", said}}, "get"); }

TEST(WrongRepliesTest, FilesFromAWebServer) {
  EXPECT_EQ(ErrorOfGet(Http(Stuff(Mail()))), "");
  EXPECT_EQ(ErrorOfGet(Http(Mail())), "content");  // Without the lone dot.
  EXPECT_EQ(ErrorOfGet(Http(Stuff(Mail()) + "more\r\n")), "content");
  EXPECT_EQ(ErrorOfGet("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"), "reply");
  EXPECT_EQ(ErrorOfGet("+OK\r\n"), "reply");
  EXPECT_EQ(ErrorOfGet("HTTP/1.1 200 OK\r\n\r\n" + Mail()), "count");
  EXPECT_EQ(ErrorOfGet("HTTP/1.1 200 OK\r\nContent-Length: 7x\r\n\r\n" + Mail()), "count");
  EXPECT_EQ(ErrorOfGet(Http(Stuff("<html>not ours</html>\r\n"))), "content");
  std::string changed = Mail();
  changed[500] = changed[500] == 'x' ? 'y' : 'x';
  EXPECT_EQ(ErrorOfGet(Http(Stuff(changed))), "content");
  std::string half = Http(Stuff(Mail()));
  half.resize(half.size() - 100);
  EXPECT_EQ(ErrorOfGet(half), "timeout");
  EXPECT_EQ(ErrorOfGet(std::string(kHangUp)), "connection");
}

}  // namespace
}  // namespace poplar::load
