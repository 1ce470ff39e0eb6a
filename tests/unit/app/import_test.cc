// The command line of import and export, as far as it goes without a server.

#include <nlohmann/json.hpp>

#include "core/ops/admin_server.h"
#include "tests/unit/app/command_test.h"

namespace poplar::app {
namespace {

using nlohmann::json;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

class ImportTest : public CommandTest {
 protected:
  void SetUp() override {
    CommandTest::SetUp();
    Write(config_path_, "");
    std::filesystem::create_directories(folder_ / "Maildir/cur");
    std::filesystem::create_directories(folder_ / "Maildir/new");
    Write(folder_ / "Maildir/cur/1275660208.M1P1.h:2,S", "Subject: x\n\nx\n");
    wiring_.serve_privately = [this](const tenant::Config& config, Console&,
                                     const std::function<ExitCode()>&) {
      private_socket_ = config.admin.import_socket();
      return ExitCode::kTemporary;
    };
  }
  ExitCode Import(std::vector<std::string> arguments, const std::string& input = "") {
    arguments.insert(arguments.begin(), "import");
    return RunHere(arguments, input);
  }

  std::string private_socket_;  // Of the server that was asked for.
};

TEST_F(ImportTest, WithoutAServerOneIsMadeHere) {
  EXPECT_EQ(Import({"maildir", "--user", "a@b", folder_ / "Maildir"}), ExitCode::kTemporary);
  EXPECT_EQ(private_socket_, folder_ / "run/import.sock");
  private_socket_.clear();
  EXPECT_EQ(RunHere({"export", "mbox", "--user", "a@b", folder_ / "out"}), ExitCode::kTemporary);
  EXPECT_EQ(private_socket_, folder_ / "run/import.sock");
}

TEST_F(ImportTest, ADryRunAsksTheRunningServerWhoIsThere) {
  Write(config_path_, "[admin]\nsocket = \"a.sock\"\n");
  ops::AdminHandlers handlers;
  handlers["mailbox.show"] = [](const json& arguments) -> StatusOr<json> {
    const std::string address = arguments.at("address").get<std::string>();
    if (address == "ldap@b") return json::object();
    if (address == "off@b") {
      return MakeStatus(StatusCode::kFailedPrecondition, "the tenant of off@b is disabled");
    }
    return MakeStatus(StatusCode::kNotFound, "there is no user " + address);
  };
  const auto server = ops::AdminServer::Start({folder_ / "a.sock"}, std::move(handlers));
  ASSERT_TRUE(server.ok()) << server.status();
  const auto try_dry = [this](const std::string& address) {
    EXPECT_EQ(Import({"maildir", "--user", address, folder_ / "Maildir", "--uidl", "filename",
                      "--dry-run"}),
              ExitCode::kOk);
    return out_;
  };
  EXPECT_THAT(try_dry("ldap@b"), Not(HasSubstr("note: ")));
  EXPECT_THAT(try_dry("none@b"), HasSubstr("note: there is no such user here: `poplar user add n"));
  EXPECT_THAT(try_dry("off@b"), HasSubstr("note: would it be taken here? the tenant of off@b is"));
}

TEST_F(ImportTest, WithoutAServerADryRunDoesNotSpeakForOtherBackEnds) {
  Write(config_path_,
        "[auth]\nchain = [\"files\", \"users\"]\n"
        "[backend.files]\ndriver = \"passwd-file\"\nfile = \"passwd\"\n");
  EXPECT_EQ(
      Import({"maildir", "--user", "a@b", folder_ / "Maildir", "--uidl", "filename", "--dry-run"}),
      ExitCode::kOk);
  EXPECT_THAT(out_, AllOf(HasSubstr("a@b: 1 message"), Not(HasSubstr("note: "))));
}

TEST_F(ImportTest, WithoutAServerADryRunAsksTheDatabase) {
  EXPECT_EQ(Import({"maildir", "--user", "a@b", folder_ / "Maildir", "--dry-run"}), ExitCode::kOk);
  EXPECT_THAT(out_, HasSubstr("a@b: 1 message, 0 will keep their UIDLs, 1 will not: 1 of which the "
                              "old one is not known"));
  EXPECT_THAT(out_, HasSubstr("note: there is no such user here: `poplar user add a@b`"));
  EXPECT_EQ(Import({"maildir", "--user", "a@b", folder_ / "Maildir", "--dry-run", "--uidl",
                    "filename", "--quiet"}),
            ExitCode::kOk);
  EXPECT_EQ(out_, "1 maildrop, 1 message, 1 will keep their UIDLs\n");
  Write(folder_ / "map", "a@b\t" + (folder_ / "Maildir").string() + "\nc@d\t/nowhere\n");
  EXPECT_EQ(Import({"maildir", "--map", folder_ / "map", "--dry-run"}), ExitCode::kNoInput);
  EXPECT_THAT(err_, HasSubstr("poplar: c@d: /nowhere: "));
  EXPECT_THAT(out_, HasSubstr("2 maildrops, 1 message"));
  EXPECT_EQ(private_socket_, "");
}

TEST_F(ImportTest, WhichMailboxes) {
  const std::string maildir = folder_ / "Maildir";
  EXPECT_EQ(Import({"maildir", maildir}), ExitCode::kUsage);
  EXPECT_EQ(Import({"maildir", "--user", "a@b"}), ExitCode::kUsage);
  EXPECT_EQ(Import({"maildir", "--user", "a@b", "--tree", "/%d/%u", maildir}), ExitCode::kUsage);
  EXPECT_EQ(Import({"maildir", "--map", "x", maildir}), ExitCode::kUsage);
  EXPECT_EQ(Import({"pop3", "--user", "a", "--to", "a@b"}), ExitCode::kUsage);
  EXPECT_EQ(Import({"pop3", "pop3://x", "--to", "a@b"}), ExitCode::kUsage);
  EXPECT_EQ(Import({"maildir", "--tree", "/var/vmail/%u"}), ExitCode::kDataError);
  EXPECT_EQ(Import({"maildir", "--tree", folder_ / "none/%d/%u"}), ExitCode::kDataError);
  Write(folder_ / "map", "a@b\n");
  EXPECT_EQ(Import({"maildir", "--map", folder_ / "map"}), ExitCode::kDataError);
  EXPECT_THAT(err_, HasSubstr("map: line 1: write two columns"));
}

TEST_F(ImportTest, WhatIsNotThereIsNoInput) {
  const std::string missing = folder_ / "missing";
  const std::string maildir = folder_ / "Maildir";
  EXPECT_EQ(Import({"maildir", "--map", missing}), ExitCode::kNoInput);
  EXPECT_THAT(err_, HasSubstr(missing));
  for (const char* kind : {"maildir", "mbox", "cyrus"}) {
    EXPECT_EQ(Import({kind, "--user", "a@b", missing, "--dry-run"}), ExitCode::kNoInput) << kind;
  }
  EXPECT_EQ(Import({"maildir", "--user", "a@b", maildir, "--compare", "pop3s://x", "--passwords",
                    missing}),
            ExitCode::kNoInput);
  EXPECT_EQ(RunHere({"export", "mbox", "--map", missing}), ExitCode::kNoInput);
}

TEST_F(ImportTest, ADryRunComparesNothing) {
  EXPECT_EQ(Import({"maildir", "--user", "a@b", folder_ / "Maildir", "--dry-run", "--compare",
                    "pop3s://x"}),
            ExitCode::kUsage);
  EXPECT_THAT(err_, AllOf(HasSubstr("--dry-run"), HasSubstr("--compare")));
}

TEST_F(ImportTest, PasswordsOfTheOtherServer) {
  EXPECT_EQ(Import({"pop3", "imap://x", "--user", "a", "--to", "a@b", "--password-stdin"}, "pw\n"),
            ExitCode::kDataError);
  EXPECT_THAT(err_, HasSubstr("write pop3://HOST"));
  EXPECT_EQ(Import({"pop3", "pop3s://x", "--user", "a", "--to", "a@b", "--password-stdin"}, ""),
            ExitCode::kDataError);
  Write(folder_ / "map", "a@b\ta\nc@d\tc\n");
  EXPECT_EQ(Import({"pop3", "pop3s://x", "--map", folder_ / "map", "--password-stdin"}, "pw\n"),
            ExitCode::kDataError);
  EXPECT_THAT(err_, HasSubstr("several mailboxes need --passwords FILE"));
}

}  // namespace
}  // namespace poplar::app
