// A process in the server's sandbox, as if somebody had taken it over: it can open nothing else and
// run nothing. And what a server does, it still can.

#include "core/app/server_sandbox.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <liburing.h>
#include <linux/openat2.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <string>
#include <thread>

#include "core/sandbox/landlock.h"
#include "tests/unit/app/sandbox_fixture.h"

namespace poplar::app {
namespace {

namespace fs = std::filesystem;

class ServerSandboxTest : public ::testing::Test {
 protected:
  ServerSandboxTest() {
    for (const char* const folder : {"store", "tls", "certs", "data"}) {
      fs::create_directories(folders_.mail() + "/" + folder);
    }
    SandboxFolders::Write(ConfigPath(), "[server]\n");
    SandboxFolders::Write(folders_.mail() + "/tls/cert.pem", "certificate");
  }

  std::string ConfigPath() const { return folders_.mail() + "/poplar.toml"; }
  tenant::Config Config() const {
    auto parsed = tenant::ParseConfig(
        "[users]\ndatabase = \"data/users.db\"\nusage = \"data/usage.db\"\n", ConfigPath());
    POP_CHECK(parsed.faults.empty());
    return parsed.config;
  }
  // What is true in the sandbox.
  bool Inside(const std::function<bool()>& is_so) const {
    return InChild([&] {
      const auto sandbox = ServerSandbox::Enter(Config(), ConfigPath());
      return sandbox.ok() && (*sandbox)->Close().ok() && is_so();
    });
  }

  SandboxFolders folders_;
};

bool FailsWith(int64_t result, std::initializer_list<int> errors) {
  return result < 0 && std::ranges::find(errors, errno) != errors.end();
}
bool IsRefused(int64_t result) { return FailsWith(result, {ENOSYS, EPERM, EACCES}); }

TEST_F(ServerSandboxTest, OpensNothingElse) {
  if (sandbox::LandlockAbi() == 0) GTEST_SKIP() << "this kernel has no Landlock";
  const std::string other = folders_.elsewhere();
  EXPECT_TRUE(Inside([] { return IsRefused(::open("/etc/passwd", O_RDONLY)); }));
  EXPECT_TRUE(Inside([&] { return IsRefused(::open((other + "/secret").c_str(), O_RDONLY)); }));
  EXPECT_TRUE(Inside([&] { return IsRefused(::open((other + "/new").c_str(), O_CREAT, 0600)); }));
  EXPECT_TRUE(Inside([&] { return IsRefused(::open(other.c_str(), O_RDONLY | O_DIRECTORY)); }));
  EXPECT_TRUE(Inside([&] { return IsRefused(::unlink((other + "/secret").c_str())); }));
  EXPECT_TRUE(Inside([&] { return IsRefused(::truncate((other + "/secret").c_str(), 0)); }));
  EXPECT_TRUE(Inside([&] { return IsRefused(::mkdir((other + "/folder").c_str(), 0700)); }));
  EXPECT_TRUE(Inside([&] {
    return FailsWith(::link((other + "/secret").c_str(), (folders_.mail() + "/store/x").c_str()),
                     {EXDEV, EACCES, EPERM});
  }));
  EXPECT_TRUE(Inside([] { return IsRefused(::open("/proc/self/mem", O_RDWR)); }));
  EXPECT_TRUE(Inside([] { return IsRefused(::open("/dev/mem", O_RDWR)) || errno == ENOENT; }));
}

TEST_F(ServerSandboxTest, ChangesNoConfigurationAndNoKey) {
  if (sandbox::LandlockAbi() == 0) GTEST_SKIP() << "this kernel has no Landlock";
  const std::string key = folders_.mail() + "/tls/cert.pem";
  EXPECT_TRUE(Inside([&] { return IsRefused(::open(ConfigPath().c_str(), O_WRONLY)); }));
  EXPECT_TRUE(Inside([&] { return IsRefused(::open(key.c_str(), O_WRONLY)); }));
  EXPECT_TRUE(Inside([&] { return IsRefused(::unlink(key.c_str())); }));
  EXPECT_TRUE(Inside([&] { return IsRefused(::rename(key.c_str(), (key + ".x").c_str())); }));
}

TEST_F(ServerSandboxTest, RunsNothing) {
  EXPECT_TRUE(Inside([] {
    ::execl("/bin/true", "true", nullptr);
    return errno == ENOSYS;
  }));
  EXPECT_TRUE(Inside([] { return IsRefused(::syscall(SYS_execveat, -1, "/bin/true", 0, 0, 0)); }));
#ifndef POPLAR_SANITIZED
  EXPECT_TRUE(Inside([] { return IsRefused(::fork()); }));
  EXPECT_TRUE(Inside([] { return IsRefused(::syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0)); }));
  EXPECT_TRUE(Inside([] {
    return ::mmap(nullptr, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) ==
           MAP_FAILED;
  }));
  EXPECT_TRUE(Inside([] {
    void* const page =
        ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return page != MAP_FAILED && IsRefused(::mprotect(page, 4096, PROT_READ | PROT_EXEC));
  }));
#endif
}

TEST_F(ServerSandboxTest, TouchesNoOtherProcess) {
#ifndef POPLAR_SANITIZED
  EXPECT_TRUE(Inside([] { return IsRefused(::ptrace(PTRACE_TRACEME)); }));
  const pid_t parent = ::getpid();
  EXPECT_TRUE(Inside([parent] { return IsRefused(::kill(parent, 0)); }));
#endif
  EXPECT_TRUE(Inside([] { return IsRefused(::syscall(SYS_pidfd_open, ::getppid(), 0)); }));
  EXPECT_TRUE(Inside(
      [] { return IsRefused(::syscall(SYS_process_vm_writev, ::getppid(), 0, 0, 0, 0, 0)); }));
  EXPECT_TRUE(Inside([] { return IsRefused(::mount("", "/mnt", "tmpfs", 0, nullptr)); }));
  EXPECT_TRUE(Inside([] { return IsRefused(::unshare(CLONE_NEWUSER)); }));
  EXPECT_TRUE(Inside([] { return IsRefused(::syscall(SYS_bpf, 0, 0, 0)); }));
  EXPECT_TRUE(Inside([] { return IsRefused(::syscall(SYS_setresuid, 0, 0, 0)); }));
}

TEST_F(ServerSandboxTest, ReachesNobody) {
  EXPECT_TRUE(Inside([] { return IsRefused(::socket(AF_INET, SOCK_STREAM, 0)); }));
  EXPECT_TRUE(Inside([] { return IsRefused(::socket(AF_INET6, SOCK_DGRAM, 0)); }));
  EXPECT_TRUE(Inside([] { return IsRefused(::socket(AF_NETLINK, SOCK_RAW, 0)); }));
  EXPECT_TRUE(Inside([] { return IsRefused(::socket(AF_UNIX, SOCK_STREAM, 0)); }));
  EXPECT_TRUE(Inside([] {
    sockaddr_un address{.sun_family = AF_UNIX, .sun_path = "/run/nobody"};
    const int fd = ::socket(AF_UNIX, SOCK_DGRAM, 0);
    return fd >= 0 &&
           IsRefused(::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address)) &&
           IsRefused(::bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address));
  }));
}

