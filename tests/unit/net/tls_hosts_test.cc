// Certificates by the host that a client asks for (SNI), over real connections.

#include <gtest/gtest.h>
#include <openssl/ssl.h>

#include <filesystem>

#include "core/net/certificate_store.h"
#include "core/net/tls_context.h"
#include "tests/unit/net/net_test_support.h"

namespace poplar::net {
namespace {

namespace fs = std::filesystem;

class TlsHostsTest : public testing::Test {
 protected:
  TlsHostsTest() {
    WriteCertificate(options_.certificate_path, options_.key_path);
    Write("pop.example.org");
    Write("pop.example.net");
    Write("_.example.org", {.host = "*.example.org"});
  }

  void Write(const std::string& host, const CertificateSpec& spec = {},
             const std::string& kind = "") {
    fs::create_directories(certs_ + "/" + host);
    CertificateSpec named = spec;
    if (named.host == "localhost") named.host = host;
    WriteCertificate(certs_ + "/" + host + "/fullchain" + kind + ".pem",
                     certs_ + "/" + host + "/privkey" + kind + ".pem", named);
  }
  std::shared_ptr<const TlsContext> Context() { return *TlsContext::Load(options_, tickets_); }
  // Without threads the test itself does what they would.
  TestServer& Start(bool implicit = true, uint32_t threads = 1, uint32_t looks_max = 100) {
    store_.Configure({.folder = certs_});
    TestServerOptions options;
    options.tls = Context();
    options.implicit_tls = implicit;
    options.certificates = &store_;
    options.certificate_pool = {.name = "certificates",
                                .threads = threads,
                                .queued_max = looks_max,
                                .queued_max_per_key = looks_max};
    return server_.emplace(std::move(options));
  }
  // What a client of that kind is shown.
  std::string Shown(const TlsClientOptions& options) {
    TlsClient client(server_->Connect(), options);
    if (!client.Handshake()) return client.failure();
    client.Send("QUIT\n");
    EXPECT_EQ(client.Line(), "bye");
    return client.shown();
  }

  TestFolder folder_;
  const std::string certs_ = folder_.Path("certs");
  TlsOptions options_ = {.certificate_path = folder_.Path("cert.pem"),
                         .key_path = folder_.Path("key.pem")};
  const std::shared_ptr<TicketKeys> tickets_ = std::make_shared<TicketKeys>(base::SystemClock());
  CertificateStore store_{base::SystemClock()};
  std::optional<TestServer> server_;
};

TEST_F(TlsHostsTest, EachIsShownItsOwn) {
  TestServer& server = Start();
  server.Serve([&] {
    for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
      EXPECT_EQ(Shown({.version = version, .host = "pop.example.org"}), "pop.example.org ecdsa");
      EXPECT_EQ(Shown({.version = version, .host = "POP.Example.NET"}), "pop.example.net ecdsa");
      EXPECT_EQ(Shown({.version = version, .host = "mail.example.org"}), "*.example.org ecdsa");
      EXPECT_EQ(Shown({.version = version, .host = "elsewhere.example"}), "localhost ecdsa");
      EXPECT_EQ(Shown({.version = version, .host = "../certs/pop.example.org"}), "localhost ecdsa");
      EXPECT_EQ(Shown({.version = version}), "localhost ecdsa");
    }
  });
  EXPECT_EQ(server.metrics().server_names_own.Read(), 6u);
  EXPECT_EQ(server.metrics().server_names_default.Read(), 2u);
}

TEST_F(TlsHostsTest, OverAnUpgradeToo) {
  TestServer& server = Start(/*implicit=*/false);
  server.Serve([&] {
    PlainClient plain(server.Connect());
    plain.Send("STLS\n");
    EXPECT_EQ(plain.Line(), "+OK begin");
    TlsClient client(base::UniqueFd(dup(plain.fd())), {.host = "pop.example.org"});
    ASSERT_TRUE(client.Handshake()) << client.failure();
    EXPECT_EQ(client.shown(), "pop.example.org ecdsa");
    EXPECT_EQ(server.streams()[0]->tls()->server_name(), "pop.example.org");
    client.Send("QUIT\n");
    EXPECT_EQ(client.Line(), "bye");
  });
}

TEST_F(TlsHostsTest, AlpnAndKernelTlsStay) {
  TestServer& server = Start();
  server.Serve([&] {
    TlsClient client(server.Connect(), {.alpn = "\x04pop3", .host = "pop.example.org"});
    ASSERT_TRUE(client.Handshake());
    EXPECT_EQ(client.alpn(), "pop3");
    TlsClient other(server.Connect(), {.alpn = "\x04http", .host = "pop.example.org"});
    EXPECT_FALSE(other.Handshake());
    TlsClient plain(server.Connect(), {});
    EXPECT_TRUE(plain.Handshake());
  });
  // As often as for the default certificate.
  const uint64_t sealed = server.metrics().handshakes_kernel_tls.Read();
  EXPECT_TRUE(sealed == 0 || sealed == 2) << sealed;
}

// Each client can check one kind of signature only.
TEST_F(TlsHostsTest, EachKindOfKeyForWhoTakesIt) {
  Write("both.example.org");
  Write("both.example.org", {.rsa = true}, "-rsa");
  Write("rsa.example.org", {.rsa = true});
  TestServer& server = Start();
  const std::string rsa = "RSA-PSS+SHA256:RSA+SHA256";
  const std::string ecdsa = "ECDSA+SHA256";
  server.Serve([&] {
    for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
      const auto shown = [&](const std::string& host, const std::string& signatures) {
        return Shown({.version = version, .host = host, .signatures = signatures});
      };
      EXPECT_EQ(shown("both.example.org", rsa), "both.example.org rsa");
      EXPECT_EQ(shown("both.example.org", ecdsa), "both.example.org ecdsa");
      EXPECT_EQ(shown("rsa.example.org", rsa), "rsa.example.org rsa");
      // The default certificate is ECDSA's: it must not stand in for the host.
      EXPECT_NE(shown("rsa.example.org", ecdsa), "localhost ecdsa");
    }
  });
  EXPECT_EQ(server.metrics().handshakes_failed.Read(), 2u);
}

