// A plug-in's process in its sandbox, as if its plug-in had been taken over.

#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include <algorithm>
#include <string>
#include <thread>
#include <vector>

#include "core/app/files_as_they_are.h"
#include "core/app/sandbox_rules.h"
#include "core/app/server_sandbox.h"
#include "core/sandbox/landlock.h"
#include "tests/unit/app/sandbox_fixture.h"

namespace poplar::app {
namespace {

class HostSandboxTest : public ::testing::Test {
 protected:
  HostSandboxTest() { SandboxFolders::Write(CaPath(), "certificate"); }

  std::string CaPath() const { return folders_.mail() + "/ca.pem"; }
  bool Inside(const std::function<bool()>& is_so) const {
    return InChild([&] {
      return ConfineHost(tenant::SandboxMode::kOn, "/nowhere/plugin.so", {CaPath()}).ok() &&
             is_so();
    });
  }

  SandboxFolders folders_;
};

bool IsRefused(int64_t result) {
  return result < 0 && (errno == ENOSYS || errno == EPERM || errno == EACCES);
}

TEST_F(HostSandboxTest, ReadsWhatItIsToldAndNothingElse) {
  EXPECT_TRUE(Inside([&] { return SandboxFolders::Reads(CaPath()); }));
  EXPECT_TRUE(Inside([] { return SandboxFolders::Reads("/etc/hosts"); }));
  if (sandbox::LandlockAbi() == 0) GTEST_SKIP() << "this kernel has no Landlock";
  EXPECT_TRUE(Inside([] { return IsRefused(::open("/etc/passwd", O_RDONLY)); }));
  EXPECT_TRUE(Inside(
      [&] { return IsRefused(::open((folders_.elsewhere() + "/secret").c_str(), O_RDONLY)); }));
  EXPECT_TRUE(Inside([&] { return IsRefused(::open(CaPath().c_str(), O_WRONLY)); }));
  EXPECT_TRUE(Inside([&] {
    return IsRefused(::open((folders_.mail() + "/new").c_str(), O_CREAT | O_WRONLY, 0600));
  }));
}

TEST_F(HostSandboxTest, RunsNothingAndServesNobody) {
  EXPECT_TRUE(Inside([] {
    ::execl("/bin/true", "true", nullptr);
    return errno == ENOSYS;
  }));
#ifndef POPLAR_SANITIZED
  EXPECT_TRUE(Inside([] { return IsRefused(::fork()); }));
#endif
  EXPECT_TRUE(Inside([] {
    const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
    return fd >= 0 && IsRefused(::listen(fd, 1));
  }));
  EXPECT_TRUE(Inside([] { return IsRefused(::syscall(SYS_io_uring_setup, 4, nullptr)); }));
}

TEST_F(HostSandboxTest, GoesToServers) {
  EXPECT_TRUE(Inside([] {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(1);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
    return ::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) < 0 &&
           errno == ECONNREFUSED;
  }));
  EXPECT_TRUE(Inside([] {
    bool ran = false;
    std::thread([&ran] { ran = true; }).join();
    return ran;
  }));
}

TEST_F(HostSandboxTest, AFileThatIsReplacedIsNoticed) {
  const FilesAsTheyAre watched(SingleFiles(HostRules("/nowhere/plugin.so", {CaPath()})));
  EXPECT_FALSE(watched.Changed());
  SandboxFolders::Write(CaPath(), "another, in the same file");
  EXPECT_FALSE(watched.Changed());
  SandboxFolders::Write(CaPath() + ".new", "another");
  std::filesystem::rename(CaPath() + ".new", CaPath());
  EXPECT_TRUE(watched.Changed());
}

TEST(SandboxRulesTest, APluginReadsTheFilesOfAllItsBackEnds) {
  tenant::Config config;
  config.server.sandbox = tenant::SandboxMode::kRequired;
  config.auth.host_reads = {"/etc/sasl2"};
  config.backends.resize(3);
  config.backends[0].plugin = config.backends[1].plugin = "/p/ldap.so";
  config.backends[0].settings = {{"ca_file", "/ca.pem"}, {"host", "/no/file"}};
  config.backends[1].settings = {{"ca_file", "/ca.pem"}, {"key_file", "/key.pem"}};
  config.backends[2].driver = tenant::BackendDriver::kPasswdFile;
  const auto arguments = HostArguments(config);
  ASSERT_EQ(arguments.size(), 1U);
  EXPECT_EQ(arguments.at("/p/ldap.so"),
            (std::vector<std::string>{"--sandbox", "required", "--read", "/etc/sasl2", "--read",
                                      "/ca.pem", "--read", "/key.pem"}));
}

TEST(SandboxRulesTest, APortOfAnyListenerMayBeBound) {
  tenant::Config config;
  config.pop3.listen = {{"0.0.0.0", 110}};
  config.pop3s.listen = {{"0.0.0.0", 995}};
  const std::vector<uint16_t> ports = ServerRules(config, "/x/poplar.toml").bind_ports;
  for (const uint16_t port : {0, 110, 995, 1024, 9110}) {
    EXPECT_NE(std::ranges::find(ports, port), ports.end()) << port;
  }
  EXPECT_FALSE(ServerRules(config, "/x/poplar.toml").may_bind);
  config.pop3.listen = {{"0.0.0.0", 0}};
  EXPECT_TRUE(ServerRules(config, "/x/poplar.toml").may_bind);
}

TEST(SandboxRulesTest, AFileInTheRootAllowsNotAllOfIt) {
  tenant::Config config;
  config.tls.certificate = "/cert.pem";
  config.tls.key = "/key.pem";
  for (const auto& allowed : ServerRules(config, "/poplar.toml").paths) {
    EXPECT_NE(allowed.path, "/");
  }
}

}  // namespace
}  // namespace poplar::app
