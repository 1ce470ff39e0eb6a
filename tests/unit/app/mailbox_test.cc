// `poplar mailbox`, against an admin socket that answers what a test says.

#include <nlohmann/json.hpp>

#include "core/ops/admin_server.h"
#include "tests/unit/app/command_test.h"

namespace poplar::app {
namespace {

using nlohmann::json;
using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr const char* kAlice = "alice@example.org";

json Use(uint64_t octets, uint64_t messages, uint64_t kept_octets, uint64_t kept_messages) {
  return {{"octets", octets},
          {"messages", messages},
          {"kept_octets", kept_octets},
          {"kept_messages", kept_messages}};
}

json Kept(const std::string& uidl, const std::string& session, int64_t deleted_us) {
  return {{"uidl", uidl},
          {"octets", 2048},
          {"received_us", 0},
          {"deleted_us", deleted_us},
          {"session", session}};
}

class MailboxTest : public CommandTest {
 protected:
  void SetUp() override {
    CommandTest::SetUp();
    Write(config_path_, "[admin]\nsocket = \"a.sock\"\n");
  }
  // Answers `command` with each of `answers` in turn, the last one for ever.
  void StartServer(const std::string& command, std::vector<StatusOr<json>> answers) {
    answers_ = std::move(answers);
    ops::AdminHandlers handlers;
    handlers[command] = [this](const json& arguments) {
      asked_.push_back(arguments);
      return answers_[std::min(asked_.size(), answers_.size()) - 1];
    };
    auto server = ops::AdminServer::Start({folder_ / "a.sock"}, std::move(handlers));
    ASSERT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
  }

