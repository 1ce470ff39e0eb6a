// TLS as clients of OpenSSL's meet it. Kernel TLS is used where the kernel of the test has it; what
// is checked here holds with and without.

#include <gtest/gtest.h>
#include <malloc.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <random>
#include <utility>

#include "core/net/tls_context.h"
#include "core/net/tls_session.h"
#include "tests/unit/net/net_test_support.h"

namespace poplar::net {
namespace {

constexpr std::string_view kAlpnPop3 = "\x04pop3";
constexpr std::string_view kAlpnHttpThenPop3 = "\x08http/1.1\x04pop3";
constexpr std::string_view kAlpnHttp = "\x08http/1.1";

class TlsTest : public testing::Test {
 protected:
  TlsTest() { WriteCertificate(options_.certificate_path, options_.key_path); }

  std::shared_ptr<const TlsContext> Context() { return *TlsContext::Load(options_, tickets_); }
  TestServer& Start(bool implicit, TestServerOptions options = {}) {
    options.tls = Context();
    options.implicit_tls = implicit;
    return server_.emplace(std::move(options));
  }
  NetMetrics& metrics() { return server_->metrics(); }

  TestFolder folder_;
  TlsOptions options_ = {.certificate_path = folder_.Path("cert.pem"),
                         .key_path = folder_.Path("key.pem")};
  const std::shared_ptr<TicketKeys> tickets_ = std::make_shared<TicketKeys>(base::SystemClock());
  std::optional<TestServer> server_;
};

TEST_F(TlsTest, SpeaksBothVersions) {
  TestServer& server = Start(/*implicit=*/true);
  server.Serve([&] {
    for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
      TlsClient client(server.Connect(), {.version = version});
      ASSERT_TRUE(client.Handshake()) << client.failure();
      client.Send("ECHO one\nECHO two\nQUIT\n");
      EXPECT_EQ(client.Line(), "one");
      EXPECT_EQ(client.Line(), "two");
      EXPECT_EQ(client.Line(), "bye");
      EXPECT_TRUE(client.EndsInOrder());
      EXPECT_EQ(client.failure(), "unknown error");
    }
  });
  EXPECT_EQ(metrics().handshakes_tls12.Read(), 1u);
  EXPECT_EQ(metrics().handshakes_tls13.Read(), 1u);
  EXPECT_EQ(metrics().handshakes_failed.Read(), 0u);
  EXPECT_GT(metrics().handshake_us.ReadSum(), 0u);
}

TEST_F(TlsTest, OldVersionsAndForbiddenOnesAreRefused) {
  options_.version_min = TlsOptions::Version::kTls13;
  TestServer& server = Start(/*implicit=*/true);
  server.Serve([&] {
    for (const int version : {TLS1_1_VERSION, TLS1_2_VERSION}) {
      TlsClient client(server.Connect(), {.version = version});
      EXPECT_FALSE(client.Handshake());
    }
  });
  EXPECT_GE(metrics().handshakes_failed.Read(), 1u);
  EXPECT_EQ(server.ends().size(), 2u);
}

TEST_F(TlsTest, AlpnIsPop3OrAbsent) {
  TestServer& server = Start(/*implicit=*/true);
  server.Serve([&] {
    TlsClient plain(server.Connect(), {});
    EXPECT_TRUE(plain.Handshake());
    EXPECT_EQ(plain.alpn(), "");
    for (const std::string_view offer : {kAlpnPop3, kAlpnHttpThenPop3}) {
      TlsClient client(server.Connect(), {.alpn = std::string(offer)});
      EXPECT_TRUE(client.Handshake()) << client.failure();
      EXPECT_EQ(client.alpn(), "pop3");
    }
    TlsClient other(server.Connect(), {.alpn = std::string(kAlpnHttp)});
    EXPECT_FALSE(other.Handshake());
    EXPECT_EQ(other.failure(), "tlsv1 alert no application protocol");
  });
  EXPECT_EQ(metrics().handshakes_alpn_refused.Read(), 1u);
  EXPECT_EQ(metrics().handshakes_failed.Read(), 0u);
}

TEST_F(TlsTest, ResumesByTicketEvenAfterAReload) {
  TestServer& server = Start(/*implicit=*/true);
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    SSL_SESSION* session = nullptr;
    const auto ticket_after = [&](bool resumes) {
      std::string ticket;
      server.Serve([&] {
        TlsClient client(server.Connect(), {.version = version, .resume = session});
        ASSERT_TRUE(client.Handshake());
        EXPECT_EQ(client.resumed(), resumes);
        client.Send("ECHO x\nQUIT\n");
        EXPECT_EQ(client.Line(), "x");
        SSL_SESSION_free(std::exchange(session, client.TakeSession()));
        ticket = client.Ticket();
      });
      return ticket;
    };
    const std::string first = ticket_after(false);
    ASSERT_NE(first, "");
    server.set_tls(Context());  // Shares nothing with the old one but the ticket keys.
    // With TLS 1.3 a ticket is for once (RFC 8446 §C.4).
    EXPECT_EQ(ticket_after(true) == first, version == TLS1_2_VERSION);
    (void)ticket_after(true);
    SSL_SESSION_free(session);
  }
  EXPECT_EQ(metrics().handshakes_resumed.Read(), 4u);
}

