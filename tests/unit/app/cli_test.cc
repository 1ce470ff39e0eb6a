#include "tests/unit/app/command_test.h"

namespace poplar::app {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

class CliTest : public CommandTest {};

TEST_F(CliTest, HelpHasExamples) {
  const std::vector<std::vector<std::string>> commands = {{},
                                                          {"init"},
                                                          {"serve"},
                                                          {"check"},
                                                          {"doctor"},
                                                          {"deliver"},
                                                          {"tenant", "add"},
                                                          {"tenant", "list"},
                                                          {"tenant", "show"},
                                                          {"tenant", "remove"},
                                                          {"tenant", "dns"},
                                                          {"user", "add"},
                                                          {"user", "list"},
                                                          {"user", "passwd"},
                                                          {"user", "disable"},
                                                          {"user", "enable"},
                                                          {"user", "remove"},
                                                          {"session", "list"},
                                                          {"session", "kick"},
                                                          {"store", "verify"},
                                                          {"store", "stats"},
                                                          {"store", "compact"},
                                                          {"store", "dump", "segment"},
                                                          {"store", "dump", "maildrop"},
                                                          {"store", "rebuild-index"},
                                                          {"store", "upgrade"},
                                                          {"store", "snapshot"}};
  for (std::vector<std::string> command : commands) {
    command.push_back("--help");
    EXPECT_EQ(Run(command), ExitCode::kOk);
    EXPECT_THAT(out_, HasSubstr("Examples:\n  poplar ")) << ::testing::PrintToString(command);
    EXPECT_EQ(err_, "");
    if (command.size() > 1 && command.front() != "init") {
      EXPECT_THAT(out_, HasSubstr("--config"));
    }
  }
}

TEST_F(CliTest, TellsItsVersion) {
  EXPECT_EQ(Run({"--version"}), ExitCode::kOk);
  EXPECT_THAT(out_, ::testing::MatchesRegex("poplar [0-9]+\\.[0-9]+\\.[0-9]+\n"));
}

TEST_F(CliTest, AWrongCommandLineIsOneSentence) {
  const std::vector<std::vector<std::string>> commands = {
      {},
      {"sevre"},
      {"init"},
      {"init", "a", "b"},
      {"user"},
      {"user", "add"},
      {"user", "add", "a@b", "--passwrd-stdin"},
      {"user", "add", "a@b", "--no-password", "--password-stdin"},
      {"user", "add", "a@b", "--no-password", "--hash-stdin"},
      {"user", "passwd", "a@b", "--password-stdin", "--hash-stdin"},
      {"user", "passwd", "a@b", "--password-stdin", "--scheme", "md5"},
      {"user", "passwd", "a@b", "--hash-stdin", "--scheme", "bcrypt"},
      {"session", "kick"},
      {"session", "kick", "1", "--user", "a@b"},
      {"check", "--config"},
      {"store", "dump"},
      {"store", "dump", "segment"},
      {"store", "rebuild-index", "--partition", "two"},
      {"store", "snapshot"},
      {"deliver"}};
  for (const auto& command : commands) {
    EXPECT_EQ(Run(command), ExitCode::kUsage) << ::testing::PrintToString(command);
    EXPECT_THAT(err_, AllOf(StartsWith("poplar: "), HasSubstr("--help`"))) << err_;
    EXPECT_EQ(std::ranges::count(err_, '\n'), 1) << err_;
    EXPECT_EQ(out_, "");
  }
  Run({"user", "add"});
  EXPECT_THAT(err_, HasSubstr("`poplar user add --help`"));
}

TEST_F(CliTest, ServeIsRunWithItsConfiguration) {
  Write(config_path_, "");
  EXPECT_EQ(RunHere({"serve"}), ExitCode::kTemporary);
  EXPECT_EQ(served_path_, config_path_);
}

TEST_F(CliTest, StoreCommandsGetWhatTheyAreAskedFor) {
  Write(config_path_, "");
  RebuildIndexRequest rebuild;
  wiring_.store.rebuild_index = [&](const RebuildIndexRequest& request, const tenant::Config&,
                                    Console&) {
    rebuild = request;
    return ExitCode::kIoError;
  };
  EXPECT_EQ(RunHere({"store", "rebuild-index"}), ExitCode::kIoError);
  EXPECT_FALSE(rebuild.partition.has_value() || rebuild.discard_old || rebuild.json);
  RunHere({"store", "rebuild-index", "--partition", "3", "--discard-old", "--json"});
  EXPECT_EQ(rebuild.partition, 3U);
  EXPECT_TRUE(rebuild.discard_old && rebuild.json);

  DumpSegmentRequest dump;
  wiring_.store.dump_segment = [&](const DumpSegmentRequest& request, const tenant::Config&,
                                   Console&) {
    dump = request;
    return ExitCode::kOk;
  };
  EXPECT_EQ(RunHere({"store", "dump", "segment", "2a", "--partition", "1", "--bodies"}),
            ExitCode::kOk);
  EXPECT_EQ(dump.segment, "2a");
  EXPECT_EQ(dump.partition, 1U);
  EXPECT_TRUE(dump.bodies);
}

TEST_F(CliTest, TheEnvironmentNamesTheConfiguration) {
  Write(config_path_, "");
  setenv("POPLAR_CONFIG", config_path_.c_str(), 1);
  Run({"serve"});
  EXPECT_EQ(served_path_, config_path_);
  Run({"serve", "--config", folder_ / "other.toml"});
  EXPECT_THAT(err_, HasSubstr("other.toml: cannot open it"));
  unsetenv("POPLAR_CONFIG");
  if (!std::filesystem::exists("/etc/poplar/poplar.toml")) {
    EXPECT_EQ(Run({"serve"}), ExitCode::kConfig);
    EXPECT_THAT(err_, StartsWith("/etc/poplar/poplar.toml: cannot open it"));
  }
}

TEST_F(CliTest, AFullDiskUnderStandardOutputIsNoticed) {
  std::istringstream in;
  std::ofstream full("/dev/full");
  std::ostringstream err;
  Console console{.in = in, .out = full, .err = err, .ask_password = nullptr};
  const char* argv[] = {"poplar", "--version"};
  EXPECT_EQ(RunCli(2, argv, wiring_, console), ExitCode::kIoError);
  EXPECT_THAT(err.str(), HasSubstr("standard output could not be written"));
}

}  // namespace
}  // namespace poplar::app
