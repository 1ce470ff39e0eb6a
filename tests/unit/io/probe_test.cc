#include "core/io/probe.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <fstream>
#include <functional>
#include <string>

#include "tests/unit/io/support.h"

namespace poplar::io {
namespace {

// Makes `call` fail with `error_number` in this process, as a container's seccomp profile does.
bool Forbid(int call, int error_number) {
  const std::array filter = {
      sock_filter BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      sock_filter BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<uint32_t>(call), 0, 1),
      sock_filter BPF_STMT(BPF_RET | BPF_K,
                           SECCOMP_RET_ERRNO | static_cast<uint32_t>(error_number)),
      sock_filter BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  sock_fprog program{.len = filter.size(), .filter = const_cast<sock_filter*>(filter.data())};
  return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
         prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) == 0;
}

// What the probe says in a child process in which `spoil` was done; "ok" if it finds nothing.
std::string ProbeInChild(const std::function<bool()>& spoil, const ProbeOptions& options = {}) {
  std::array<int, 2> pipe_fds{};
  if (pipe2(pipe_fds.data(), O_CLOEXEC) != 0) return "no pipe";
  const base::UniqueFd reading(pipe_fds[0]);
  base::UniqueFd writing(pipe_fds[1]);
  const pid_t child = fork();
  if (child == 0) {
    std::string said = "not spoilt";
    if (spoil()) {
      const Status status = ProbeKernel(options);
      said = status.ok() ? "ok" : std::string(Message(status));
    }
    const bool written = write(writing.get(), said.data(), said.size()) > 0;
    _exit(written ? 0 : 1);
  }
  writing.Reset();
  std::string said;
  std::array<char, 4096> bytes{};
  for (ssize_t n = 0; (n = read(reading.get(), bytes.data(), bytes.size())) > 0;) {
    said.append(bytes.data(), static_cast<size_t>(n));
  }
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? said : "died: " + said;
}

void ExpectSays(const std::string& said, std::initializer_list<std::string_view> parts) {
  for (const std::string_view part : parts) {
    EXPECT_NE(said.find(part), std::string::npos) << said << "\nlacks: " << part;
  }
}

TEST(ProbeTest, FindsNothingWrongHere) {
  EXPECT_EQ(ProbeInChild([] { return true; }), "ok");
  // Also beside a reactor.
  const auto reactor = MakeReactor();
  EXPECT_TRUE(ProbeKernel({}).ok());
}

TEST(ProbeTest, ASeccompProfileThatRefuses) {
  const std::string said = ProbeInChild([] { return Forbid(SYS_io_uring_setup, EPERM); });
  ExpectSays(said, {"EPERM", "seccomp", "io_uring_setup", "io_uring_enter", "docker", "podman",
                    "Kubernetes"});
}

TEST(ProbeTest, ASeccompProfileThatHides) {
  const std::string said = ProbeInChild([] { return Forbid(SYS_io_uring_setup, ENOSYS); });
  ExpectSays(said, {"ENOSYS", "seccomp", "CONFIG_IO_URING"});
}

TEST(ProbeTest, ASeccompProfileThatForgotRegister) {
  const std::string said = ProbeInChild([] { return Forbid(SYS_io_uring_register, EPERM); });
  ExpectSays(said, {"seccomp", "io_uring_register"});
}

TEST(ProbeTest, ASeccompProfileThatForgotEnter) {
  for (const int error_number : {EPERM, ENOSYS}) {
    const std::string said = ProbeInChild([&] { return Forbid(SYS_io_uring_enter, error_number); });
    ExpectSays(said, {"seccomp", "io_uring_enter"});
  }
}

TEST(ProbeTest, ASysctlThatSwitchesItOff) {
  constexpr const char* kSysctl = "/proc/sys/kernel/io_uring_disabled";
  if (geteuid() != 0 || access(kSysctl, F_OK) != 0) GTEST_SKIP() << "no sysctl to be shadowed";
  // The kernel that has it set refuses as a seccomp profile does; the probe looks at the value.
  const auto with_value = [&](const std::string& value) {
    const std::string file = testing::TempDir() + "io_uring_disabled." + std::to_string(getpid());
    std::ofstream(file) << value << '\n';
    const std::string said = ProbeInChild([&] {
      return unshare(CLONE_NEWNS) == 0 &&
             mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
             mount(file.c_str(), kSysctl, nullptr, MS_BIND, nullptr) == 0 &&
             Forbid(SYS_io_uring_setup, EPERM);
    });
    unlink(file.c_str());
    return said;
  };
  const std::string unprivileged = with_value("1");
  if (unprivileged == "not spoilt") GTEST_SKIP() << "nothing may be mounted here";
  ExpectSays(unprivileged, {"kernel.io_uring_disabled is 1", "kernel.io_uring_group"});
  const std::string everybody = with_value("2");
  ExpectSays(everybody, {"kernel.io_uring_disabled is 2", "sysctl -w kernel.io_uring_disabled=0"});
  EXPECT_EQ(everybody.find("io_uring_group"), std::string::npos) << everybody;
}

TEST(ProbeTest, AKernelThatDoesNotKnowTheFlags) {
  const std::string said = ProbeInChild([] { return Forbid(SYS_io_uring_setup, EINVAL); });
  ExpectSays(said, {"6.1", "this kernel ("});
}

TEST(ProbeTest, NoMemoryForARing) {
  const std::string said = ProbeInChild([] { return Forbid(SYS_io_uring_setup, ENOMEM); });
  ExpectSays(said, {"ENOMEM", "RLIMIT_MEMLOCK", "LimitMEMLOCK", "ulimit -l"});
}

TEST(ProbeTest, NoLockedMemoryForAnUnprivilegedUser) {
  if (geteuid() != 0) GTEST_SKIP() << "cannot become another user";
  const std::string said = ProbeInChild([] {
    const rlimit limit{.rlim_cur = 0, .rlim_max = 0};
    constexpr uid_t kNobody = 65534;
    return setrlimit(RLIMIT_MEMLOCK, &limit) == 0 && setresuid(kNobody, kNobody, kNobody) == 0;
  });
  if (said == "ok") GTEST_SKIP() << "this kernel does not count rings as locked memory";
  ExpectSays(said, {"ENOMEM", "RLIMIT_MEMLOCK is 0 octets"});
}

// The rings are made later, by a process that may no longer raise it.
TEST(ProbeTest, RaisesTheLimitOfLockedMemoryAsFarAsItMay) {
  const auto exit_code_of = [](uid_t user) {
    const pid_t child = fork();
    if (child == 0) {
      // Root of a container may not raise it, either.
      rlimit limit{.rlim_cur = RLIM_INFINITY, .rlim_max = RLIM_INFINITY};
      const bool may = user == 0 && setrlimit(RLIMIT_MEMLOCK, &limit) == 0;
      limit = {.rlim_cur = 1 << 20, .rlim_max = 8 << 20};
      if (setrlimit(RLIMIT_MEMLOCK, &limit) != 0 || setresuid(user, user, user) != 0) _exit(2);
      if (!ProbeKernel({}).ok() || getrlimit(RLIMIT_MEMLOCK, &limit) != 0) _exit(3);
      _exit(limit.rlim_cur == (may ? RLIM_INFINITY : 8 << 20) ? 0 : 1);
    }
    int ended = 0;
    EXPECT_EQ(waitpid(child, &ended, 0), child);
    return WEXITSTATUS(ended);
  };
  EXPECT_EQ(exit_code_of(geteuid()), 0);
  if (geteuid() == 0) {
    EXPECT_EQ(exit_code_of(65534), 0);
  }
}

TEST(ProbeTest, TooFewDescriptors) {
  const std::string said = ProbeInChild([] {
    const rlimit limit{.rlim_cur = 64, .rlim_max = 100};
    return setrlimit(RLIMIT_NOFILE, &limit) == 0;
  });
  ExpectSays(said, {"RLIMIT_NOFILE is 100", "1024", "ulimit -Hn", "LimitNOFILE"});
}

TEST(ProbeTest, RaisesTheSoftLimitOfDescriptors) {
  const std::string said = ProbeInChild(
      [] {
        const rlimit limit{.rlim_cur = 64, .rlim_max = 2'000};
        return setrlimit(RLIMIT_NOFILE, &limit) == 0;
      },
      {.descriptors_wanted = 2'000});
  EXPECT_EQ(said, "ok");
}

TEST(ProbeTest, ReactorsFailWithTheSameSentence) {
  EXPECT_EXIT(
      {
        if (!Forbid(SYS_io_uring_setup, EPERM)) _exit(2);
        const auto reactor = Reactor::Create({});
        _exit(!reactor.ok() && Message(reactor.status()) == Message(ExplainRingFailure(EPERM)) ? 0
                                                                                               : 1);
      },
      testing::ExitedWithCode(0), "");
}

TEST(ProbeTest, TakesErrnoOfEitherSign) {
  EXPECT_EQ(ExplainRingFailure(-ENOSYS), ExplainRingFailure(ENOSYS));
  EXPECT_FALSE(ExplainRingFailure(EMFILE).ok());
}

}  // namespace
}  // namespace poplar::io
