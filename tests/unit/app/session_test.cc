#include <nlohmann/json.hpp>

#include "core/ops/admin_server.h"
#include "tests/unit/app/command_test.h"

namespace poplar::app {
namespace {

using nlohmann::json;
using ::testing::AllOf;
using ::testing::HasSubstr;

class SessionTest : public CommandTest {
 protected:
  void SetUp() override {
    CommandTest::SetUp();
    Write(config_path_, "[admin]\nsocket = \"a.sock\"\n");
  }

  void StartServer() {
    ops::AdminHandlers handlers;
    handlers["session.list"] = [this](const json& arguments) {
      asked_ = arguments;
      return json{{"sessions", sessions_}};
    };
    handlers["session.kick"] = [this](const json& arguments) -> StatusOr<json> {
      asked_ = arguments;
      if (arguments.value("session", "") == "9")
        return MakeStatus(StatusCode::kNotFound, "there is no session 9");
      if (arguments.value("tenant", "") == "idle")
        return MakeStatus(StatusCode::kNotFound, "there is no session of tenant idle");
      return json{{"kicked", arguments.contains("session") ? 1 : 3}};
    };
    auto server = ops::AdminServer::Start({folder_ / "a.sock"}, std::move(handlers));
    ASSERT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
  }

  json sessions_ = json::array();
  json asked_;
  std::unique_ptr<ops::AdminServer> server_;
};

TEST_F(SessionTest, ListsThem) {
  StartServer();
  EXPECT_EQ(RunHere({"session", "list"}), ExitCode::kOk);
  EXPECT_EQ(out_, "No sessions now.\n");

  sessions_ = {{{"id", "17"},
                {"protocol", "pop3"},
                {"user", "alice@example.org"},
                {"tenant", "acme"},
                {"peer", "192.0.2.7:40312"},
                {"tls", true},
                {"state", "transaction"},
                {"age_s", 130},
                {"idle_s", 5}},
               {{"id", "18"}, {"protocol", "pop3"}, {"peer", "[::1]:5"}, {"state", "greeting"}}};
  EXPECT_EQ(RunHere({"session", "list"}), ExitCode::kOk) << err_;
  EXPECT_THAT(
      out_,
      AllOf(HasSubstr("SESSION  PROTOCOL  USER               TENANT  FROM             TLS  STATE"),
            HasSubstr("17       pop3      alice@example.org  acme    192.0.2.7:40312  yes  "
                      "transaction  2 min  5 s\n"),
            HasSubstr("18       pop3 ")));

  EXPECT_EQ(RunHere({"session", "list", "--json", "--user", "x@y"}), ExitCode::kOk);
  EXPECT_EQ(json::parse(out_), sessions_);
  EXPECT_EQ(asked_, (json{{"user", "x@y"}}));
}

TEST_F(SessionTest, KicksThem) {
  StartServer();
  EXPECT_EQ(RunHere({"session", "kick", "17"}), ExitCode::kOk) << err_;
  EXPECT_THAT(out_, HasSubstr("1 session told"));
  EXPECT_EQ(asked_, (json{{"session", "17"}}));
  EXPECT_EQ(RunHere({"session", "kick", "--user", "a@b"}), ExitCode::kOk);
  EXPECT_THAT(out_, HasSubstr("3 sessions told"));
  EXPECT_EQ(asked_, (json{{"user", "a@b"}}));
  EXPECT_EQ(RunHere({"session", "kick", "--tenant", "acme"}), ExitCode::kOk);
  EXPECT_EQ(asked_, (json{{"tenant", "acme"}}));
  EXPECT_EQ(RunHere({"session", "kick", "--tenant", "idle"}), ExitCode::kNoUser);
  EXPECT_EQ(RunHere({"session", "kick", "--tenant", "acme", "17"}), ExitCode::kUsage);
  EXPECT_EQ(RunHere({"session", "kick", "9"}), ExitCode::kNoUser);
  EXPECT_EQ(err_, "poplar: there is no session 9\n");
}

TEST_F(SessionTest, WithoutAServerItSaysSo) {
  EXPECT_EQ(RunHere({"session", "list"}), ExitCode::kUnavailable);
  EXPECT_THAT(err_, HasSubstr("no server runs here"));
}

TEST_F(SessionTest, AnAnswerOfAnotherShapeIsAnError) {
  StartServer();
  sessions_ = "none";
  EXPECT_EQ(RunHere({"session", "list"}), ExitCode::kSoftware);
  sessions_ = {{{"id", 17}}};
  EXPECT_EQ(RunHere({"session", "list"}), ExitCode::kSoftware);
  EXPECT_THAT(err_, HasSubstr("not understood"));
}

}  // namespace
}  // namespace poplar::app
