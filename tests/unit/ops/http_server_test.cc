#include "core/ops/http_server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <string>
#include <thread>
#include <vector>

#include "core/base/fd.h"

namespace poplar::ops {
namespace {

using ::testing::AllOf;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::StartsWith;

base::UniqueFd Connect(const tenant::ListenAddress& address) {
  sockaddr_storage storage;
  const socklen_t length = address.ToSockaddr(storage);
  base::UniqueFd fd(socket(storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (connect(fd.get(), reinterpret_cast<const sockaddr*>(&storage), length) != 0) fd.Reset();
  return fd;
}

std::string Exchange(const tenant::ListenAddress& address, const std::string& request) {
  const base::UniqueFd fd = Connect(address);
  if (send(fd.get(), request.data(), request.size(), MSG_NOSIGNAL) < 0) return "";
  std::string answer;
  std::array<char, 4096> chunk;
  for (ssize_t got; (got = recv(fd.get(), chunk.data(), chunk.size(), 0)) > 0;)
    answer.append(chunk.data(), static_cast<size_t>(got));
  return answer;
}

class HttpServerTest : public ::testing::Test {
 protected:
  void SetUp() override {
    registry_.Add(logins_, "poplar_logins_total", "Log-ins.");
    auto server = HttpServer::Start({"127.0.0.1", 0}, registry_, readiness_);
    ASSERT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
    address_ = {"127.0.0.1", server_->port()};
  }

  std::string Get(const std::string& path) {
    return Exchange(address_, "GET " + path + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  }

  base::Counter logins_;
  base::MetricRegistry registry_;
  Readiness readiness_;
  std::unique_ptr<HttpServer> server_;
  tenant::ListenAddress address_;
};

TEST_F(HttpServerTest, TellsMetrics) {
  ASSERT_NE(server_->port(), 0);
  logins_.Add(5);
  EXPECT_THAT(Get("/metrics"),
              AllOf(StartsWith("HTTP/1.1 200 OK\r\n"),
                    HasSubstr("Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n"),
                    EndsWith("poplar_logins_total 5\n")));
}

TEST_F(HttpServerTest, TellsHealthAndReadiness) {
  EXPECT_THAT(Get("/healthz"), StartsWith("HTTP/1.1 200 "));
  EXPECT_THAT(Get("/readyz"), AllOf(StartsWith("HTTP/1.1 503 "), EndsWith("\r\n\r\nstarting\n")));
  readiness_.SetReady();
  EXPECT_THAT(Get("/readyz"), AllOf(StartsWith("HTTP/1.1 200 "), EndsWith("\r\n\r\nready\n")));
  readiness_.SetNotReady("draining");
  EXPECT_THAT(Get("/readyz"), AllOf(StartsWith("HTTP/1.1 503 "), EndsWith("\r\n\r\ndraining\n")));
  EXPECT_THAT(Get("/healthz"), StartsWith("HTTP/1.1 200 "));
}

TEST_F(HttpServerTest, ShowsTheStatusPage) {
  EXPECT_THAT(Get("/"), AllOf(StartsWith("HTTP/1.1 302 "), HasSubstr("Location: status\r\n")));
  EXPECT_THAT(Get("/status"),
              AllOf(StartsWith("HTTP/1.1 200 "), HasSubstr("Content-Type: text/html"),
                    HasSubstr("Content-Security-Policy: default-src 'none'; script-src 'self';"),
                    HasSubstr("<script src=\"status.js\""), EndsWith("</html>\n")));
  EXPECT_THAT(Get("/status.js"),
              AllOf(HasSubstr("Content-Type: text/javascript"), HasSubstr("\"use strict\"")));
  EXPECT_THAT(Get("/status.css"),
              AllOf(HasSubstr("Content-Type: text/css"), HasSubstr("prefers-color-scheme")));
  EXPECT_THAT(Get("/status.json"),
              AllOf(HasSubstr("Content-Type: application/json"), HasSubstr("\"faults\"")));
}

TEST_F(HttpServerTest, RefusesWhatItDoesNotServe) {
  for (const char* path :
       {"/metrics/x", "/status/", "/status.jsonx", "/healthzz", "/../etc/passwd", "/metricsx"})
    EXPECT_THAT(Get(path), AllOf(StartsWith("HTTP/1.1 4"))) << path;
  EXPECT_THAT(Get("/nowhere"), AllOf(StartsWith("HTTP/1.1 404 "), HasSubstr("/readyz")));
  EXPECT_THAT(Exchange(address_, "DELETE /metrics HTTP/1.0\r\n\r\n"),
              AllOf(HasSubstr(" 405 Method Not Allowed\r\n"), HasSubstr("Allow: GET, HEAD\r\n")));
  EXPECT_THAT(Exchange(address_, "HEAD /metrics HTTP/1.0\r\n\r\n"),
              AllOf(HasSubstr(" 200 OK\r\n"), EndsWith("\r\n\r\n")));
  EXPECT_THAT(Exchange(address_, "PUT / HTTP/1.0\r\nContent-Length: 99999999\r\n\r\nabc"),
              HasSubstr(" 405 "));
  EXPECT_EQ(Exchange(address_, "\x16\x03\x01 garbage\r\n\r\n").find(" 200 "), std::string::npos);
  EXPECT_THAT(Get("/" + std::string(20'000, 'a')), StartsWith("HTTP/1.1 4"));
  EXPECT_THAT(Get("/healthz"), StartsWith("HTTP/1.1 200 "));
}

TEST_F(HttpServerTest, ServesSeveralAtOnceWhileCellsCount) {
  std::vector<std::thread> clients;
  std::array<int, 4> answered{};
  clients.reserve(answered.size());
  for (int& count : answered)
    clients.emplace_back([this, &count] {
      for (int i = 0; i < 20; ++i)
        if (Get("/metrics").find("poplar_logins_total ") != std::string::npos) ++count;
    });
  for (int i = 0; i < 1000; ++i) logins_.Add();
  for (std::thread& client : clients) client.join();
  EXPECT_THAT(answered, ::testing::Each(20));
}

TEST_F(HttpServerTest, AnAddressInUseIsTold) {
  const auto second = HttpServer::Start(address_, registry_, readiness_);
  ASSERT_FALSE(second.ok());
  EXPECT_THAT(std::string(Message(second.status())),
              AllOf(HasSubstr("listening on " + address_.ToString() + " for HTTP"),
                    HasSubstr("another process")));
  const auto foreign = HttpServer::Start({"192.0.2.1", 0}, registry_, readiness_);
  ASSERT_FALSE(foreign.ok());
  EXPECT_THAT(std::string(Message(foreign.status())), HasSubstr("Cannot assign requested address"));
}

TEST_F(HttpServerTest, StopsWithAClientThatSaysNothing) {
  const base::UniqueFd silent = Connect(address_);
  ASSERT_TRUE(silent.valid());
  server_.reset();
  EXPECT_FALSE(Connect(address_).valid());
}

TEST(HttpServer, ListensOnIpv6) {
  base::MetricRegistry registry;
  Readiness readiness;
  const auto server = HttpServer::Start({"::1", 0}, registry, readiness);
  if (!server.ok()) GTEST_SKIP() << server.status();
  EXPECT_THAT(Exchange({"::1", (*server)->port()}, "GET /healthz HTTP/1.0\r\n\r\n"),
              HasSubstr("200 OK"));
}

}  // namespace
}  // namespace poplar::ops