TEST_F(TlsHostsTest, TicketsAreGoodForTheirHostOnly) {
  Write("alias.example.net");
  TestServer& server = Start();
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    SSL_SESSION* session = nullptr;
    const auto resumes = [&](const std::string& host) {
      TlsClient client(server.Connect(), {.version = version, .resume = session, .host = host});
      EXPECT_TRUE(client.Handshake()) << host << ": " << client.failure();
      const std::string shown = client.shown();
      client.Send("QUIT\n");
      EXPECT_EQ(client.Line(), "bye");
      return (client.resumed() ? "resumed, " : "in full, ") + shown;
    };
    server.Serve([&] {
      TlsClient client(server.Connect(), {.version = version, .host = "pop.example.org"});
      ASSERT_TRUE(client.Handshake());
      client.Send("ECHO x\nQUIT\n");
      EXPECT_EQ(client.Line(), "x");
      session = client.TakeSession();
      ASSERT_NE(session, nullptr);
      // A client that means harm: OpenSSL's own would not offer it.
      SSL_SESSION_set1_hostname(session, nullptr);
      EXPECT_EQ(resumes("pop.example.org"), "resumed, pop.example.org ecdsa");
      EXPECT_EQ(resumes("pop.example.net"), "in full, pop.example.net ecdsa");
      EXPECT_EQ(resumes("mail.example.org"), "in full, *.example.org ecdsa");
      EXPECT_EQ(resumes("elsewhere.example"), "in full, localhost ecdsa");
      EXPECT_EQ(resumes(""), "in full, localhost ecdsa");
    });
    // With another certificate the same host's tickets are none.
    const std::string before = store_.Look("pop.example.org")->identity();
    Write("pop.example.org");
    store_.Configure({.folder = certs_});
    server.Serve([&] { EXPECT_EQ(resumes("pop.example.org"), "in full, pop.example.org ecdsa"); });
    EXPECT_NE(store_.Look("pop.example.org")->identity(), before);
    SSL_SESSION_free(session);
  }
}

