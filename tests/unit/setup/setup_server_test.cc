#include "core/setup/setup_server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <array>
#include <memory>
#include <string>
#include <vector>

#include "core/base/fd.h"
#include "core/setup/autodiscover.h"
#include "tests/unit/setup/settings_sample.h"

namespace poplar::setup {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

class SetupServerTest : public ::testing::Test {
 protected:
  void SetUp() override {
    board_.Publish(std::make_shared<TenantPolicies>(SamplePolicies()));
    auto server = SetupServer::Start({{"127.0.0.1", 0}, {"127.0.0.1", 0}}, SampleFacts(), board_);
    ASSERT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
    server_->Register(registry_);
  }

  base::UniqueFd Connect(size_t door = 0) const {
    sockaddr_storage storage;
    const socklen_t length = server_->listening().at(door).ToSockaddr(storage);
    base::UniqueFd fd(socket(storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
    EXPECT_EQ(connect(fd.get(), reinterpret_cast<const sockaddr*>(&storage), length), 0);
    return fd;
  }
  std::string Exchange(const std::string& request, size_t door = 0) const {
    const base::UniqueFd fd = Connect(door);
    if (send(fd.get(), request.data(), request.size(), MSG_NOSIGNAL) < 0) return "";
    std::string answer;
    std::array<char, 4096> chunk;
    for (ssize_t got; (got = recv(fd.get(), chunk.data(), chunk.size(), 0)) > 0;)
      answer.append(chunk.data(), static_cast<size_t>(got));
    return answer;
  }
  std::string Get(const std::string& target, const std::string& host = "x", size_t door = 0) const {
    return Exchange(
        "GET " + target + " HTTP/1.1\r\nHost: " + host + "\r\nConnection: close\r\n\r\n", door);
  }
  std::string Post(const std::string& body, const std::string& head = "") const {
    return Exchange(
        "POST /autodiscover/autodiscover.xml HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" +
        (head.empty() ? "Content-Length: " + std::to_string(body.size()) + "\r\n" : head) + "\r\n" +
        body);
  }
  double Requests(const std::string& page, const std::string& answer) const {
    double sum = 0;
    for (const auto& entry : registry_.Entries()) {
      const base::MetricLabels labels = {{"page", page}, {"answer", answer}};
      if (entry.name == "poplar_setup_requests_total" && entry.labels == labels)
        sum += entry.read();
    }
    return sum;
  }

  PolicyBoard board_;
  std::unique_ptr<SetupServer> server_;
  base::MetricRegistry registry_;
};

TEST_F(SetupServerTest, AnswersOnEveryAddress) {
  for (const size_t door : {0, 1}) {
    EXPECT_THAT(Get("/mail/config-v1.1.xml?emailaddress=alice%40acme.example", "x", door),
                AllOf(StartsWith("HTTP/1.1 200 OK\r\n"),
                      HasSubstr("Content-Type: text/xml; charset=utf-8\r\n"),
                      HasSubstr("<hostname>pop.provider.example</hostname>")));
  }
  EXPECT_THAT(Get("/mail/config-v1.1.xml", "autoconfig.acme.example"), StartsWith("HTTP/1.1 200"));
  EXPECT_THAT(Get("/mail/config-v1.1.xml?emailaddress=a@none.example"), StartsWith("HTTP/1.1 404"));
  EXPECT_THAT(Get("/"), StartsWith("HTTP/1.1 404"));
  EXPECT_EQ(Requests("autoconfig", "ok"), 3);
  EXPECT_EQ(Requests("autoconfig", "refused"), 1);
  EXPECT_EQ(Requests("other", "refused"), 1);
}

TEST_F(SetupServerTest, AProfileIsAFile) {
  EXPECT_THAT(
      Get("/mail.mobileconfig?emailaddress=alice@acme.example"),
      HasSubstr("Content-Disposition: attachment; filename=\"acme.example.mobileconfig\"\r\n"));
}

TEST_F(SetupServerTest, AnAddressMayHoldAPlus) {
  for (const char* const written : {"a+b@acme.example", "a%2Bb%40acme.example"}) {
    EXPECT_THAT(Get(std::string("/mail.mobileconfig?emailaddress=") + written),
                HasSubstr("<string>a+b@acme.example</string>"));
  }
  EXPECT_THAT(Get("/mail.mobileconfig?emailaddress=a%20b@acme.example"),
              StartsWith("HTTP/1.1 400"));
}

TEST_F(SetupServerTest, APostIsReadAndBounded) {
  const std::string request =
      "<Autodiscover><Request><EMailAddress>a@acme.example</EMailAddress><AcceptableResponseSchema>"
      "http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a"
      "</AcceptableResponseSchema></Request></Autodiscover>";
  EXPECT_THAT(Post(request), AllOf(StartsWith("HTTP/1.1 200"), HasSubstr("<Type>POP3</Type>")));
  const std::string padded = request + std::string(kAutodiscoverBytesMax - request.size(), ' ');
  EXPECT_THAT(Post(padded), HasSubstr("<Type>POP3</Type>"));
  EXPECT_THAT(Post(padded + " "), StartsWith("HTTP/1.1 413"));
  EXPECT_THAT(Post("", "Content-Length: 99999999999999999999999\r\n"), Not(HasSubstr("200 OK")));
  // Without a length it is cut off when it is too much.
  std::string chunk = "1000\r\n" + std::string(0x1000, ' ') + "\r\n";
  std::string chunks = chunk + chunk + chunk + "0\r\n\r\n";
  EXPECT_THAT(Post(chunks, "Transfer-Encoding: chunked\r\n"), Not(HasSubstr("200 OK")));
  EXPECT_THAT(Post("1\r\n \r\n0\r\n\r\n", "Transfer-Encoding: chunked\r\n"),
              HasSubstr("<ErrorCode>600</ErrorCode>"));
}

TEST_F(SetupServerTest, HostileHeadsEndWell) {
  EXPECT_THAT(Get("/" + std::string(40'000, 'a')), Not(HasSubstr("200 OK")));
  EXPECT_THAT(Get("/mail/config-v1.1.xml?emailaddress=" + std::string(2000, '%')),
              StartsWith("HTTP/1.1 404"));
  EXPECT_THAT(Get("/mail/config-v1.1.xml?emailaddress=a%00@acme.example"),
              StartsWith("HTTP/1.1 404"));
  EXPECT_THAT(Exchange("\r\n\r\nnonsense\r\n\r\n"), Not(HasSubstr("200 OK")));
  EXPECT_THAT(Get("/mail/config-v1.1.xml", "acme.example"), StartsWith("HTTP/1.1 200"));
}

TEST_F(SetupServerTest, WhatIsAnsweredFollowsTheTenantsAndTheConfiguration) {
  EXPECT_THAT(Get("/mail/config-v1.1.xml", "new.example"), StartsWith("HTTP/1.1 404"));
  TenantPolicies policies = SamplePolicies();
  policies.by_domain["new.example"] = {.tenant = TenantId(1), .name = "acme"};
  board_.Publish(std::make_shared<TenantPolicies>(policies));
  SetupFacts facts = SampleFacts();
  facts.pop3_host = "pop2.provider.example";
  server_->SetFacts(facts);
  EXPECT_THAT(Get("/mail/config-v1.1.xml", "new.example"), HasSubstr("pop2.provider.example"));
}

TEST_F(SetupServerTest, ManySilentClientsDoNotStopIt) {
  std::vector<base::UniqueFd> silent;
  silent.reserve(100);
  for (int i = 0; i < 100; ++i) silent.push_back(Connect());
  EXPECT_THAT(Get("/mail/config-v1.1.xml", "acme.example"), StartsWith("HTTP/1.1 200"));
}

TEST_F(SetupServerTest, AnAddressInUseIsTold) {
  const auto second = SetupServer::Start({server_->listening().front()}, SampleFacts(), board_);
  EXPECT_EQ(second.status().code(), StatusCode::kFailedPrecondition);
}

}  // namespace
}  // namespace poplar::setup