  std::vector<json> asked_;
  std::vector<StatusOr<json>> answers_;
  std::unique_ptr<ops::AdminServer> server_;
};

json Shown() {
  return {{"address", kAlice},
          {"use", Use(1536, 3, 1 << 20, 1)},
          {"quota", {{"octets", 2048}, {"messages", 0}}},
          {"tenant",
           {{"name", "acme"},
            {"use", Use(1 << 30, 5, 0, 0)},
            {"quota", {{"octets", uint64_t{4} << 30}, {"messages", 10}}},
            {"keep_deleted_days", 30},
            {"expire_days", 0},
            {"expire_read_days", 0}}}};
}

TEST_F(MailboxTest, ShowsUseAndLimits) {
  const json mailbox = Shown();
  StartServer("mailbox.show", {mailbox});
  EXPECT_EQ(RunHere({"mailbox", "show", kAlice}), ExitCode::kOk) << err_;
  EXPECT_EQ(asked_.back(), (json{{"address", kAlice}}));
  EXPECT_EQ(out_,
            "maildrop of alice@example.org\n"
            "  size      1.5 KiB of 2.0 KiB (75 %)\n"
            "  messages  3, no limit\n"
            "  deleted   1 message kept, 1.0 MiB\n"
            "tenant acme\n"
            "  size      1.0 GiB of 4.0 GiB (25 %)\n"
            "  messages  5 of 10 (50 %)\n"
            "  deleted   0 messages kept, 0.0 KiB\n"
            "  deleted mail  is kept for 30 days\n"
            "  old mail      stays\n"
            "  fetched mail  goes with the session\n");
  EXPECT_EQ(RunHere({"mailbox", "show", kAlice, "--json"}), ExitCode::kOk);
  EXPECT_EQ(json::parse(out_), mailbox);
}

TEST_F(MailboxTest, ShowsTheRestWhereAListCannotBeRead) {
  json without_kept = Shown();
  without_kept["use"]["kept_octets"] = without_kept["use"]["kept_messages"] = nullptr;
  without_kept["why"] = "index chunk: out of order";
  json without_use = Shown();
  without_use["use"] = nullptr;
  without_use["why"] = "index chunk: not sound";
  StartServer("mailbox.show", {without_kept, without_use});
  EXPECT_EQ(RunHere({"mailbox", "show", kAlice}), ExitCode::kIoError);
  EXPECT_THAT(out_, HasSubstr("  messages  3, no limit\n  deleted   is not known\ntenant acme\n"));
  EXPECT_THAT(err_, HasSubstr("holds: index chunk: out of order (core/OPERATIONS.md"));
  EXPECT_EQ(RunHere({"mailbox", "show", kAlice}), ExitCode::kIoError);
  EXPECT_THAT(out_,
              HasSubstr("maildrop of alice@example.org\n  use       is not known\ntenant acme\n"
                        "  size      1.0 GiB of 4.0 GiB (25 %)\n"));
  EXPECT_THAT(err_, HasSubstr("index chunk: not sound"));
  EXPECT_EQ(RunHere({"mailbox", "show", kAlice, "--json"}), ExitCode::kIoError);
  EXPECT_EQ(json::parse(out_), without_use);
}

TEST_F(MailboxTest, DeletedMailIsGroupedAndPagesAreJoined) {
  const json first = Kept("u1", "17", 86'400'000'000);
  const json second = Kept("u2", "17", 86'400'000'000);
  const json third = Kept("u3", "0", 60'000'000);
  StartServer("mailbox.deleted", {json{{"messages", {first, second}}, {"more", true}},
                                  json{{"messages", {third}}, {"more", false}}});
  EXPECT_EQ(RunHere({"mailbox", "deleted", kAlice}), ExitCode::kOk) << err_;
  EXPECT_EQ(asked_[0], (json{{"address", kAlice}}));
  EXPECT_EQ(asked_[1], (json{{"address", kAlice}, {"after", second}}));
  EXPECT_EQ(out_,
            "deleted by session 17, 1970-01-02 00:00 UTC:\n"
            "UIDL  SIZE     RECEIVED\n"
            "u1    2.0 KiB  1970-01-01 00:00 UTC\n"
            "u2    2.0 KiB  1970-01-01 00:00 UTC\n"
            "\n"
            "expired, 1970-01-01 00:01 UTC:\n"
            "UIDL  SIZE     RECEIVED\n"
            "u3    2.0 KiB  1970-01-01 00:00 UTC\n"
            "\n");
  asked_.clear();
  EXPECT_EQ(RunHere({"mailbox", "deleted", kAlice, "--json"}), ExitCode::kOk) << err_;
  EXPECT_EQ(json::parse(out_), (json{first, second, third}));
}

TEST_F(MailboxTest, NoDeletedMail) {
  StartServer("mailbox.deleted", {json{{"messages", json::array()}, {"more", false}}});
  EXPECT_EQ(RunHere({"mailbox", "deleted", kAlice}), ExitCode::kOk) << err_;
  EXPECT_THAT(out_, AllOf(HasSubstr("No deleted mail"), HasSubstr("--keep-deleted")));
  EXPECT_EQ(RunHere({"mailbox", "deleted", kAlice, "--json"}), ExitCode::kOk) << err_;
  EXPECT_EQ(json::parse(out_), json::array());
}

TEST_F(MailboxTest, UndeletesWhatIsNamed) {
  StartServer("mailbox.undelete", {json{{"undeleted", 1}}, json{{"undeleted", 12}}});
  EXPECT_EQ(RunHere({"mailbox", "undelete", kAlice, "--uidl", "u1"}), ExitCode::kOk) << err_;
  EXPECT_EQ(asked_.back(), (json{{"address", kAlice}, {"uidl", "u1"}}));
  EXPECT_THAT(out_, HasSubstr("1 message is back"));
  EXPECT_EQ(RunHere({"mailbox", "undelete", kAlice, "--session", "17"}), ExitCode::kOk) << err_;
  EXPECT_EQ(asked_.back(), (json{{"address", kAlice}, {"session", "17"}}));
  EXPECT_THAT(out_, HasSubstr("12 messages are back"));
  EXPECT_EQ(RunHere({"mailbox", "undelete", kAlice, "--since", "1970-01-02"}), ExitCode::kOk);
  EXPECT_EQ(asked_.back(), (json{{"address", kAlice}, {"since_us", 86'400'000'000}}));
  EXPECT_EQ(RunHere({"mailbox", "undelete", kAlice, "--all"}), ExitCode::kOk) << err_;
  EXPECT_EQ(asked_.back(), (json{{"address", kAlice}, {"all", true}}));
}

TEST_F(MailboxTest, WhatIsWrongIsSaid) {
  EXPECT_EQ(RunHere({"mailbox", "show", kAlice}), ExitCode::kUnavailable);
  EXPECT_THAT(err_, HasSubstr("no server runs here"));
  EXPECT_EQ(RunHere({"mailbox", "undelete", kAlice}), ExitCode::kUsage);
  EXPECT_EQ(RunHere({"mailbox", "undelete", kAlice, "--all", "--session", "1"}), ExitCode::kUsage);
  EXPECT_EQ(RunHere({"mailbox", "undelete", kAlice, "--since", "lately"}), ExitCode::kUsage);
  EXPECT_THAT(err_, HasSubstr("2026-11-24T10:00Z"));
  StartServer("mailbox.undelete", {MakeStatus(StatusCode::kNotFound, "no such deleted mail")});
  EXPECT_EQ(RunHere({"mailbox", "undelete", kAlice, "--all"}), ExitCode::kNoUser);
  EXPECT_THAT(err_, HasSubstr("no such deleted mail"));
}

TEST_F(MailboxTest, AnAnswerOfAnotherShapeIsNotUnderstood) {
  StartServer("mailbox.show", {json{{"address", kAlice}}});
  EXPECT_EQ(RunHere({"mailbox", "show", kAlice}), ExitCode::kSoftware);
  server_.reset();
  StartServer("mailbox.deleted", {json{{"messages", {json{{"uidl", 5}}}}, {"more", false}}});
  EXPECT_EQ(RunHere({"mailbox", "deleted", kAlice}), ExitCode::kSoftware);
}

}  // namespace
}  // namespace poplar::app