// What SCRAM binds to is what the client saw.
TEST_F(TlsHostsTest, TheEndPointIsTheCertificateThatWasShown) {
  Write("both.example.org");
  Write("both.example.org", {.rsa = true}, "-rsa");
  TestServer& server = Start();
  SSL_SESSION* session = nullptr;
  for (const char* signatures : {"ECDSA+SHA256", "RSA-PSS+SHA256:RSA+SHA256"}) {
    server.Serve([&] {
      TlsClient client(
          server.Connect(),
          {.version = TLS1_2_VERSION, .host = "both.example.org", .signatures = signatures});
      ASSERT_TRUE(client.Handshake());
      client.Send("ECHO x\n");
      EXPECT_EQ(client.Line(), "x");
      EXPECT_EQ(server.streams()[0]->tls()->ServerEndPointBinding(), client.EndPointBinding());
      client.Send("QUIT\n");
      EXPECT_EQ(client.Line(), "bye");
      if (session == nullptr) session = client.TakeSession();
    });
  }
  server.Serve([&] {
    TlsClient client(server.Connect(),
                     {.version = TLS1_2_VERSION, .resume = session, .host = "both.example.org"});
    ASSERT_TRUE(client.Handshake());
    EXPECT_TRUE(client.resumed());
    client.Send("ECHO x\n");
    EXPECT_EQ(client.Line(), "x");
    EXPECT_EQ(server.streams()[0]->tls()->ServerEndPointBinding(), "") << "which of the two?";
    client.Send("QUIT\n");
    EXPECT_EQ(client.Line(), "bye");
  });
  SSL_SESSION_free(session);
}

TEST_F(TlsHostsTest, RunningSessionsKeepTheirs) {
  TestServer& server = Start();
  server.Serve([&] {
    TlsClient client(server.Connect(), {.host = "pop.example.org"});
    ASSERT_TRUE(client.Handshake());
    client.Send("ECHO before\n");
    EXPECT_EQ(client.Line(), "before");
    fs::remove_all(certs_ + "/pop.example.org");
    store_.Configure({.folder = certs_});
    EXPECT_EQ(Shown({.host = "pop.example.org"}), "*.example.org ecdsa");
    client.Send("ECHO after\n");
    EXPECT_EQ(client.Line(), "after");
  });
}

// All who want the same host wait for one look.
TEST_F(TlsHostsTest, ManyWaitForOneLook) {
  TestServer& server = Start(/*implicit=*/true, /*threads=*/0);
  std::vector<std::thread> clients;
  for (int i = 0; i < 3; ++i) {
    clients.emplace_back(
        [&] { EXPECT_EQ(Shown({.host = "pop.example.org"}), "pop.example.org ecdsa"); });
  }
  io::OffloadPool& pool = server.certificate_pool();
  EXPECT_TRUE(server.RunUntil([&] { return server.handshakes_waiting() == 3; }));
  EXPECT_EQ(pool.queued(), 1u);
  pool.Run(*pool.Take());
  EXPECT_TRUE(server.RunUntil([&] { return server.sessions_ended() == 3; }));
  for (std::thread& client : clients) client.join();
  EXPECT_EQ(server.metrics().server_names_own.Read(), 3u);
}

TEST_F(TlsHostsTest, WhoIsAbortedMeanwhileIsForgotten) {
  TestServer& server = Start(/*implicit=*/true, /*threads=*/0);
  std::thread client([&] {
    TlsClient aborted(server.Connect(), {.host = "pop.example.org"});
    EXPECT_FALSE(aborted.Handshake());
  });
  io::OffloadPool& pool = server.certificate_pool();
  EXPECT_TRUE(server.RunUntil([&] { return server.handshakes_waiting() == 1; }));
  server.streams()[0]->Abort(StreamEnd::kAborted);
  EXPECT_TRUE(server.RunUntil([&] { return server.sessions_ended() == 1; }));
  client.join();
  ASSERT_EQ(server.ends().size(), 1u);
  EXPECT_EQ(server.ends()[0], StreamEnd::kAborted);
  pool.Run(*pool.Take());  // The look ends for nobody.
}

// A name that asks the user whether to go on would be worse than a connection that ends.
TEST_F(TlsHostsTest, WhoCannotBeLookedForIsNotShownAnotherName) {
  TestServer& server = Start(/*implicit=*/true, /*threads=*/0, /*looks_max=*/1);
  std::thread first(
      [&] { EXPECT_EQ(Shown({.host = "pop.example.org"}), "pop.example.org ecdsa"); });
  io::OffloadPool& pool = server.certificate_pool();
  EXPECT_TRUE(server.RunUntil([&] { return pool.queued() == 1; }));
  std::thread second([&] {
    TlsClient client(server.Connect(), {.host = "pop.example.net"});
    EXPECT_FALSE(client.Handshake());
  });
  EXPECT_TRUE(server.RunUntil([&] { return server.sessions_ended() == 1; }));
  second.join();
  EXPECT_EQ(server.metrics().server_names_refused.Read(), 1u);
  pool.Run(*pool.Take());
  EXPECT_TRUE(server.RunUntil([&] { return server.sessions_ended() == 2; }));
  first.join();
}

}  // namespace
}  // namespace poplar::net
