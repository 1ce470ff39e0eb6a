#include "core/app/transfer/pop3_client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/app/transfer/compare.h"
#include "core/app/transfer/pop3_source.h"
#include "tests/unit/app/transfer/scripted_peer.h"

namespace poplar::app {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr std::string_view kOpen = "+OK hello\r\n+OK 2 messages\r\n";
// Of another server: its greeting, no STLS, USER, PASS.
constexpr std::string_view kLogIn = "+OK hello\r\n-ERR what?\r\n+OK\r\n+OK\r\n";

Pop3Server Here(uint16_t port) {
  Pop3Server server;
  server.host = "127.0.0.1";
  server.port = port;
  server.allow_cleartext = true;
  return server;
}

std::unique_ptr<Pop3Client> Open(ScriptedPeer& peer) {
  auto client = Pop3Client::OpenExport(peer.path(), "alice@a.example");
  return client.ok() ? std::move(*client) : nullptr;
}

std::string ReadAll(ByteSource& source, size_t piece_bytes) {
  std::string text;
  std::string piece(piece_bytes, '\0');
  for (size_t got = 1; got > 0;) {
    const auto read = source.Read(piece);
    if (!read.ok()) return "error: " + std::string(Message(read.status()));
    got = *read;
    text.append(piece, 0, got);
  }
  return text;
}

TEST(ParsePop3Url, WhatIsOne) {
  const auto server = ParsePop3Url("pop3s://mail.example.org");
  ASSERT_TRUE(server.ok());
  EXPECT_EQ(server->host, "mail.example.org");
  EXPECT_EQ(server->port, 995);
  EXPECT_TRUE(server->implicit_tls);
  EXPECT_EQ(ParsePop3Url("pop3://a/")->port, 110);
  EXPECT_FALSE(ParsePop3Url("pop3://a:1110")->implicit_tls);
  EXPECT_EQ(ParsePop3Url("pop3://[::1]:1110")->host, "::1");
  EXPECT_EQ(ParsePop3Url("pop3://[::1]:1110")->port, 1110);
  for (const char* const bad :
       {"", "imap://a", "pop3:a", "pop3://", "pop3://:110", "pop3://a:0", "pop3://a:x",
        "pop3://a:70000", "pop3://u@a", "pop3://a/inbox", "pop3://[::1", "pop3://a:110:1"}) {
    EXPECT_EQ(ParsePop3Url(bad).status().code(), StatusCode::kInvalidArgument) << bad;
  }
}

TEST(Pop3Client, ListsAndReads) {
  for (const size_t piece : {1U, 1000U}) {
    ScriptedPeer peer(std::string(kOpen) +
                          "+OK\r\n1 10\r\n3 20 extra\r\n.\r\n"
                          "+OK\r\n1 a b\r\n3 c\r\n.\r\n"
                          "+OK\r\n1 -5\r\n3 1275660208123456\r\n.\r\n"
                          "+OK 10 octets\r\n..\r\n..x\r\n.\rz\r\n\r\n.\r\n"
                          "-ERR [SYS/PERM] damaged\r\n"
                          "+OK\r\n.\r\n+OK bye\r\n",
                      piece);
    const auto client = Open(peer);
    ASSERT_NE(client, nullptr);
    const auto listed = client->List();
    ASSERT_TRUE(listed.ok()) << listed.status();
    ASSERT_EQ(listed->size(), 2U);
    EXPECT_EQ((*listed)[0].uidl, "a b");
    EXPECT_EQ((*listed)[0].received_us, -5);
    EXPECT_EQ((*listed)[1].number, 3U);
    EXPECT_EQ((*listed)[1].octets, 20U);
    for (const uint32_t number : {1U, 2U, 3U}) EXPECT_TRUE(client->Ask(number).ok());
    auto body = client->NextBody();
    ASSERT_TRUE(body.ok()) << body.status();
    EXPECT_EQ(ReadAll(**body, piece), ".\r\n.x\r\n\rz\r\n\r\n");
    EXPECT_EQ(client->NextBody().status().code(), StatusCode::kDataLoss);
    body = client->NextBody();
    ASSERT_TRUE(body.ok()) << body.status();
    EXPECT_EQ(ReadAll(**body, 1), "");
    EXPECT_TRUE(client->Quit().ok());
  }
}

TEST(Pop3Client, ABodyThatEndsTooEarlyIsAnError) {
  ScriptedPeer peer(std::string(kOpen) + "+OK\r\nhalf a mail\r\n");
  const auto client = Open(peer);
  ASSERT_NE(client, nullptr);
  ASSERT_TRUE(client->Ask(1).ok());
  auto body = client->NextBody();
  ASSERT_TRUE(body.ok());
  EXPECT_THAT(ReadAll(**body, 100), HasSubstr("closed the connection"));
}

TEST(Pop3Client, NonsenseIsNotBelieved) {
  for (const char* const nonsense :
       {"+OK\r\nx 10\r\n.\r\n", "+OK\r\n1\r\n.\r\n", "+OK\r\n1 2\r\n1 3\r\n.\r\n",
        "HTTP/1.1 400\r\n", "+OK\r\n1 2\r\n.\r\n+OK\r\n9 u\r\n.\r\n", "+OK\r\n1 2\r\n"}) {
    ScriptedPeer peer(std::string(kOpen) + nonsense);
    const auto client = Open(peer);
    ASSERT_NE(client, nullptr);
    EXPECT_EQ(client->List().status().code(), StatusCode::kUnavailable) << nonsense;
  }
}

TEST(Pop3Client, WhyAMaildropDoesNotOpen) {
  const auto code_of = [](const std::string& reply) {
    ScriptedPeer peer("+OK hello\r\n" + reply);
    return Pop3Client::OpenExport(peer.path(), "alice@a.example").status().code();
  };
  EXPECT_EQ(code_of("-ERR [AUTH] no\r\n"), StatusCode::kNotFound);
  EXPECT_EQ(code_of("-ERR [IN-USE] somebody\r\n"), StatusCode::kUnavailable);
  EXPECT_EQ(code_of("-ERR [SYS/TEMP] later\r\n"), StatusCode::kUnavailable);
  EXPECT_EQ(code_of(""), StatusCode::kUnavailable);
  EXPECT_EQ(Pop3Client::OpenExport("/nowhere/export.sock", "a").status().code(),
            StatusCode::kUnavailable);
}

TEST(Pop3Client, AsksOneAtATimeWherePipeliningIsNotPromised) {
  OneAtATimePeer peer(
      "+OK hello\r\n",
      {"-ERR no STLS\r\n", "+OK\r\n", "+OK\r\n", "+OK\r\nTOP\r\nUIDL\r\nX-PIPELINING\r\n.\r\n",
       "+OK\r\n1 3\r\n2 3\r\n3 3\r\n.\r\n", "+OK\r\n1 a\r\n2 b\r\n3 c\r\n.\r\n",
       "+OK\r\n1\r\n.\r\n", "+OK\r\n2\r\n.\r\n", "+OK\r\n3\r\n.\r\n"});
  Pop3Server server = Here(peer.port());
  server.timeout_s = 5;  // So that it fails soon if it asks ahead.
  auto client = Pop3Client::LogIn(server, "alice", base::Secret("secret"));
  ASSERT_TRUE(client.ok()) << client.status();
  EXPECT_EQ((*client)->ahead_max(), 1U);
  auto source = OpenPop3Source(**client);
  ASSERT_TRUE(source.ok()) << source.status();
  (*source)->Expect({0, 1, 2});
  for (const size_t i : {0U, 1U, 2U}) {
    auto body = (*source)->Open(i);
    ASSERT_TRUE(body.ok()) << body.status();
    EXPECT_EQ(ReadAll(**body, 100), std::to_string(i + 1) + "\r\n");
  }
  source->reset();
  client->reset();
  EXPECT_EQ(peer.Told(),
            "STLS\r\nUSER alice\r\nPASS secret\r\nCAPA\r\nLIST\r\nUIDL\r\n"
            "RETR 1\r\nRETR 2\r\nRETR 3\r\n");
}

TEST(Pop3Client, AsksAheadWherePipeliningIsPromised) {
  ScriptedPeer peer(ScriptedPeer::OnTcp(), std::string(kLogIn) + "+OK\r\nPipelining\r\n.\r\n");
  const auto client = Pop3Client::LogIn(Here(peer.port()), "alice", base::Secret("secret"));
  ASSERT_TRUE(client.ok()) << client.status();
  EXPECT_GT((*client)->ahead_max(), 1U);
}

TEST(Pop3Client, EveryWaitEnds) {
  OneAtATimePeer peer("+OK hello\r\n", {"-ERR no STLS\r\n"});
  Pop3Server server = Here(peer.port());
  server.timeout_s = 1;
  const auto client = Pop3Client::LogIn(server, "alice", base::Secret("secret"));
  EXPECT_EQ(client.status().code(), StatusCode::kDeadlineExceeded);
}

TEST(Pop3Client, AUidlThatIsRefusedIsNotOneThatIsUnknown) {
  const auto list = [](std::string_view capa, std::string_view uidl) {
    ScriptedPeer peer(ScriptedPeer::OnTcp(), std::string(kLogIn) + std::string(capa) +
                                                 "+OK\r\n1 5\r\n.\r\n" + std::string(uidl));
    const auto client = Pop3Client::LogIn(Here(peer.port()), "alice", base::Secret("secret"));
    return client.ok() ? (*client)->List().status().code() : client.status().code();
  };
  constexpr std::string_view kHasUidl = "+OK\r\nTOP\r\nuidl\r\n.\r\n";
  constexpr std::string_view kNoUidl = "+OK\r\nTOP\r\n.\r\n";
  EXPECT_EQ(list(kHasUidl, "-ERR later\r\n"), StatusCode::kUnavailable);
  EXPECT_EQ(list(kNoUidl, "-ERR [SYS/TEMP] later\r\n"), StatusCode::kUnavailable);
  EXPECT_EQ(list(kNoUidl, "-ERR what?\r\n"), StatusCode::kOk);
  EXPECT_EQ(list("-ERR what?\r\n", "-ERR what?\r\n"), StatusCode::kOk);
  EXPECT_EQ(list("-ERR [SYS/TEMP] later\r\n", ""), StatusCode::kUnavailable);
}

TEST(Pop3Client, APasswordIsNotSentInClearUnasked) {
  const auto log_in = [](ScriptedPeer& peer, bool allow_cleartext, std::string_view password) {
    Pop3Server server = Here(peer.port());
    server.allow_cleartext = allow_cleartext;
    return Pop3Client::LogIn(server, "alice", base::Secret(password)).status().code();
  };
  ScriptedPeer without_tls(ScriptedPeer::OnTcp(), "+OK\r\n-ERR what?\r\n");
  EXPECT_EQ(log_in(without_tls, false, "secret"), StatusCode::kFailedPrecondition);
  EXPECT_EQ(without_tls.Told(), "STLS\r\n");
  ScriptedPeer allowed(ScriptedPeer::OnTcp(), std::string(kLogIn) + "-ERR what?\r\n");
  EXPECT_EQ(log_in(allowed, true, "se cret"), StatusCode::kOk);
  EXPECT_EQ(allowed.Told(), "STLS\r\nUSER alice\r\nPASS se cret\r\nCAPA\r\n");
  ScriptedPeer refused(ScriptedPeer::OnTcp(), "+OK\r\n-ERR\r\n+OK\r\n-ERR wrong\r\n");
  EXPECT_EQ(log_in(refused, true, "x"), StatusCode::kUnauthenticated);
  ScriptedPeer injected(ScriptedPeer::OnTcp(), "+OK\r\n");
  EXPECT_EQ(log_in(injected, true, "x\r\nDELE 1"), StatusCode::kInvalidArgument);
  EXPECT_EQ(injected.Told(), "");
}

Pop3Message Listed(std::string uidl, uint64_t octets = 5) {
  return {0, std::move(uidl), octets, 0};
}

TEST(CompareLists, WhatDiffers) {
  const Comparison same = CompareLists({Listed("a"), Listed("b")}, {Listed("a"), Listed("b")});
  EXPECT_EQ(same.identical, 2U);
  EXPECT_TRUE(same.all_there());
  EXPECT_TRUE(same.same_order);
  EXPECT_EQ(same.only_here, 0U);
  const Comparison other =
      CompareLists({Listed("a"), Listed("b"), Listed("c"), Listed("c"), Listed("")},
                   {Listed("x"), Listed("b", 6), Listed("a"), Listed("c")});
  EXPECT_EQ(other.theirs, 5U);
  EXPECT_EQ(other.identical, 2U);
  EXPECT_EQ(other.other_size, 1U);
  EXPECT_FALSE(other.all_there());
  EXPECT_FALSE(other.same_order);
  EXPECT_EQ(other.only_here, 1U);
  EXPECT_THAT(other.missing, ElementsAre("c", ""));
  EXPECT_THAT(other.only_here_uidls, ElementsAre("x"));
  // Only a last line end may be the difference.
  EXPECT_TRUE(CompareLists({Listed("a", 5)}, {Listed("a", 7)}).all_there());
  EXPECT_EQ(CompareLists({Listed("a", 5)}, {Listed("a", 7)}).line_ends, 1U);
  for (const uint64_t octets : {3, 4, 6, 8}) {
    EXPECT_FALSE(CompareLists({Listed("a", 5)}, {Listed("a", octets)}).all_there());
  }
}

}  // namespace
}  // namespace poplar::app