TEST_F(ServerSandboxTest, HasNoPrivilegesLeft) {
  EXPECT_TRUE(Inside([] {
    std::ifstream status("/proc/self/status");
    std::string line;
    int seen = 0;
    while (std::getline(status, line)) {
      for (const char* const set : {"CapInh:", "CapPrm:", "CapEff:", "CapAmb:"}) {
        if (line.starts_with(set)) {
          seen += line.ends_with("\t0000000000000000") ? 1 : 0;
        }
      }
      if (line == "NoNewPrivs:\t1" || line == "Seccomp:\t2") ++seen;
    }
    return seen == 6;
  }));
}

// An operation of a ring is no call that a filter sees: Landlock refuses it all the same, and there
// are no further rings.
TEST_F(ServerSandboxTest, NotByARingEither) {
  EXPECT_TRUE(Inside([] {
    io_uring_params parameters{};
    return IsRefused(::syscall(SYS_io_uring_setup, 4, &parameters));
  }));
  if (sandbox::LandlockAbi() == 0) GTEST_SKIP() << "this kernel has no Landlock";
  EXPECT_TRUE(InChild([this] {
    io_uring ring{};
    if (io_uring_queue_init(4, &ring, 0) != 0)
      return true;  // This kernel refuses rings to anybody.
    const auto sandbox = ServerSandbox::Enter(Config(), ConfigPath());
    if (!sandbox.ok() || !(*sandbox)->Close().ok()) return false;
    io_uring_prep_openat(io_uring_get_sqe(&ring), AT_FDCWD, "/etc/passwd", O_RDONLY, 0);
    io_uring_cqe* done = nullptr;
    return io_uring_submit_and_wait(&ring, 1) == 1 && io_uring_peek_cqe(&ring, &done) == 0 &&
           done->res == -EACCES;
  }));
}

