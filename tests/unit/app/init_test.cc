#include <sys/stat.h>

#include "core/app/certificate.h"
#include "core/tenant/config.h"
#include "tests/unit/app/command_test.h"

namespace poplar::app {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

class InitTest : public CommandTest {
 protected:
  ExitCode Init() { return Run({"init", server_}); }

  static mode_t ModeOf(const std::string& path) {
    struct stat found{};
    return stat(path.c_str(), &found) == 0 ? found.st_mode & 07777 : 0;
  }

  std::string server_;
  void SetUp() override {
    CommandTest::SetUp();
    server_ = folder_ / "new" / "mail";
    config_path_ = server_ + "/poplar.toml";
  }
};

TEST_F(InitTest, MakesAServer) {
  ASSERT_EQ(Init(), ExitCode::kOk) << err_;
  EXPECT_THAT(out_, AllOf(HasSubstr("  made  " + config_path_), HasSubstr("users.db"),
                          HasSubstr("poplar user add"), Not(HasSubstr("kept"))));
  EXPECT_EQ(Contents(config_path_), tenant::DefaultConfigText());
  EXPECT_EQ(ModeOf(server_ + "/tls/key.pem"), 0600U);
  EXPECT_EQ(ModeOf(server_ + "/users.db") & 077, 0U);
  EXPECT_TRUE(std::filesystem::is_directory(server_ + "/store"));
  EXPECT_EQ(RunHere({"check"}), ExitCode::kOk) << err_;
  EXPECT_EQ(err_, "");
}

TEST_F(InitTest, QuietlySaysNothingButFaults) {
  ASSERT_EQ(Run({"init", server_, "--quiet"}), ExitCode::kOk) << err_;
  EXPECT_EQ(out_ + err_, "");
  EXPECT_EQ(RunHere({"check"}), ExitCode::kOk) << err_;
  std::filesystem::remove(server_ + "/tls/cert.pem");
  EXPECT_EQ(Run({"init", server_, "-q"}), ExitCode::kUnavailable);
  EXPECT_EQ(out_, "");
  EXPECT_THAT(err_, HasSubstr("key.pem is there but"));
}

TEST_F(InitTest, APathThatAShellWouldTakeApartIsQuoted) {
  ASSERT_EQ(Init(), ExitCode::kOk) << err_;
  EXPECT_THAT(out_, HasSubstr("POPLAR_CONFIG=" + config_path_ + "\n"));
  server_ = folder_ / "it's $HOME";
  ASSERT_EQ(Init(), ExitCode::kOk) << err_;
  EXPECT_THAT(out_,
              HasSubstr("POPLAR_CONFIG='" + folder_.string() + "/it'\\''s $HOME/poplar.toml'\n"));
}

TEST_F(InitTest, KeepsWhatIsThere) {
  ASSERT_EQ(Init(), ExitCode::kOk);
  Write(config_path_, "[server]\nworkers = 2\n");
  const std::string key = Contents(server_ + "/tls/key.pem");
  ASSERT_EQ(RunHere({"tenant", "add", "acme"}), ExitCode::kOk) << err_;
  ASSERT_EQ(Init(), ExitCode::kOk) << err_;
  EXPECT_THAT(out_, AllOf(HasSubstr("  kept  " + config_path_), HasSubstr("cert.pem"),
                          Not(HasSubstr("made"))));
  EXPECT_EQ(Contents(config_path_), "[server]\nworkers = 2\n");
  EXPECT_EQ(Contents(server_ + "/tls/key.pem"), key);
  EXPECT_EQ(RunHere({"tenant", "show", "acme"}), ExitCode::kOk);
}

TEST_F(InitTest, FollowsTheConfigurationThatIsThere) {
  std::filesystem::create_directories(server_);
  Write(config_path_,
        "[tls]\ncertificate = \"c.pem\"\nkey = \"secret/k.pem\"\n[users]\ndatabase = \"db/u\"\n");
  ASSERT_EQ(Init(), ExitCode::kOk) << err_;
  EXPECT_TRUE(std::filesystem::exists(server_ + "/c.pem"));
  EXPECT_EQ(ModeOf(server_ + "/secret/k.pem"), 0600U);
  EXPECT_TRUE(std::filesystem::exists(server_ + "/db/u"));
  EXPECT_FALSE(std::filesystem::exists(server_ + "/tls"));
}

TEST_F(InitTest, WithoutTlsItMakesNoCertificate) {
  std::filesystem::create_directories(server_);
  Write(config_path_, "[tls]\ncertificate = \"\"\nkey = \"\"\n[pop3s]\nlisten = []\n");
  ASSERT_EQ(Init(), ExitCode::kOk) << err_;
  EXPECT_FALSE(std::filesystem::exists(server_ + "/tls"));
}

TEST_F(InitTest, HalfAPairIsNotTouched) {
  ASSERT_EQ(Init(), ExitCode::kOk);
  std::filesystem::remove(server_ + "/tls/cert.pem");
  const std::string key = Contents(server_ + "/tls/key.pem");
  EXPECT_EQ(Init(), ExitCode::kUnavailable);
  EXPECT_THAT(err_, HasSubstr("key.pem is there but " + server_ + "/tls/cert.pem is not"));
  EXPECT_EQ(Contents(server_ + "/tls/key.pem"), key);
}

TEST_F(InitTest, FaultsAreTold) {
  std::filesystem::create_directories(server_);
  Write(config_path_, "[pop]\n");
  EXPECT_EQ(Init(), ExitCode::kConfig);
  EXPECT_THAT(err_, HasSubstr("poplar.toml:1: [pop]"));

  std::filesystem::remove(config_path_);
  wiring_.init_store = [](const tenant::Config&) {
    return MakeStatus(StatusCode::kResourceExhausted, "the disk is full");
  };
  EXPECT_EQ(Init(), ExitCode::kTemporary);
  EXPECT_THAT(err_, HasSubstr("the disk is full"));

  Write(folder_ / "file", "");
  for (const std::string& nowhere : {(folder_ / "file").string(), std::string("/proc/x")}) {
    EXPECT_EQ(Run({"init", nowhere}), ExitCode::kCannotCreate);
    EXPECT_THAT(err_, HasSubstr("cannot make"));
  }
}

TEST_F(InitTest, AStoreThatMayNotBeMountedGetsNoEmptyOneInItsPlace) {
  ASSERT_EQ(Init(), ExitCode::kOk);
  std::filesystem::remove_all(server_ + "/store");
  EXPECT_EQ(Init(), ExitCode::kUnavailable);
  EXPECT_THAT(err_, HasSubstr("is its file system mounted?"));
  EXPECT_FALSE(std::filesystem::exists(server_ + "/store"));
  EXPECT_EQ(RunHere({"check"}), ExitCode::kConfig);
  EXPECT_THAT(err_, HasSubstr("is its file system mounted?"));
}

}  // namespace
}  // namespace poplar::app