TEST_F(TlsTest, ReloadLeavesSessionsTheirCertificate) {
  TestServer& server = Start(/*implicit=*/true);
  server.Serve([&] {
    TlsClient client(server.Connect(), {});
    ASSERT_TRUE(client.Handshake());
    client.Send("ECHO before\n");
    EXPECT_EQ(client.Line(), "before");
    WriteCertificate(options_.certificate_path, options_.key_path);
    server.set_tls(Context());  // The old context is its sessions' alone now.
    client.Send("ECHO after\n");
    EXPECT_EQ(client.Line(), "after");
    TlsClient other(server.Connect(), {});
    EXPECT_TRUE(other.Handshake());
  });
}

TEST_F(TlsTest, WhatWasInjectedBeforeTheHandshakeIsDropped) {
  // In the same packet, and more than the backlog and a turn's buffers hold.
  for (const size_t bytes : {size_t{0}, size_t{14}, size_t{5000}, size_t{100'000}}) {
    TestServer& server = Start(/*implicit=*/false);
    base::UniqueFd socket = server.Connect();
    std::string injected = "STLS\n";
    for (size_t at = 0; at < bytes; at += 14) injected += "ECHO injected\n";
    ASSERT_EQ(send(socket.get(), injected.data(), injected.size(), 0),
              static_cast<ssize_t>(injected.size()));
    server.Serve([&] {
      std::string reply(9, '\0');
      ASSERT_EQ(recv(socket.get(), reply.data(), reply.size(), MSG_WAITALL), 9);
      EXPECT_EQ(reply, "+OK begin");
      ASSERT_EQ(recv(socket.get(), reply.data(), 1, 0), 1);
      TlsClient client(std::move(socket), {});
      ASSERT_TRUE(client.Handshake()) << client.failure();
      client.Send("ECHO real\nQUIT\n");
      EXPECT_EQ(client.Line(), "real");
      EXPECT_EQ(client.Line(), "bye");
      EXPECT_TRUE(client.EndsInOrder());
    });
    server_.reset();
  }
}

TEST_F(TlsTest, GarbageGetsAnAlertAndIsCounted) {
  TestServer& server = Start(/*implicit=*/true);
  server.Serve([&] {
    for (const std::string_view garbage :
         {"USER somebody\r\nPASS secret\r\n", "GET / HTTP/1.1\r\n\r\n",
          "\x16\x03\x01\x00\x05\xff\x00\x00\x01\x00",
          "\x80\x2e\x01\x00\x02\x00\x15\x00\x00\x00\x10"
          "0123456789012345678901234567890"}) {
      PlainClient client(server.Connect());
      client.Send(garbage);
      shutdown(client.fd(), SHUT_WR);
      const std::string reply = client.Rest();
      EXPECT_FALSE(client.timed_out());
      if (!reply.empty()) {
        EXPECT_EQ(reply[0], '\x15') << "an alert";
      }
    }
  });
  EXPECT_GE(metrics().handshakes_failed.Read(), 2u);
  EXPECT_EQ(metrics().handshakes_failed.Read() + metrics().handshakes_cut.Read(), 4u);
}

// The first flight of a client.
std::string ClientHello() {
  SSL_CTX* const context = SSL_CTX_new(TLS_client_method());
  SSL* const ssl = SSL_new(context);
  BIO* const out = BIO_new(BIO_s_mem());
  SSL_set_bio(ssl, BIO_new(BIO_s_mem()), out);
  SSL_connect(ssl);
  char* bytes = nullptr;
  const long size = BIO_get_mem_data(out, &bytes);
  std::string hello(bytes, static_cast<size_t>(size));
  SSL_free(ssl);
  SSL_CTX_free(context);
  return hello;
}

TEST_F(TlsTest, HandshakesCutAnywhereEnd) {
  const std::string hello = ClientHello();
  TestServer& server = Start(/*implicit=*/true);
  server.Serve([&] {
    for (size_t bytes = 0; bytes < hello.size(); bytes += 3) {
      PlainClient client(server.Connect());
      client.Send(hello.substr(0, bytes));
      shutdown(client.fd(), SHUT_WR);
      client.Rest();
      EXPECT_FALSE(client.timed_out());
    }
    PlainClient client(server.Connect());  // All of it, and nothing behind.
    client.Send(hello);
    EXPECT_EQ(client.Bytes(1), "\x16");
  });
  EXPECT_EQ(metrics().handshakes_cut.Read(), (hello.size() + 2) / 3 + 1);
  EXPECT_EQ(metrics().handshakes_failed.Read(), 0u);
}

TEST_F(TlsTest, HandshakeThatStandsStillIsAborted) {
  TestServer& server = Start(/*implicit=*/true);
  PlainClient client(server.Connect());
  client.Send(ClientHello().substr(0, 20));
  ASSERT_TRUE(server.RunUntil([&] { return metrics().bytes_in.Read() == 20; }));
  server.streams()[0]->Abort(StreamEnd::kIdle);
  EXPECT_TRUE(server.RunUntil([&] { return server.sessions_ended() == 1; }));
  EXPECT_EQ(metrics().handshakes_cut.Read(), 1u);
  EXPECT_EQ(server.ends(), std::vector{StreamEnd::kIdle});
}

// A session of OpenSSL's is for who has said the first record, in whatever pieces it came.
TEST_F(TlsTest, HalfAHelloMakesNoSession) {
  const std::string hello = ClientHello();
  for (const size_t piece_bytes : {size_t{1}, size_t{7}, hello.size() - 1}) {
    TestServer& server = Start(/*implicit=*/true);
    PlainClient client(server.Connect());
    const uint64_t before = metrics().bytes_in.Read();
    for (size_t sent = 0; sent < hello.size();) {
      const std::string piece = hello.substr(sent, piece_bytes);
      client.Send(piece);
      sent += piece.size();
      ASSERT_TRUE(server.RunUntil([&] { return metrics().bytes_in.Read() == before + sent; }));
      const bool whole = sent == hello.size();
      ASSERT_EQ(server.streams()[0]->tls() != nullptr, whole) << sent << " of " << hello.size();
    }
    EXPECT_EQ(client.Bytes(1), "\x16");
    server.streams()[0]->Abort(StreamEnd::kIdle);
    EXPECT_TRUE(server.RunUntil([&] { return server.sessions_ended() == 1; }));
  }
}

TEST_F(TlsTest, LongLinesAndLargeBodiesArriveWhole) {
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    TestServer& server = Start(/*implicit=*/true, {.send_buffer_bytes = 256 * 1024});
    for (const size_t bytes : {size_t{100}, size_t{30'000}, size_t{70'000}, size_t{25'000'000}}) {
      server.bodies().push_back(
          std::make_unique<FileBody>(folder_, Pattern(bytes), FileBodyOptions()));
      server.bodies().push_back(std::make_unique<FileBody>(
          folder_, Pattern(bytes, 2), FileBodyOptions{.resident = false, .file_range = false}));
    }
    const std::string text = Pattern(500'000);
    server.Serve([&] {
      TlsClient client(server.Connect(), {.version = version});
      ASSERT_TRUE(client.Handshake());
      std::thread writer([&] { client.Send("ECHO " + text + "\n"); });
      writer.join();
      EXPECT_EQ(client.Line(), text);
      for (size_t i = 0; i < server.bodies().size(); ++i) {
        client.Send("BODY " + std::to_string(i) + "\n");
        const std::string& bytes = server.bodies()[i]->bytes();
        ASSERT_EQ(client.Line(), "+OK " + std::to_string(bytes.size()));
        std::string received;
        while (received.size() < bytes.size()) {
          if (bytes.size() > 1'000'000) std::this_thread::sleep_for(std::chrono::milliseconds(3));
          const std::string more =
              client.Bytes(std::min<size_t>(400'000, bytes.size() - received.size()));
          if (more.empty()) break;
          received += more;
        }
        EXPECT_TRUE(received == bytes) << received.size() << " of " << bytes.size();
      }
      client.Send("QUIT\n");
      EXPECT_EQ(client.Line(), "bye");
      EXPECT_TRUE(client.EndsInOrder());
    });
    server_.reset();
  }
}

TEST_F(TlsTest, BodyThatFailsDoesNotEndInOrder) {
  TestServer& server = Start(/*implicit=*/true);
  server.bodies().push_back(std::make_unique<FileBody>(
      folder_, Pattern(1'000'000),
      FileBodyOptions{.resident = false, .file_range = false, .fails_at = 500'000}));
  server.Serve([&] {
    TlsClient client(server.Connect(), {});
    ASSERT_TRUE(client.Handshake());
    client.Send("BODY 0\n");
    EXPECT_EQ(client.Line(), "+OK 1000000");
    EXPECT_FALSE(client.EndsInOrder());
    TlsClient other(server.Connect(), {});  // Whose driver reads the body itself.
    ASSERT_TRUE(other.Handshake());
    other.Send("PIECES 0\n");
    EXPECT_FALSE(other.EndsInOrder());
  });
  EXPECT_EQ(server.ends(), (std::vector{StreamEnd::kBodyFailed, StreamEnd::kBodyFailed}));
  EXPECT_EQ(server.body_failures(), std::vector<std::string>(2, "the test says so"));
  EXPECT_EQ(metrics().body_failures.Read(), 2u);
}

TEST_F(TlsTest, KeyUpdateIsAnsweredOrEndsInOrder) {
  TestServer& server = Start(/*implicit=*/true);
  server.Serve([&] {
    TlsClient client(server.Connect(), {.version = TLS1_3_VERSION});
    ASSERT_TRUE(client.Handshake());
    client.Send("ECHO one\n");
    EXPECT_EQ(client.Line(), "one");
    client.RequestKeyUpdate();
    client.Send("ECHO two\n");
    const std::string second = client.Line();
    // Where the kernel seals, what came with the request is still answered, and what comes later is
    // not.
    if (metrics().handshakes_kernel_tls.Read() == 0) {
      EXPECT_EQ(second, "two");
      client.Send("ECHO three\nQUIT\n");
      EXPECT_EQ(client.Line(), "three");
    }
    EXPECT_TRUE(client.EndsInOrder());
  });
  EXPECT_EQ(metrics().tls_key_update_ends.Read(), metrics().handshakes_kernel_tls.Read());
}

TEST_F(TlsTest, ClientThatNeverReadsIsReadNoMore) {
  TestServer& server = Start(/*implicit=*/true, {.send_buffer_bytes = 128 * 1024});
  std::atomic<bool> stop{false};
  std::optional<TlsClient> client;
  std::thread thread([&] {
    client.emplace(server.Connect(), TlsClientOptions());
    if (!client->Handshake()) return;
    const timeval patience{.tv_sec = 0, .tv_usec = 200'000};
    setsockopt(client->fd(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
    const std::string command = "ECHO " + Pattern(1000) + "\n";
    for (int i = 0; i < 40'000 && !stop.load(); ++i) client->Send(command);
  });
  uint64_t before = ~0ull;
  for (int round = 0; round < 200 && before != metrics().bytes_in.Read(); ++round) {
    before = metrics().bytes_in.Read();
    server.RunUntil([] { return false; }, 200);
  }
  EXPECT_EQ(before, metrics().bytes_in.Read()) << "it stands still";
  stop.store(true);
  thread.join();
  EXPECT_LT(metrics().bytes_in.Read(), 40'000'000u);
  EXPECT_GE(metrics().receive_pauses.Read(), 1u);
  client.reset();
  EXPECT_TRUE(server.RunUntil([&] { return server.sessions_ended() == 1; }));
}

TEST_F(TlsTest, SurvivesCutsAtRandomPoints) {
  TestServer& server = Start(/*implicit=*/true, {.send_buffer_bytes = 128 * 1024});
  server.bodies().push_back(
      std::make_unique<FileBody>(folder_, Pattern(500'000), FileBodyOptions()));
  server.Serve([&] {
    std::mt19937 random(20240608);
    for (int round = 0; round < 150; ++round) {
      TlsClient client(server.Connect(), {});
      const timeval patience{.tv_sec = 0, .tv_usec = 20'000};
      setsockopt(client.fd(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
      if (!client.Handshake()) continue;
      const std::string text = "ECHO " + Pattern(random() % 3000) + "\nBODY 0\nQUIT\n";
      client.Send(text.substr(0, random() % (text.size() + 1)));
      if (random() % 2 == 0) client.Bytes(random() % 600'000);
      if (random() % 2 == 0) {
        const linger reset{.l_onoff = 1, .l_linger = 0};
        setsockopt(client.fd(), SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
      }
    }
  });
  EXPECT_EQ(server.sessions_ended(), metrics().accepted.Read());
}

TEST_F(TlsTest, IdleConnectionsAreSmall) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "sanitizers have an allocator of their own";
#endif
  constexpr size_t kConnections = 100;
  TestServer& server = Start(/*implicit=*/true);
  auto used = [] { return mallinfo2().uordblks; };
  if (used() == 0) GTEST_SKIP() << "this allocator does not count";
  // Clients in a process of their own, each when told.
  int go[2];
  ASSERT_EQ(pipe(go), 0);
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    std::vector<std::unique_ptr<TlsClient>> clients;
    close(go[1]);
    for (char byte; read(go[0], &byte, 1) == 1;) {
      clients.push_back(std::make_unique<TlsClient>(server.Connect(), TlsClientOptions()));
      if (!clients.back()->Handshake()) _exit(1);
      clients.back()->Send("ECHO x\n");
      if (clients.back()->Line() != "x") _exit(1);
    }
    _exit(0);
  }
  close(go[0]);
  auto connect = [&](size_t count) {
    const uint64_t sent_before = metrics().bytes_out.Read();
    for (size_t i = 0; i < count; ++i) ASSERT_EQ(write(go[1], "+", 1), 1);
    ASSERT_TRUE(server.RunUntil(
        [&] { return metrics().bytes_out.Read() == sent_before + 2 * count; }, 60'000));
  };
  connect(10);
  const size_t before = used();
  connect(kConnections);
  const size_t each = (used() - before) / kConnections;
  RecordProperty("bytes_per_connection", static_cast<int>(each));
  EXPECT_GT(each, 1000u) << "then nothing was measured";
  EXPECT_LE(each, 20u * 1024u);
  std::printf("%zu bytes an idle TLS connection, %zu of them its Stream\n", each, sizeof(Stream));
  close(go[1]);
  EXPECT_TRUE(server.RunUntil([&] { return server.streams().empty(); }));
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
}

}  // namespace
}  // namespace poplar::net