TEST_F(ServerSandboxTest, DoesWhatAServerDoes) {
  const std::string mail = folders_.mail();
  EXPECT_TRUE(Inside([&] { return SandboxFolders::Reads(ConfigPath()); }));
  EXPECT_TRUE(Inside([&] {
    const std::string store = mail + "/store";
    return ::mkdir((store + "/p000").c_str(), 0700) == 0 &&
           SandboxFolders::Write(store + "/p000/segment", "mail") &&
           ::link((store + "/p000/segment").c_str(), (store + "/linked").c_str()) == 0 &&
           ::link((store + "/linked").c_str(), (mail + "/snapshots/copy").c_str()) == 0 &&
           ::rename((store + "/linked").c_str(), (store + "/p000/moved").c_str()) == 0 &&
           ::unlink((store + "/p000/moved").c_str()) == 0;
  }));
  EXPECT_TRUE(Inside([&] { return SandboxFolders::Write(mail + "/data/users.db-wal", "log"); }));
  EXPECT_TRUE(Inside([] {
    bool ran = false;
    std::thread([&ran] { ran = true; }).join();
    return ran;
  }));
  EXPECT_TRUE(Inside([] { return SandboxFolders::Reads("/proc/self/stat"); }));
  // What it asks of the page cache. A kernel that does not know the first says so to anybody.
  constexpr long kCachestat = 451;
  const auto cachestat = [] {
    return ::syscall(kCachestat, -1, nullptr, nullptr, 0) < 0 ? errno : 0;
  };
  const int known = cachestat();
  EXPECT_TRUE(Inside([&] { return cachestat() == known; }));
  EXPECT_TRUE(Inside([&] {
    const open_how how{.flags = O_RDONLY, .mode = 0, .resolve = 0};
    return ::syscall(SYS_openat2, AT_FDCWD, ConfigPath().c_str(), &how, sizeof how) >= 0;
  }));
  EXPECT_TRUE(Inside([] {
    int unsent = 0;
    return ::ioctl(-1, SIOCOUTQ, &unsent) < 0 && errno == EBADF;
  }));
}

// A certificate that is replaced, as by certbot's hook or a mounted secret; one for a new host.
TEST_F(ServerSandboxTest, ReadsWhatComesLater) {
  const std::string mail = folders_.mail();
  std::array<int, 2> entered{};
  std::array<int, 2> replaced{};
  ASSERT_EQ(::pipe(entered.data()), 0);
  ASSERT_EQ(::pipe(replaced.data()), 0);
  std::thread other([&] {
    char word = 0;
    if (::read(entered[0], &word, 1) != 1) return;
    SandboxFolders::Write(mail + "/tls/new", "certificate");
    fs::rename(mail + "/tls/new", mail + "/tls/cert.pem");
    fs::create_directories(mail + "/certs/pop.acme.example");
    SandboxFolders::Write(mail + "/certs/pop.acme.example/fullchain.pem", "certificate");
    SandboxFolders::Write(mail + "/poplar.new", "[server]\n");
    fs::rename(mail + "/poplar.new", ConfigPath());
    EXPECT_EQ(::write(replaced[1], "x", 1), 1);
  });
  EXPECT_TRUE(Inside([&] {
    char word = 0;
    return ::write(entered[1], "x", 1) == 1 && ::read(replaced[0], &word, 1) == 1 &&
           SandboxFolders::Reads(mail + "/tls/cert.pem") &&
           SandboxFolders::Reads(mail + "/certs/pop.acme.example/fullchain.pem") &&
           SandboxFolders::Reads(ConfigPath());
  }));
  ::close(entered[1]);
  other.join();
  for (const int fd : {entered[0], replaced[0], replaced[1]}) ::close(fd);
}

TEST_F(ServerSandboxTest, OffItDoesNothing) {
  EXPECT_TRUE(InChild([this] {
    tenant::Config config = Config();
    config.server.sandbox = tenant::SandboxMode::kOff;
    const auto sandbox = ServerSandbox::Enter(config, ConfigPath());
    return sandbox.ok() && (*sandbox)->Close().ok() && (*sandbox)->writes_only_below().empty() &&
           SandboxFolders::Reads("/etc/passwd");
  }));
}

TEST_F(ServerSandboxTest, RootWithoutItsPowerIsToldWhoseFilesTheyAre) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can give files to another user";
  ASSERT_EQ(::chown((folders_.mail() + "/store").c_str(), 12345, 12345), 0);
  EXPECT_TRUE(InChild([this] {
    const auto sandbox = ServerSandbox::Enter(Config(), ConfigPath());
    return sandbox.status().code() == StatusCode::kPermissionDenied &&
           Message(sandbox.status()).find("belongs to user number 12345") != std::string::npos;
  }));
}

TEST_F(ServerSandboxTest, LowPortsAreBoundByWhoKeepsTheRight) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root may bind low ports";
  constexpr uint16_t kLowPort = 809;
  const auto bind_low = [](const base::BindFunction& bind_for, int fd) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(kLowPort);
    address.sin_addr.s_addr = htonl(0x7f007f01);  // 127.0.127.1
    return bind_for(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  };
  EXPECT_TRUE(InChild([&] {
    tenant::Config config = Config();
    config.pop3.listen = {{"127.0.127.1", kLowPort}};
    const auto sandbox = ServerSandbox::Enter(config, ConfigPath());
    if (!sandbox.ok()) return false;
    const int first = ::socket(AF_INET, SOCK_STREAM, 0);
    const int second = ::socket(AF_INET, SOCK_STREAM, 0);
    const bool not_by_itself = !bind_low(&::bind, first);
    return not_by_itself && bind_low((*sandbox)->bind(), second) && (*sandbox)->Close().ok();
  }));
}

}  // namespace
}  // namespace poplar::app
